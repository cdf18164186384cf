"""Promise 3: state is derived from evidence, so a restart changes nothing; what another machine says counts for nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.service.hosts import remove
from runner.service.runs import request_stop
from runner.service.views import history, points
from runner.states import Reason, State
from runner.store import events, hosts, runs
from tests.support.hosts import end_all, eventually, marked
from tests.support.scripted_house import HOST, ScriptedHouse

pytestmark = pytest.mark.slow
EVERY_POINT = [(epoch, iteration) for epoch in (1, 2, 3) for iteration in range(1, 6)]


def machine(scripted: ScriptedHouse, machine_id: str | None = None) -> str:
    """The machine-id that is kept of the host; another one where given."""
    with scripted.house.store.writing() as db:
        kept = hosts.get(db, HOST).machine_id
        if machine_id is not None:
            db.conn.execute("UPDATE hosts SET machine_id = ? WHERE name = ?", (machine_id, HOST))
    return kept or ""


def test_a_restart_in_the_middle_leaves_no_trace(scripted: ScriptedHouse) -> None:
    quiet = scripted.submit()
    with scripted.running():
        scripted.wait(quiet, Reason.COMPLETED)
        disturbed = scripted.submit("step_s=0.3")
        scripted.wait_until(disturbed, lambda view: view.progress is not None)
    half = len(points(scripted.house, disturbed.id))
    with scripted.running():
        seen = scripted.wait(disturbed, Reason.COMPLETED)
    assert 0 < half < len(EVERY_POINT)
    for run in (quiet, disturbed):
        assert [(point.epoch, point.iteration) for point in points(scripted.house, run.id)] == EVERY_POINT
    stories = [
        [(event.kind, event.payload.get("reason"), event.payload.get("epoch")) for event in history(scripted.house, run.id)]
        for run in (quiet, disturbed)
    ]
    assert [item for item in stories[1] if item[1] != "WAITING_FOR_GPU"] == stories[0]
    mirrored = Path(scripted.house.settings.logs / f"{disturbed.id}-1.log").read_bytes()
    assert mirrored == (scripted.directory(disturbed) / "log").read_bytes()
    assert seen.run.attempt == 1


def test_an_end_that_nobody_watched_is_found(scripted: ScriptedHouse) -> None:
    run = scripted.submit("step_s=0.05")
    with scripted.running():
        seen = scripted.wait(run, Reason.WORKING)
    assert seen.attempt is not None
    marker = seen.attempt.marker
    eventually(lambda: not marked(marker))
    with scripted.running():
        seen = scripted.wait(run, Reason.COMPLETED)
    assert seen.attempt is not None
    assert seen.attempt.exit_code == 0
    assert [evaluation.ap for evaluation in seen.evaluations] == [0.2, 0.4, 0.6]


def test_what_another_machine_says_counts_for_nothing_and_nothing_is_killed(scripted: ScriptedHouse) -> None:
    run = scripted.submit("step_s=0.5")
    with scripted.running():
        seen = scripted.wait_until(run, lambda view: view.progress is not None)
    assert seen.attempt is not None
    own = machine(scripted, "f00d" * 8)
    with scripted.running():
        unclear = scripted.wait(run, Reason.UNCLEAR)
        assert f"Another machine answers at {HOST}" in unclear.run.detail
        read = len(points(scripted.house, run.id))
        waiting = scripted.submit()
        scripted.wait(waiting, Reason.WAITING_FOR_HOST)
        assert marked(seen.attempt.marker)
        assert unclear.run.state is State.RUNNING
        assert unclear.devices
        assert len(points(scripted.house, run.id)) == read
    machine(scripted, own)
    with scripted.running():  # itself again: its claim answers what was unclear, and not a line of the log is lost
        scripted.wait(run, Reason.WORKING)
        scripted.wait(run, Reason.COMPLETED)
    assert [(point.epoch, point.iteration) for point in points(scripted.house, run.id)] == EVERY_POINT


def test_a_server_that_was_replaced_can_be_given_up_and_removed(scripted: ScriptedHouse) -> None:
    run = scripted.submit("step_s=0.2", epochs=50)
    with scripted.running():
        seen = scripted.wait_until(run, lambda view: view.progress is not None)
    assert seen.attempt is not None
    own = machine(scripted, "f00d" * 8)
    with scripted.running():
        scripted.wait(run, Reason.UNCLEAR)
        request_stop(scripted.house, scripted.who(), run.id)
        assert scripted.view(run).devices
        remove(scripted.house, scripted.who(), HOST)
        ended = scripted.wait(run, Reason.BY_USER)
    assert ended.run.detail == f"Given up by U1: {HOST} was removed, so nothing could be ended there."
    assert not ended.devices
    assert own
    end_all(seen.attempt.marker)


def test_a_claim_with_another_nonce_is_unclear_and_its_end_is_not_ours(scripted: ScriptedHouse) -> None:
    first = scripted.submit("step_s=0.3")
    with scripted.running():
        scripted.wait(first, Reason.WORKING)
        run = scripted.submit()
        scripted.wait(run, Reason.WAITING_FOR_GPU)
        directory = scripted.directory(run)
        directory.mkdir(parents=True)
        directory.joinpath("claim").symlink_to("deadbeef:1:2:not-this-boot")
        directory.joinpath("exit").write_text("0 1\n")
        seen = scripted.wait(run, Reason.UNCLEAR)
        assert "strange claim" in seen.run.detail
        assert seen.devices
        assert seen.attempt is not None
        assert seen.attempt.ended_at is None
        assert runs.get(scripted.house.store.reading(), run.id).state is State.RUNNING
        scripted.wait(first, Reason.COMPLETED)
        request_stop(scripted.house, scripted.who(), run.id)
        assert not scripted.wait(run, Reason.BY_USER).devices
    kinds = [event.kind for event in events.of_run(scripted.house.store.reading(), run.id)]
    assert "claimed" not in kinds


def test_an_exit_without_a_claim_is_unclear_and_ends_when_somebody_says_so(scripted: ScriptedHouse) -> None:
    first = scripted.submit("step_s=0.3")
    with scripted.running():
        scripted.wait(first, Reason.WORKING)
        run = scripted.submit()
        scripted.wait(run, Reason.WAITING_FOR_GPU)
        directory = scripted.directory(run)
        directory.mkdir(parents=True)
        directory.joinpath("exit").write_text("0 1\n")
        seen = scripted.wait(run, Reason.UNCLEAR)
        assert "has an exit and no claim" in seen.run.detail
        assert seen.devices
        request_stop(scripted.house, scripted.who(), run.id)
        assert not scripted.wait(run, Reason.BY_USER).devices
    assert not directory.joinpath("iterations.txt").exists()


def test_a_claim_that_became_another_is_unclear_until_it_is_itself_again(scripted: ScriptedHouse) -> None:
    run = scripted.submit("step_s=0.3", epochs=4)
    with scripted.running():
        scripted.wait_until(run, lambda view: view.progress is not None)
    claim = scripted.directory(run) / "claim"
    own = claim.readlink()
    claim.unlink()
    claim.symlink_to(f"{run.nonce}:1:2:another-boot")
    with scripted.running():
        seen = scripted.wait(run, Reason.UNCLEAR)
        assert "has another claim than before" in seen.run.detail
        assert seen.devices
    claim.unlink()
    claim.symlink_to(own)
    with scripted.running():
        scripted.wait(run, Reason.COMPLETED)
