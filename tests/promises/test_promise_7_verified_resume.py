"""Promise 7: a checkpoint is proved whole before use, and trying again ends."""

from __future__ import annotations

import os
import signal

import pytest

from runner.entities import Run
from runner.service.runs import resume
from runner.service.views import RunView, history
from runner.states import Reason
from tests.support.hosts import end_all
from tests.support.scripted_house import ScriptedHouse

pytestmark = pytest.mark.slow


def end_from_outside(scripted: ScriptedHouse, run: Run) -> None:
    """Every process of the attempt is killed, the one that would write the exit first: LOST."""
    attempt = scripted.view(run).attempt
    assert attempt is not None
    assert attempt.pid is not None
    os.kill(attempt.pid, signal.SIGKILL)
    end_all(attempt.marker)


def test_a_truncated_newest_checkpoint_is_refused_and_the_one_before_used(scripted: ScriptedHouse) -> None:
    run = scripted.submit("fail_at_epoch=2")
    with scripted.running():
        scripted.wait(run, Reason.CODE_ERROR)
        (scripted.directory(run) / "work_dir" / "epoch_2.pth").write_text('{"epo')
        again = resume(scripted.house, scripted.who("again"), run.id)
        seen = scripted.wait(again, Reason.COMPLETED)
    refused = [event.payload for event in history(scripted.house, again.id) if event.kind == "refused_checkpoint"]
    assert [item["checkpoint"] for item in refused] == ["epoch_2.pth"]
    starts = [event.payload for event in history(scripted.house, again.id) if event.kind == "starts_from"]
    assert [(item["checkpoint"], item["epoch"]) for item in starts] == [("epoch_1.pth", 1)]
    assert [point.epoch for point in seen.epoch_ends] == [2, 3]


def test_a_retry_goes_on_from_its_own_newest_checkpoint_with_the_frozen_config(scripted: ScriptedHouse) -> None:
    run = scripted.submit("step_s=0.2", epochs=4)
    with scripted.running():
        first = scripted.wait_until(run, lambda view: len(view.checkpoints) > 1)
        assert first.run.prepared is not None
        end_from_outside(scripted, run)
        seen = scripted.wait(run, Reason.COMPLETED)
    assert seen.run.attempt == 2
    assert seen.run.prepared is not None
    assert seen.run.prepared["config"] == first.run.prepared["config"]
    started = [event.payload["epoch"] for event in history(scripted.house, run.id) if event.kind == "starts_from"]
    lines = (scripted.directory(run, 2) / "iterations.txt").read_text().splitlines()
    assert int(lines[0].split()[0]) == int(str(started[-1])) + 1 >= 3


def test_three_failures_in_one_epoch_end_the_loop(scripted: ScriptedHouse) -> None:
    run = scripted.submit("step_s=0.3", epochs=9)
    with scripted.running():
        for attempt in (1, 2, 3):
            scripted.wait_until(run, lambda view, wanted=attempt: _in_first_epoch(view, wanted))
            end_from_outside(scripted, run)
        seen = scripted.wait(run, Reason.LOST)
    assert "failed 3 times in epoch 1, so trying again would not help" in seen.run.detail
    assert seen.run.attempt == 3
    assert not seen.devices


def _in_first_epoch(view: RunView, attempt: int) -> bool:
    started = view.attempt is not None and view.attempt.number == attempt and view.attempt.claimed_at is not None
    return started and view.progress is not None and view.run.reason is Reason.WORKING


def test_a_fault_of_the_run_itself_is_not_tried_again(scripted: ScriptedHouse) -> None:
    run = scripted.submit("fail_at_epoch=1")
    with scripted.running():
        seen = scripted.wait(run, Reason.CODE_ERROR)
    assert seen.run.attempt == 1
