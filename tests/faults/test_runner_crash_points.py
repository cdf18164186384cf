"""The runner, and what it starts on a host, die at every named point: each run still happens exactly once, and nothing is lost."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.crash_points import LAUNCH, RUNNER, SESSION
from runner.entities import Run
from runner.service.models import results_of, submit_predict
from runner.service.runs import request_stop
from runner.service.views import history
from runner.settings import Limits
from runner.states import Reason
from tests.support.hosts import eventually
from tests.support.runner_process import runner_process
from tests.support.scripted_house import ScriptedHouse, scripted_house

pytestmark = pytest.mark.slow
ELSEWHERE = {
    "runner.after_schedule_fired",  # tests/runner/test_schedules.py dies there
    "runner.after_preemption_noted", "runner.after_stop_decided",  # these two, and the next two: test_ends_crash_points.py
    "runner.after_stop_sent", "runner.after_fenced",
    "runner.after_met",  # of several hosts: test_ranks_crash_points.py
    "runner.after_devices_given_back", "runner.after_collected",  # of kinds that bring something here: below
}
# What launch.sh leaves behind when it dies there, and so whether its attempt goes on, is started again, or is tried anew.
SECOND_ATTEMPT = {"launch.after_claim", "launch.after_start", "launch.before_exit"}


@pytest.fixture(scope="module")
def scripted() -> Iterator[ScriptedHouse]:
    limits = Limits(stop_grace_s=1, retry_delay_s=0.1, heartbeat_timeout_s=15)
    with scripted_house(Path(tempfile.mkdtemp(prefix="house")), limits=limits) as house:
        yield house


@pytest.fixture(scope="module")
def trained(scripted: ScriptedHouse) -> Run:
    """A run that left checkpoints."""
    run = scripted.submit()
    with scripted.running():
        scripted.wait(run, Reason.COMPLETED)
    return run


@pytest.mark.parametrize("point", [name for name in RUNNER if name not in ELSEWHERE])
def test_the_runner_dies_and_the_run_happens_exactly_once(scripted: ScriptedHouse, point: str) -> None:
    run = scripted.submit()
    with runner_process(scripted.house.settings, crash_at=point) as first:
        assert first.wait(60) == -signal.SIGKILL, f"{point} was not reached"
    with runner_process(scripted.house.settings):
        seen = scripted.wait(run, Reason.COMPLETED)
    assert seen.run.attempt == 1
    assert_trained_once(scripted, run)
    assert [evaluation.epoch for evaluation in seen.evaluations] == [1, 2, 3]
    assert len(seen.epoch_ends) == 3
    assert not seen.devices


@pytest.mark.parametrize("point", [
    "runner.after_exit_seen", "runner.after_devices_given_back", "runner.after_collected", "runner.after_finished",
])
def test_the_runner_dies_around_bringing_results_and_they_are_here_once(
    scripted: ScriptedHouse, trained: Run, point: str
) -> None:
    used = submit_predict(scripted.house, scripted.who(point), trained.id)
    with runner_process(scripted.house.settings, crash_at=point) as first:
        assert first.wait(60) == -signal.SIGKILL, f"{point} was not reached"
    with runner_process(scripted.house.settings):
        seen = scripted.wait(used, Reason.COMPLETED)
    assert seen.run.attempt == 1
    names = ["pictures/val_1.jpg", "pictures/val_2.jpg", "predictions.json"]
    assert [file.name for file in results_of(scripted.house, used.id)] == names
    told = [event.payload for event in history(scripted.house, used.id) if event.kind == "results"]
    assert [[file["name"] for file in payload["files"]] for payload in told] == [names]  # type: ignore[attr-defined]
    assert [path for path in scripted.house.settings.results.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("point", ["", "runner.after_lease", "runner.after_attempt_opened", "runner.after_launched"])
def test_the_runner_dies_over_what_was_laid_ahead_and_it_happens_exactly_once(scripted: ScriptedHouse, point: str) -> None:
    """Killed as soon as an attempt lies ready (no point), or around its start."""
    with runner_process(scripted.house.settings) as first:
        before = scripted.submit("step_s=60")
        scripted.wait(before, Reason.WORKING)
        run = scripted.submit()
        eventually((scripted.directory(run) / "launch.sh").exists, 30)
        assert not (scripted.directory(run) / "claim").is_symlink()
        first.kill()
    with runner_process(scripted.house.settings, crash_at=point) as second:
        scripted.wait(run, Reason.WAITING_FOR_GPU)
        request_stop(scripted.house, scripted.who(), before.id)
        if point:
            assert second.wait(30) == -signal.SIGKILL, f"{point} was not reached"
    with runner_process(scripted.house.settings):
        seen = scripted.wait(run, Reason.COMPLETED)
    assert seen.run.attempt == 1
    assert_trained_once(scripted, run)


@pytest.mark.parametrize("point", SESSION)
def test_an_answer_that_is_lost_around_a_launch_doubles_nothing(scripted: ScriptedHouse, point: str) -> None:
    """The shell dies that starts the session: the runner hears nothing, whether it was started or not."""
    run = scripted.submit()
    with runner_process(scripted.house.settings, crash_at=point) as first:
        if point == "session.before_start":
            said = scripted.house.settings.state / "runner.out"
            eventually(lambda: f"launch of {run.id} did not come through" in said.read_text(), 60)
        else:
            scripted.wait(run, Reason.WORKING, Reason.COMPLETED)
        first.kill()
    with runner_process(scripted.house.settings):
        seen = scripted.wait(run, Reason.COMPLETED)
    assert seen.run.attempt == 1
    assert_trained_once(scripted, run)
    assert not seen.devices


@pytest.mark.parametrize("point", LAUNCH)
def test_launch_dies_and_no_training_is_lost_or_doubled(scripted: ScriptedHouse, point: str) -> None:
    run = scripted.submit()
    with runner_process(scripted.house.settings, crash_at=point):
        if point == "launch.before_claim":
            scripted.wait(run, Reason.LAUNCHING)
        elif point == "launch.after_exit":
            scripted.wait(run, Reason.COMPLETED)
        else:
            scripted.wait(run, Reason.RETRYING)
    with runner_process(scripted.house.settings):
        seen = scripted.wait(run, Reason.COMPLETED)
    assert seen.run.attempt == (2 if point in SECOND_ATTEMPT else 1)
    for attempt in range(1, seen.run.attempt + 1):
        pids = {line.split()[2] for line in iterations(scripted, run, attempt)}
        assert len(pids) <= 1
    points = [line.rsplit(" ", 1)[0] for attempt in (1, 2) for line in iterations(scripted, run, attempt)]
    assert {f"{epoch} {iteration}" for epoch in (1, 2, 3) for iteration in range(1, 6)} == set(points)


def assert_trained_once(scripted: ScriptedHouse, run: Run) -> None:
    lines = iterations(scripted, run, 1)
    assert [line.rsplit(" ", 1)[0] for line in lines] == [f"{epoch} {iteration}" for epoch in (1, 2, 3) for iteration in range(1, 6)]
    assert len({line.split()[2] for line in lines}) == 1
    directory = scripted.directory(run)
    assert directory.joinpath("claim").readlink().name.startswith(f"{run.nonce}:")
    assert [path.name for path in sorted(directory.parent.glob("[0-9]*"))] == ["1"]


def iterations(scripted: ScriptedHouse, run: Run, attempt: int) -> list[str]:
    path = scripted.directory(run, attempt) / "iterations.txt"
    return path.read_text().splitlines() if path.exists() else []
