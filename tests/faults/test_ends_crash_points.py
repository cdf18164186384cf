"""The runner, or the shell that stops something on a host, dies around every end that is not the run's own: asked for by a person or a
time limit, for a run of higher priority, or by the host. Each is carried out once, and gives its devices back once nothing is left."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.demo.processes import marked
from runner.crash_points import STOP
from runner.entities import Run
from runner.queueing.policy import Policy
from runner.service.runs import request_stop, submit_training
from runner.settings import Limits
from runner.specs import Overrides, Turn
from runner.states import Reason
from runner.store import events, hosts
from tests.support.hosts import eventually
from tests.support.power import cut_power
from tests.support.runner_process import runner_process
from tests.support.scripted_house import ScriptedHouse, scripted_house

pytestmark = pytest.mark.slow
STOPPED = ["runner.after_stop_sent", "runner.after_fenced"]
CONCLUDED = ["runner.before_end_committed", "runner.after_finished"]


@pytest.fixture(scope="module")
def scripted() -> Iterator[ScriptedHouse]:
    limits = Limits(stop_grace_s=1, retry_delay_s=0.1, heartbeat_timeout_s=15)
    policy = Policy(preempting_priority=1, preemption_grace_s=0.5)
    with scripted_house(Path(tempfile.mkdtemp(prefix="house")), limits=limits, policy=policy) as house:
        yield house


@pytest.fixture(autouse=True)
def nothing_is_left(scripted: ScriptedHouse) -> Iterator[None]:
    yield
    assert hosts.leases(scripted.house.store.reading()) == []


def submit(scripted: ScriptedHouse, *options: str, turn: Turn = Turn()) -> Run:
    return submit_training(
        scripted.house, scripted.who(), preset="quick", dataset="fish", overrides=Overrides(options=("step_s=0.1", *options)), turn=turn
    )


def ends_told(scripted: ScriptedHouse, run: Run) -> list[object]:
    """Every end, or end of an attempt, that people were told of."""
    told = [event.payload["reason"] for event in events.of_run(scripted.house.store.reading(), run.id) if event.kind == "state"]
    return [reason for reason in told if reason in ("RETRYING", "PREEMPTED") or Reason(str(reason)).state.final]


def epochs(scripted: ScriptedHouse, run: Run, attempt: int) -> list[int]:
    lines = (scripted.directory(run, attempt) / "iterations.txt").read_text(encoding="ascii").splitlines()
    assert len({line.split()[2] for line in lines}) == 1
    return [int(line.split()[0]) for line in lines]


@pytest.mark.parametrize("point", [*STOPPED, *CONCLUDED])
def test_a_stop_by_a_person(scripted: ScriptedHouse, point: str) -> None:
    """It is deaf, and has a child in a session of its own."""
    run = submit(scripted, "epochs=50", "ignore_term=true", "child=true")
    with runner_process(scripted.house.settings, crash_at=point) as first:
        seen = scripted.wait_until(run, lambda view: view.progress is not None)
        request_stop(scripted.house, scripted.who(), run.id)
        assert first.wait(60) == -signal.SIGKILL
    with runner_process(scripted.house.settings):
        scripted.wait(run, Reason.BY_USER)
    assert seen.attempt is not None
    assert marked(seen.attempt.marker) == []
    assert ends_told(scripted, run) == ["BY_USER"]


@pytest.mark.parametrize("point", STOP)
def test_an_answer_that_is_lost_around_a_stop(scripted: ScriptedHouse, point: str) -> None:
    """The shell dies that carries it out, as often as it is asked; then the runner."""
    run = submit(scripted, "epochs=50", "child=true")
    said = scripted.house.settings.state / "runner.out"
    with runner_process(scripted.house.settings, crash_at=point) as first:
        seen = scripted.wait_until(run, lambda view: view.progress is not None)
        request_stop(scripted.house, scripted.who(), run.id)
        eventually(lambda: f"stop of {run.id} did not come through" in said.read_text(encoding="utf-8"), 60)
        assert scripted.view(run).devices
        first.kill()
    with runner_process(scripted.house.settings):
        scripted.wait(run, Reason.BY_USER)
    assert seen.attempt is not None
    assert marked(seen.attempt.marker) == []


@pytest.mark.parametrize("point", ["stop.after_fence", "stop.before_answer", "runner.after_stop_sent", "runner.after_fenced"])
def test_a_stop_before_the_claim(scripted: ScriptedHouse, point: str) -> None:
    """launch.sh died before it claimed: the fence is taken, and whoever took it dies."""
    run = submit(scripted)
    said = scripted.house.settings.state / "runner.out"
    with runner_process(scripted.house.settings, crash_at="launch.before_claim") as first:
        scripted.wait(run, Reason.LAUNCHING)
        first.kill()
    with runner_process(scripted.house.settings, crash_at=point) as second:
        request_stop(scripted.house, scripted.who(), run.id)
        if point.startswith("runner"):
            assert second.wait(60) == -signal.SIGKILL
        else:
            eventually(lambda: f"stop of {run.id} did not come through" in said.read_text(encoding="utf-8"), 60)
            second.kill()
    with runner_process(scripted.house.settings):
        scripted.wait(run, Reason.BY_USER)
    assert not (scripted.directory(run) / "iterations.txt").exists()
    assert ends_told(scripted, run) == ["BY_USER"]


@pytest.mark.parametrize("point", ["runner.after_stop_decided", "runner.after_fenced"])
def test_a_time_limit(scripted: ScriptedHouse, point: str) -> None:
    run = submit(scripted, "epochs=50", turn=Turn(limit_s=0.5))
    with runner_process(scripted.house.settings, crash_at=point) as first:
        assert first.wait(60) == -signal.SIGKILL
    with runner_process(scripted.house.settings):
        seen = scripted.wait(run, Reason.TIME_LIMIT)
    assert seen.attempt is not None
    assert marked(seen.attempt.marker) == []
    assert ends_told(scripted, run) == ["TIME_LIMIT"]


@pytest.mark.parametrize("point", ["runner.after_preemption_noted", "runner.after_stop_decided", *STOPPED, *CONCLUDED])
def test_a_preemption(scripted: ScriptedHouse, point: str) -> None:
    low = submit(scripted, "epochs=3", "hang_at_epoch=2")
    with runner_process(scripted.house.settings, crash_at=point) as first:
        scripted.wait_until(low, lambda view: len(view.checkpoints) > 1)
        high = submit(scripted, "step_s=0.02", turn=Turn(priority=1))
        assert first.wait(60) == -signal.SIGKILL
    with runner_process(scripted.house.settings):
        first_done = scripted.wait(high, Reason.COMPLETED)
        done = scripted.wait(low, Reason.COMPLETED)
    assert (first_done.run.attempt, done.run.attempt) == (1, 2)
    assert ends_told(scripted, low) == ["PREEMPTED", "COMPLETED"]
    assert (set(epochs(scripted, low, 1)), set(epochs(scripted, low, 2))) == ({1, 2}, {3})


@pytest.mark.parametrize("point", ["runner.after_exit_seen", *CONCLUDED])
def test_an_attempt_that_vanished(scripted: ScriptedHouse, point: str) -> None:
    run = submit(scripted, "epochs=3", "hang_at_epoch=1")
    with runner_process(scripted.house.settings, crash_at=point) as first:
        scripted.wait_until(run, lambda view: view.checkpoints)
        cut_power(scripted.view(run).attempt)
        assert first.wait(60) == -signal.SIGKILL
    with runner_process(scripted.house.settings):
        done = scripted.wait(run, Reason.COMPLETED)
    assert done.run.attempt == 2
    assert ends_told(scripted, run) == ["RETRYING", "COMPLETED"]
    failures = [event for event in events.of_run(scripted.house.store.reading(), run.id) if event.kind == "attempt_failed"]
    assert [event.payload["reason"] for event in failures] == ["LOST"]
    assert (set(epochs(scripted, run, 1)), set(epochs(scripted, run, 2))) == ({1}, {2, 3})


@pytest.mark.parametrize("point", STOPPED)
def test_a_failure_of_its_own(scripted: ScriptedHouse, point: str) -> None:
    """What outlived it is swept before its device is given back."""
    run = submit(scripted, "child=true", "fail_at_epoch=1")
    with runner_process(scripted.house.settings, crash_at=point) as first:
        assert first.wait(60) == -signal.SIGKILL
    with runner_process(scripted.house.settings):
        seen = scripted.wait(run, Reason.CODE_ERROR)
    assert seen.attempt is not None
    assert marked(seen.attempt.marker) == []
    assert ends_told(scripted, run) == ["CODE_ERROR"]
