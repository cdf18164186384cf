"""Kills of the runner at random moments, and everything else that can happen to it, until nothing is left to find: ``make soak``.

``SIGNALBOX_SOAK_KILLS`` says how many (a few, where it is one test of many), ``SIGNALBOX_SOAK_SEED`` repeats the choices of an earlier one.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest

from runner.store import attempts, runs
from tests.soak.house import SoakHouse, soak_house
from tests.soak.storm import Storm
from tests.support.hosts import eventually
from tests.support.soak_judge import judge, orphans

KILLS = int(os.environ.get("SIGNALBOX_SOAK_KILLS", "15"))
SEED = int(os.environ.get("SIGNALBOX_SOAK_SEED", time.time_ns() % 1_000_000))


ROUND = 100
"""Kills. After so many everything may come to its end, and is judged."""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def judged(house: SoakHouse, storm: Storm) -> list[str]:
    with contextlib.suppress(AssertionError):  # the judge names them
        eventually(lambda: not orphans(house.roots), 20)  # the watch on a host leaves a moment after its runner
    defects = [*storm.troubles, *judge(house.scripted.house, storm.plans, presence=house.presence, roots=house.roots)]
    db = house.scripted.house.store.reading()
    ends = Counter(f"{plan.kind}: {runs.get(db, plan.run_id).reason}" for plan in storm.plans.values())
    tries = sum(len(attempts.of(db, run_id)) for run_id in storm.plans)
    say(f"{dict(storm.done)}; {len(storm.plans)} runs, {tries} attempts; {dict(sorted(ends.items()))}; {len(defects)} defects")
    return defects


@pytest.mark.slow
@pytest.mark.timeout(180 + 20 * KILLS)
def test_no_kill_of_the_runner_loses_doubles_or_leaks_anything() -> None:
    say(f"\nseed {SEED}, {KILLS} kills")
    with soak_house() as house:
        storm = Storm(house, random.Random(SEED))
        began, defects = time.monotonic(), list[str]()
        for done in range(0, KILLS, ROUND):
            storm.rage(min(ROUND, KILLS - done))
            storm.settle()
            defects = judged(house, storm)
            say(f"{storm.done['kills'] / (time.monotonic() - began) * 60:.1f} kills a minute")
            if defects:
                break
        if defects:
            kept = Path(tempfile.mkdtemp(prefix="soak-kept")) / "house"
            shutil.copytree(house.presence.parent, kept, symlinks=True)
            say("\n".join([*defects, f"All of it is kept in {kept}."]))
        assert defects == []
