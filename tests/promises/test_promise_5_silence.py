"""Promise 5: silence is not death. A host that does not answer costs nothing but patience."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from runner.entities import Run
from runner.service.views import points
from runner.states import Reason, State
from tests.support.hosts import end_all, marked
from tests.support.scripted_house import ScriptedHouse
from tests.support.silence import cut_off, sessions

pytestmark = pytest.mark.slow


def expect_caught_up(scripted: ScriptedHouse, run: Run, *, epochs: int) -> None:
    """Every line of the log became exactly one point, in order, by one process of one attempt."""
    read = [(point.epoch, point.iteration) for point in points(scripted.house, run.id)]
    assert read == [(epoch, iteration) for epoch in range(1, epochs + 1) for iteration in range(1, 6)]
    lines = (scripted.directory(run) / "iterations.txt").read_text().splitlines()
    assert [tuple(map(int, line.split()[:2])) for line in lines] == read
    assert len({line.split()[2] for line in lines}) == 1
    assert (scripted.house.settings.logs / f"{run.id}-1.log").read_bytes() == (scripted.directory(run) / "log").read_bytes()


def test_a_host_that_is_cut_off_and_comes_back_loses_nothing(scripted: ScriptedHouse) -> None:
    run = scripted.submit("step_s=0.3", epochs=4)
    with scripted.running():
        before = scripted.wait_until(run, lambda view: view.progress is not None)
        cut_off(scripted.sshd)
        silent = scripted.wait(run, Reason.UNREACHABLE)
        assert silent.run.state is State.RUNNING
        assert silent.devices
        assert before.attempt is not None
        assert before.attempt.pid in marked_with_launcher(before.attempt.marker, before.attempt.pid)
        scripted.sshd.restart()
        scripted.wait(run, Reason.WORKING)
        after = scripted.wait(run, Reason.COMPLETED)
    assert after.attempt is not None
    assert (after.attempt.number, after.attempt.pid) == (1, before.attempt.pid)
    expect_caught_up(scripted, run, epochs=4)


def marked_with_launcher(marker: str, launcher: int | None) -> list[int]:
    """The processes of an attempt; launch.sh itself carries no marker."""
    alive = [launcher] if launcher and Path(f"/proc/{launcher}").exists() else []
    return alive + marked(marker)


def test_a_training_that_dies_in_the_silence_is_lost_only_once_the_host_says_so(scripted: ScriptedHouse) -> None:
    run = scripted.submit("step_s=0.2", epochs=5)
    with scripted.running():
        seen = scripted.wait_until(run, lambda view: view.checkpoints)
        assert seen.attempt is not None
        assert seen.attempt.pid is not None
        cut_off(scripted.sshd)
        scripted.wait(run, Reason.UNREACHABLE)
        os.kill(seen.attempt.pid, signal.SIGKILL)
        end_all(seen.attempt.marker)
        second = scripted.submit()
        scripted.wait(second, Reason.WAITING_FOR_HOST)
        assert scripted.view(run).run.reason is Reason.UNREACHABLE
        assert scripted.view(run).devices
        scripted.sshd.restart()
        ended = scripted.wait(run, Reason.COMPLETED, timeout_s=60)
    assert ended.run.attempt == 2


def test_a_host_that_falls_silent_while_an_attempt_is_staged_goes_on_when_it_is_back(scripted: ScriptedHouse) -> None:
    first = scripted.submit("step_s=0.3", epochs=2)
    with scripted.running():
        scripted.wait(first, Reason.WORKING)
        run = scripted.submit()
        scripted.wait_until(run, lambda view: view.run.prepared)
        cut_off(scripted.sshd)
        scripted.wait(first, Reason.UNREACHABLE)
        scripted.wait(run, Reason.WAITING_FOR_HOST)
        scripted.sshd.restart()
        scripted.wait(first, Reason.COMPLETED)
        scripted.wait(run, Reason.COMPLETED)
    expect_caught_up(scripted, run, epochs=3)


@pytest.mark.slow
def test_a_host_that_freezes_is_silent_after_its_heartbeats_stop(scripted: ScriptedHouse) -> None:
    """Nothing is closed and nothing is refused: TCP alone would say that all is well."""
    run = scripted.submit("step_s=0.4", epochs=10)
    with scripted.running():
        before = scripted.wait_until(run, lambda view: view.progress is not None)
        frozen = [scripted.sshd.pid, *sessions(scripted.sshd)]
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            silent = scripted.wait(run, Reason.UNREACHABLE, timeout_s=40)
            assert silent.devices
            assert before.attempt is not None
            assert marked(before.attempt.marker)
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
        scripted.wait(run, Reason.WORKING, timeout_s=60)
        scripted.wait(run, Reason.COMPLETED, timeout_s=60)
    expect_caught_up(scripted, run, epochs=10)
