"""Acts on a real host, as the runner's threads do them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from runner import acts
from runner.acts import SendingStep
from runner.entities import Host
from runner.errors import UnreachableError
from runner.executors import executors
from runner.frameworks.base import LaunchPlan
from runner.kinds.base import Work
from tests.support.hosts import Reached, eventually, order
from tests.support.run_rows import run_value

DATA = os.urandom(12_000_000)  # more than pipes hold
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    """One file of a dataset, of which every step is told."""
    monkeypatch.setattr(acts, "TOLD_EVERY_S", 0.0)
    (tmp_path / "object").write_bytes(DATA)
    return Work(LaunchPlan(("/bin/true",)), {"1.jpg": DIGEST}, {DIGEST: tmp_path / "object"})


def stage(reached: Reached, work: Work, told: list[SendingStep], *, bytes_wanted: int) -> acts.StagedOutcome:
    run = run_value(attempt=1)
    wanted = order(reached.root, "true", dataset_manifest=work.manifest)
    host: Host = reached.host
    return acts.stage(
        reached.transport, executors()["screen"], work, wanted, run=run, host=host, tell=told.append,
        wanted=lambda: not told or told[-1].step.done < bytes_wanted,
    )


def test_staging_tells_how_far_it_is(any_host: Reached, work: Work) -> None:
    told: list[SendingStep] = []
    assert stage(any_host, work, told, bytes_wanted=len(DATA)) == acts.StagedOutcome("r-1", 1, symbolic=0)
    steps = [item.step for item in told]
    assert {(item.run_id, item.attempt) for item in told} == {("r-1", 1)}
    assert {(step.phase, step.total, step.unit) for step in steps} == {("fish@1", len(DATA), "bytes")}
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert steps[-1].done == len(DATA)
    assert steps[-1].rate
    assert stage(any_host, work, [], bytes_wanted=0).attempt == 1  # all is there: nothing is sent


def test_what_is_not_laid_any_more_is_laid_again_at_its_launch(any_host: Reached) -> None:
    wanted = order(any_host.root, "true")
    executor = executors()["screen"]
    acts.launch(any_host.transport, executor, wanted, run=run_value(attempt=1), root=any_host.host.root, again=False)
    eventually((Path(wanted.directory) / "claim").is_symlink)


def test_a_run_that_is_stopped_stops_sending(any_host: Reached, work: Work) -> None:
    told: list[SendingStep] = []
    with pytest.raises(UnreachableError, match="fish@1 was not sent to its end: r-1 was stopped"):
        stage(any_host, work, told, bytes_wanted=8_000_000)
    assert told[-1].step.done < 9_000_000
    told.clear()
    stage(any_host, work, told, bytes_wanted=len(DATA))
    assert told[0].step.total is not None
    assert told[0].step.total < len(DATA)
