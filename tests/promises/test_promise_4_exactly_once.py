"""Promise 4: exactly once. One claim wins; a fence comes before a lease is given back; old runs and new ones cannot be confused."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from runner.executors import executors
from runner.loop import Runner
from runner.service.house import open_house
from runner.service.runs import request_stop
from runner.states import Reason
from runner.store import hosts, runs
from tests.support.hosts import end_all, eventually, marked, order, reach_over_ssh
from tests.support.scripted_house import HOST, ScriptedHouse

pytestmark = pytest.mark.slow
ONCE = [f"{epoch} {iteration}" for epoch in (1, 2, 3) for iteration in range(1, 6)]


def iterations(scripted: ScriptedHouse, directory: Path) -> tuple[list[str], set[str]]:
    """What the training did in order, and the processes that did it."""
    lines = (directory / "iterations.txt").read_text().splitlines()
    return [line.rsplit(" ", 1)[0] for line in lines], {line.split()[2] for line in lines}


def test_a_session_started_again_and_again_claims_once(scripted: ScriptedHouse, tmp_path: Path) -> None:
    reached = reach_over_ssh(scripted.sshd, tmp_path / "host")
    wanted = order(reached.root, "echo $$ >>started; exec sleep 600", run="r-again")
    executor = executors()["screen"]
    executor.stage(reached.transport, wanted, root=str(reached.root))
    launches = [threading.Thread(target=executor.launch, args=(reached.transport, wanted)) for _ in range(6)]
    for launch in launches:
        launch.start()
    for launch in launches:
        launch.join(30)
    executor.stage(reached.transport, wanted, root=str(reached.root))
    executor.launch(reached.transport, wanted)
    started = eventually((Path(wanted.directory) / "started").read_text).splitlines()
    assert len(started) == 1
    assert Path(wanted.directory, "claim").readlink().name.startswith(f"{wanted.nonce}:")
    end_all(wanted.marker)
    reached.transport.close()


def test_two_runners_on_one_database_still_train_once(scripted: ScriptedHouse) -> None:
    """The lock that keeps a second one out is not what exactly-once rests on."""
    run = scripted.submit("step_s=0.05")
    runners = [Runner(scripted.house), Runner(scripted.house)]
    threads = [threading.Thread(target=runner.run) for runner in runners]
    for thread in threads:
        thread.start()
    try:
        seen = scripted.wait(run, Reason.COMPLETED)
    finally:
        for runner in runners:
            runner.stop()
        for thread in threads:
            thread.join(20)
    done, processes = iterations(scripted, scripted.directory(run))
    assert (done, len(processes)) == (ONCE, 1)
    assert seen.run.attempt == 1


def test_a_stop_before_the_start_fences_it_for_ever(scripted: ScriptedHouse, tmp_path: Path) -> None:
    reached = reach_over_ssh(scripted.sshd, tmp_path / "host")
    wanted = order(reached.root, "echo $$ >>started", run="r-late")
    executor = executors()["screen"]
    executor.stage(reached.transport, wanted, root=str(reached.root))
    fence = executor.stop(reached.transport, directory=wanted.directory, nonce=wanted.nonce, marker=wanted.marker, grace_s=0)
    assert fence.done
    assert fence.claim == f"cancelled:{wanted.nonce}"
    executor.launch(reached.transport, wanted)  # one that was on its way when the stop overtook it
    assert not Path(wanted.directory, "log").exists()
    assert not Path(wanted.directory, "started").exists()
    reached.transport.close()


def test_a_lease_is_given_back_only_after_the_fence_is_seen(scripted: ScriptedHouse) -> None:
    run = scripted.submit("step_s=0.2", epochs=100)
    with scripted.running():
        seen = scripted.wait_until(run, lambda view: view.progress is not None)
        assert seen.attempt is not None
        cut_off(scripted)
        scripted.wait(run, Reason.UNREACHABLE)
        request_stop(scripted.house, scripted.who(), run.id)
        second = scripted.submit()
        scripted.wait(second, Reason.WAITING_FOR_HOST)
        assert scripted.view(run).devices
        assert scripted.view(run).run.reason is Reason.UNREACHABLE
        assert marked(seen.attempt.marker)
        scripted.sshd.restart()
        stopped = scripted.wait(run, Reason.BY_USER)
        assert not stopped.devices
        assert stopped.attempt is not None
        assert stopped.attempt.fenced
        assert not marked(seen.attempt.marker)
        scripted.wait(second, Reason.COMPLETED)


def cut_off(scripted: ScriptedHouse) -> None:
    """The sshd and every connection of it are gone at once."""
    children = Path(f"/proc/{scripted.sshd.pid}/task/{scripted.sshd.pid}/children").read_text().split()
    scripted.sshd.stop()
    for child in children:
        os.kill(int(child), signal.SIGKILL)


def test_a_vanished_directory_keeps_the_lease_and_lets_nobody_in(scripted: ScriptedHouse) -> None:
    run = scripted.submit("step_s=0.1", epochs=100)
    with scripted.running():
        seen = scripted.wait_until(run, lambda view: view.progress is not None)
        assert seen.attempt is not None
        scripted.directory(run).rename(scripted.root / "moved")
        scripted.wait(run, Reason.UNCLEAR)
        second = scripted.submit()
        scripted.wait(second, Reason.WAITING_FOR_GPU)
        assert scripted.view(run).devices
        assert marked(seen.attempt.marker)
        request_stop(scripted.house, scripted.who(), run.id)
        scripted.wait(run, Reason.BY_USER)
        assert not marked(seen.attempt.marker)
        scripted.wait(second, Reason.COMPLETED)


def test_a_database_restored_from_a_copy_neither_adopts_nor_disturbs_what_it_does_not_know(
    scripted: ScriptedHouse, tmp_path: Path
) -> None:
    copy = scripted.house.settings.model_copy(update={"state_folder": tmp_path / "restored"})
    (tmp_path / "restored").mkdir()
    with sqlite3.connect(copy.database) as target:
        scripted.house.store.reading().conn.backup(target)
    target.close()
    old = scripted.submit("step_s=0.4")
    with scripted.running():
        seen = scripted.wait_until(old, lambda view: view.progress is not None)
    assert seen.attempt is not None
    restored = replace(scripted, house=replace(open_house(copy), catalog=scripted.house.catalog))
    new = restored.submit("step_s=0.2", epochs=50)
    with restored.house.store.writing() as db:  # as bad as it can be: the same run id is drawn again
        db.conn.execute("PRAGMA defer_foreign_keys = ON")
        db.conn.execute("UPDATE runs SET id = ? WHERE id = ?", (old.id, new.id))
        new = runs.get(db, old.id)
        assert not hosts.leases(db)
    assert new.nonce != old.nonce
    with restored.running():
        both = restored.wait_until(new, lambda view: view.progress is not None)
        assert both.attempt is not None
        assert both.attempt.pid != seen.attempt.pid
        request_stop(restored.house, restored.who(), new.id)
        restored.wait(new, Reason.BY_USER)
        assert not marked(both.attempt.marker)
        ended = scripted.directory(old) / "exit"  # on a busy machine it may be done by now
        assert marked(seen.attempt.marker) or eventually(lambda: ended.exists() and ended.read_text().startswith("0 ")), (
            "the old training was stopped with the new one"
        )
    with scripted.running():
        scripted.wait(old, Reason.COMPLETED)
    done, processes = iterations(scripted, scripted.directory(old))
    assert (done, len(processes)) == (ONCE, 1)
    restored.house.store.close()


def test_only_one_run_holds_a_device(scripted: ScriptedHouse) -> None:
    first, second = scripted.submit(), scripted.submit()
    with scripted.house.store.writing() as db:
        hosts.lease(db, first, HOST, ("cpu:0",), now=scripted.house.now())
    with pytest.raises(sqlite3.IntegrityError), scripted.house.store.writing() as db:
        hosts.lease(db, second, HOST, ("cpu:0",), now=scripted.house.now())
    assert [lease.run_id for lease in hosts.leases(scripted.house.store.reading())] == [first.id]


def test_a_stopped_run_gives_its_device_back_only_once_its_last_process_is_gone(scripted: ScriptedHouse) -> None:
    """The leader ends at once, and the exit is written; a rank in a session of its own lives on and is deaf."""
    run = scripted.submit("child=true", "step_s=0.2", epochs=100)
    with scripted.running():
        scripted.wait_until(run, lambda view: view.progress is not None)
        request_stop(scripted.house, scripted.who(), run.id)
        seen = scripted.wait(run, Reason.BY_USER)
    assert seen.attempt is not None
    assert seen.attempt.exit_code is not None
    assert seen.attempt.fenced
    assert not marked(seen.attempt.marker)


def test_a_run_that_ended_well_leaves_nothing_behind_on_the_device(scripted: ScriptedHouse) -> None:
    run = scripted.submit("child=true")
    with scripted.running():
        seen = scripted.wait(run, Reason.COMPLETED)
    assert seen.attempt is not None
    assert not marked(seen.attempt.marker)
    assert seen.run.attempt == 1


def test_a_failed_run_leaves_no_rank_behind_on_the_device(scripted: ScriptedHouse) -> None:
    run = scripted.submit("child=true", "fail_at_epoch=1")
    with scripted.running():
        seen = scripted.wait(run, Reason.CODE_ERROR)
    assert seen.attempt is not None
    assert not marked(seen.attempt.marker)
