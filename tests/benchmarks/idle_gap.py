"""How long one slot is idle between two runs that both wait for it: through Signalbox over ssh, Slurm and task-spooler, in alternation.

The same tiny program for all, on this machine; it notes its own beginning and end.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path

from runner.entities import Environment
from runner.states import Reason
from runner.store import hosts
from tests.benchmarks.figures import Figure, in_words, table
from tests.benchmarks.whole_house import whole_house
from tests.support.scripted_house import HOST
from tests.support.slack_house import until
from tests.support.slurm_cluster import SlurmCluster, slurm_cluster
from tests.support.slurm_cluster import why_not as why_no_slurm

ROUNDS, GAPS_A_ROUND = 5, 4
FIRST_S, EACH_S = 6.0, 3.0
"""The first one of a round is that long, so that the others wait for nothing but the slot."""
PROGRAM = Path(__file__).parent / "gap" / "program.py"
GOAL = 0.25
"""Times Slurm's median."""
DEFAULTS = "SchedulerType=sched/backfill\n"
THROUGHPUT = """\
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0
PriorityType=priority/basic
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
SlurmctldDebug=error
SlurmdDebug=error
"""
"""What https://slurm.schedmd.com/high_throughput.html advises, as far as it matters for one node."""

Moments = tuple[int, int]
Round = Callable[[int], list[Moments]]
"""Runs so many one after the other, and says when each began and ended."""


def why_not() -> str:
    """Why nothing can be compared here; empty where it can."""
    if shutil.which("tsp") is None:
        return "task-spooler is not installed: apt-get install task-spooler"
    return why_no_slurm()


def measure() -> list[Figure]:
    """Every round is one of each, so that a busy minute is everybody's."""
    with ExitStack() as stack:
        rounds: Mapping[str, Round] = {
            "Slurm, its defaults": stack.enter_context(_slurm(DEFAULTS)),
            "Slurm, set for throughput": stack.enter_context(_slurm(THROUGHPUT)),
            "task-spooler": stack.enter_context(_task_spooler()),
            "Signalbox over ssh": stack.enter_context(_signalbox()),
        }
        gaps: dict[str, list[float]] = {name: [] for name in rounds}
        for number in range(ROUNDS):
            for name, ran in rounds.items():
                moments = sorted(ran(number))
                found = [(began - ended) / 1e9 for (_, ended), (began, _) in pairwise(moments)]
                gaps[name] += found
                so_far = f"median so far {in_words(statistics.median(gaps[name]))}"
                print(f"round {number + 1} of {ROUNDS}, {name}: {', '.join(map(in_words, found))}; {so_far}", flush=True)
    slurm = min(statistics.median(values) for name, values in gaps.items() if name.startswith("Slurm"))
    *others, ours = (Figure(name, values) for name, values in gaps.items())
    return [*others, Figure(ours.name, ours.seconds, "median", GOAL * slurm)]


def ratios(figures: list[Figure]) -> str:
    """Our median by each other's."""
    *others, ours = figures
    return "\n".join(f"{ours.name} / {each.name}: {ours.numbers['median'] / each.numbers['median']:.2f}" for each in others)


@contextmanager
def _signalbox() -> Iterator[Round]:
    with whole_house() as house:
        with house.house.store.writing() as db:
            hosts.put_environment(db, Environment(HOST, "scripted", "scripted", sys.executable, str(PROGRAM.parent), "gap-1"))

        def ran(number: int) -> list[Moments]:
            ids = range(number * (GAPS_A_ROUND + 1), (number + 1) * (GAPS_A_ROUND + 1))
            queue = [house.submit(each, step_s=FIRST_S if each == ids[0] else EACH_S) for each in ids]
            until(lambda: all(house.scripted.view(run).run.prepared for run in queue), timeout_s=60, what="the runs' preparation")
            for run in queue:
                house.wait(run, Reason.COMPLETED, timeout_s=120)
            return [_moments(house.scripted.directory(run)) for run in queue]

        yield ran


@contextmanager
def _slurm(scheduler: str) -> Iterator[Round]:
    with (
        tempfile.TemporaryDirectory(prefix="signalbox-slurm-", ignore_cleanup_errors=True) as name,
        slurm_cluster(Path(name), scheduler=scheduler) as cluster,
    ):
        yield lambda number: _through_slurm(cluster, Path(name) / f"round{number}")


def _through_slurm(cluster: SlurmCluster, folder: Path) -> list[Moments]:
    places = _laid(folder)
    for place in places:
        (place / "job.sh").write_text(f"#!/bin/sh\nexec {sys.executable} {PROGRAM} config.json\n", encoding="utf-8")
        cluster.ask("sbatch", "--exclusive", f"--chdir={place}", "--output=log", str(place / "job.sh"))
    return _ended(places)


@contextmanager
def _task_spooler() -> Iterator[Round]:
    with tempfile.TemporaryDirectory(prefix="signalbox-tsp-", ignore_cleanup_errors=True) as name:
        environment = os.environ | {"TS_SOCKET": f"{name}/socket", "TMPDIR": name}

        def ran(number: int) -> list[Moments]:
            places = _laid(Path(name) / f"round{number}")
            for place in places:
                command = ("tsp", sys.executable, str(PROGRAM), "config.json")
                subprocess.run(command, cwd=place, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=30)
            return _ended(places)

        try:
            yield ran
        finally:
            subprocess.run(("tsp", "-K"), env=environment, check=False, stdout=subprocess.DEVNULL, timeout=30)


def _laid(folder: Path) -> list[Path]:
    """A folder for every run of a round."""
    places = [folder / str(number) for number in range(GAPS_A_ROUND + 1)]
    for place in places:
        place.mkdir(parents=True)
        (place / "config.json").write_text(json.dumps({"step_s": FIRST_S if place == places[0] else EACH_S}), encoding="utf-8")
    return places


def _ended(places: list[Path]) -> list[Moments]:
    until(lambda: all((place / "moments").exists() for place in places), timeout_s=180, what="the runs' end")
    return [_moments(place) for place in places]


def _moments(place: Path) -> Moments:
    began, ended = (place / "moments").read_text(encoding="ascii").split()
    return int(began), int(ended)


if __name__ == "__main__":
    taken = measure()
    print(table(taken), ratios(taken), sep="\n")
