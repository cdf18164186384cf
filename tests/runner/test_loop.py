"""The runner over a real sshd, screen and SQLite, with a scripted training program."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.demo.processes import marked
from runner.service.runs import finetune, request_stop, resume
from runner.service.views import history, log_tail
from runner.specs import Overrides
from runner.states import Reason, State
from runner.store import hosts
from tests.support.scripted_house import ScriptedHouse


def test_a_run_trains_and_everything_its_log_said_is_kept(scripted: ScriptedHouse) -> None:
    run = scripted.submit()
    with scripted.running():
        seen = scripted.wait(run, Reason.COMPLETED)
    assert [point.epoch for point in seen.epoch_ends] == [1, 2, 3]
    assert [evaluation.ap for evaluation in seen.evaluations] == [0.2, 0.4, 0.6]
    assert seen.evaluations[-1].ap75 is None
    assert [checkpoint.name for _, checkpoint in seen.checkpoints] == ["epoch_1.pth", "epoch_2.pth", "epoch_3.pth"]
    assert not seen.devices
    assert seen.attempt is not None
    assert seen.attempt.exit_code == 0
    states = [event.payload["reason"] for event in history(scripted.house, run.id) if event.kind == "state"]
    assert states == ["SUBMITTED", "PREPARING", "STAGING", "LAUNCHING", "WORKING", "COMPLETED"]
    mirrored = Path(scripted.house.settings.logs / f"{run.id}-1.log").read_bytes()
    assert mirrored == (scripted.directory(run) / "log").read_bytes()


@pytest.mark.slow
def test_runs_wait_for_the_slot_with_a_reason_and_follow_each_other(scripted: ScriptedHouse) -> None:
    first = scripted.submit("step_s=0.3")
    with scripted.running():
        scripted.wait(first, Reason.WORKING)
        second = scripted.submit()
        waiting = scripted.wait(second, Reason.WAITING_FOR_GPU)
        assert waiting.run.detail == f"Needs a device on gpu-1: held by {first.id}."
        scripted.wait(first, Reason.COMPLETED)
        scripted.wait(second, Reason.COMPLETED)


@pytest.mark.slow
def test_a_failure_carries_its_cause_and_resume_goes_on_from_the_last_whole_checkpoint(scripted: ScriptedHouse) -> None:
    run = scripted.submit("fail_at_epoch=2")
    with scripted.running():
        failed = scripted.wait(run, Reason.CODE_ERROR)
        assert failed.diagnosis is not None
        assert "the scenario says so" in failed.diagnosis.sentence
        (scripted.directory(run) / "work_dir" / "epoch_2.pth").write_text('{"epo')
        again = resume(scripted.house, scripted.who("again"), run.id, overrides=Overrides(lr=0.5))
        seen = scripted.wait(again, Reason.COMPLETED)
    assert seen.run.parent_id == run.id
    assert seen.run.prepared is not None
    assert str(seen.run.prepared["checkpoint"]).endswith("/1/work_dir/epoch_1.pth")
    assert len(seen.run.prepared["refused"]) == 1  # type: ignore[arg-type]
    first = seen.epoch_ends[0]
    assert (first.epoch, first.lr) == (2, 0.5)


def test_a_bad_option_fails_before_anything_is_taken(scripted: ScriptedHouse) -> None:
    run = scripted.submit("no_such_key=1")
    with scripted.running():
        seen = scripted.wait(run, Reason.BAD_SPEC)
    assert seen.run.detail == "The scripted program has no option 'no_such_key' (options)."
    assert seen.attempt is None


@pytest.mark.slow
def test_stop_ends_every_process_even_one_that_ignores_it(scripted: ScriptedHouse) -> None:
    run = scripted.submit("ignore_term=true", "child=true", "step_s=0.2", epochs=100)
    with scripted.running():
        seen = scripted.wait_until(run, lambda view: view.progress is not None)
        request_stop(scripted.house, scripted.who(), run.id)
        seen = scripted.wait(run, Reason.BY_USER)
    assert seen.run.detail == "Stopped by U1."
    assert seen.attempt is not None
    assert marked(seen.attempt.marker) == []


def test_a_run_stopped_before_it_starts_never_starts(scripted: ScriptedHouse) -> None:
    run = scripted.submit()
    request_stop(scripted.house, scripted.who(), run.id)
    with scripted.running():
        seen = scripted.wait(run, Reason.BY_USER)
    assert seen.attempt is None
    assert not scripted.directory(run).exists()


@pytest.mark.slow
def test_an_environment_that_changed_since_preparing_is_refused(scripted: ScriptedHouse) -> None:
    first = scripted.submit("step_s=0.3")
    with scripted.running():
        scripted.wait(first, Reason.WORKING)
        second = scripted.submit()
        scripted.wait(second, Reason.WAITING_FOR_GPU)
        with scripted.house.store.writing() as db:
            environment = hosts.environments(db)[0]
            db.conn.execute("UPDATE environments SET fingerprint = 'scripted-2' WHERE host = ?", (environment.host,))
        seen = scripted.wait(second, Reason.BAD_SPEC)
        assert "is not the one this run was prepared with" in seen.run.detail
        scripted.wait(first, Reason.COMPLETED)


@pytest.mark.slow
def test_a_vanished_training_is_tried_again_from_its_own_checkpoint(scripted: ScriptedHouse) -> None:
    run = scripted.submit("step_s=0.2", epochs=3)
    with scripted.running():
        seen = scripted.wait_until(run, lambda view: view.checkpoints)
        assert seen.attempt is not None
        assert seen.attempt.pid is not None
        _kill_all(seen.attempt.pid, seen.attempt.marker)
        seen = scripted.wait(run, Reason.COMPLETED)
    assert seen.run.attempt == 2
    assert seen.run.prepared is not None
    assert str(seen.run.prepared["checkpoint"]).startswith(str(scripted.directory(run, 1)))


@pytest.mark.slow
def test_a_vanished_directory_is_unclear_and_blocks(scripted: ScriptedHouse) -> None:
    run = scripted.submit("step_s=0.1", epochs=100)
    with scripted.running():
        scripted.wait_until(run, lambda view: view.progress is not None)
        scripted.directory(run).rename(scripted.root / "moved")
        seen = scripted.wait(run, Reason.UNCLEAR)
        assert seen.devices
        request_stop(scripted.house, scripted.who(), run.id)
        scripted.wait(run, Reason.BY_USER)


@pytest.mark.slow
def test_finetune_needs_a_run_that_trained(scripted: ScriptedHouse) -> None:
    run = scripted.submit()
    with scripted.running():
        scripted.wait(run, Reason.COMPLETED)
        tuned = finetune(scripted.house, scripted.who("tune"), run.id, dataset="fish")
        seen = scripted.wait(tuned, Reason.COMPLETED)
    assert seen.run.parent_id == run.id
    assert seen.run.state is State.SUCCEEDED
    assert log_tail(scripted.house, tuned.id)


def _kill_all(launcher: int, marker: str) -> None:
    import os
    import signal

    os.kill(launcher, signal.SIGKILL)
    for pid in marked(marker):
        os.kill(pid, signal.SIGKILL)
