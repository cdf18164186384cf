"""Promise 1: one writer of state, compare-and-swap, with the event in the same transaction; writers wait for each other."""

from __future__ import annotations

import multiprocessing
import re
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from runner.errors import ConflictError
from runner.service.house import House
from runner.states import Reason
from runner.store import events, runs
from runner.store.connection import Store
from tests.support.run_rows import submitted

SOURCES = Path(__file__).parents[2]


def test_nothing_else_in_the_tree_writes_the_state_of_a_run() -> None:
    writers = []
    for path in (*SOURCES.glob("bot/**/*.py"), *SOURCES.glob("runner/**/*.py"), *SOURCES.glob("recipes/**/*.py")):
        text = path.read_text(encoding="utf-8")
        for found in re.finditer(r"\b(UPDATE|INTO|FROM)\s+runs\b", text, re.IGNORECASE):
            statement = text[max(0, found.start() - 12): found.start() + 260].split("\n    )")[0]
            writes_state = found[1].upper() == "UPDATE" and re.search(r"SET[^;]*?\b(state|reason)\s*=", statement.split("WHERE")[0])
            if writes_state or "DELETE FROM runs" in statement:
                writers.append(path.relative_to(SOURCES).as_posix())
    assert writers == ["runner/store/runs.py"]
    assert not [path for path in SOURCES.glob("bot/**/*.py") if re.search(r"\bUPDATE\s+runs\b", path.read_text(encoding="utf-8"))]


def test_a_state_and_its_event_are_one_transaction(house: House) -> None:
    run = submitted(house)
    with pytest.raises(RuntimeError), house.store.writing() as db:
        runs.transition(db, run, Reason.PREPARING, now=house.now())
        raise RuntimeError("the power goes")
    db = house.store.reading()
    assert runs.get(db, run.id).reason is Reason.SUBMITTED
    assert len(events.of_run(db, run.id)) == 1


def test_what_was_seen_must_still_be_so(house: House) -> None:
    run = submitted(house)
    with house.store.writing() as db:
        runs.transition(db, run, Reason.PREPARING, now=house.now())
    with pytest.raises(ConflictError), house.store.writing() as db:
        runs.transition(db, run, Reason.BY_USER, now=house.now())
    assert runs.get(house.store.reading(), run.id).reason is Reason.PREPARING


def test_a_run_that_has_ended_never_changes(house: House) -> None:
    run = submitted(house)
    with house.store.writing() as db:
        ended = runs.transition(db, run, Reason.BY_USER, now=house.now())
    with pytest.raises(ConflictError), house.store.writing() as db:
        runs.transition(db, ended, Reason.WORKING, now=house.now())


def test_of_two_threads_one_wins(house: House) -> None:
    run = submitted(house)
    begin = threading.Barrier(2)
    outcomes: list[str] = []

    def race(reason: Reason) -> None:
        begin.wait(10)
        try:
            with house.store.writing() as db:
                runs.transition(db, run, reason, now=house.now())
            outcomes.append(reason)
        except ConflictError:
            outcomes.append("lost")
        finally:
            house.store.close()

    threads = [threading.Thread(target=race, args=(reason,)) for reason in (Reason.BY_USER, Reason.PREPARING)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(outcomes, key=lambda outcome: outcome == "lost")[1] == "lost"
    assert runs.get(house.store.reading(), run.id).reason == next(outcome for outcome in outcomes if outcome != "lost")
    assert len(events.of_run(house.store.reading(), run.id)) == 2


def _move_from_another_process(path: Path, run_id: str, outcomes: multiprocessing.SimpleQueue[str]) -> None:
    from runner.service.house import utc_now

    store = Store(path)
    run = runs.get(store.reading(), run_id)
    outcomes.put("ready")
    try:
        with store.writing() as db:
            runs.transition(db, run, Reason.BY_USER, now=utc_now())
        outcomes.put("won")
    except ConflictError:
        outcomes.put("lost")


def test_of_two_processes_one_wins_and_the_other_waits_for_it(house: House) -> None:
    run = submitted(house)
    context = multiprocessing.get_context("spawn")
    outcomes: multiprocessing.SimpleQueue[str] = context.SimpleQueue()
    process = context.Process(target=_move_from_another_process, args=(house.store.path, run.id, outcomes))
    with house.store.writing() as db:
        process.start()
        assert outcomes.get() == "ready"
        runs.transition(db, run, Reason.PREPARING, now=house.now())
    assert outcomes.get() == "lost"
    process.join(20)
    assert runs.get(house.store.reading(), run.id).reason is Reason.PREPARING


def test_a_read_then_write_waits_for_another_writer_instead_of_failing_at_once(house: House) -> None:
    """Begun deferred, the write below would fail without waiting: another writer committed after its read."""
    run = submitted(house)
    holds, done = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with house.store.writing() as db:
            holds.set()
            time.sleep(0.3)
            runs.retry_at(db, run.id, house.now())
        house.store.close()
        done.set()

    threading.Thread(target=write_slowly).start()
    assert holds.wait(10)
    with house.store.writing() as db:
        assert done.is_set() or runs.get(db, run.id).retry_at is not None
        runs.transition(db, runs.get(db, run.id), Reason.PREPARING, now=house.now())
    assert done.wait(10)


def test_a_deferred_transaction_does_fail_at_once(house: House) -> None:
    """Why ``writing()`` begins IMMEDIATE: this is what it would be without."""
    run = submitted(house)
    one, other = sqlite3.connect(house.store.path, isolation_level=None), sqlite3.connect(house.store.path, isolation_level=None)
    one.execute("BEGIN")
    one.execute("SELECT * FROM runs").fetchall()
    other.execute("UPDATE runs SET detail = 'x' WHERE id = ?", (run.id,))
    began = time.monotonic()
    with pytest.raises(sqlite3.OperationalError):
        one.execute("UPDATE runs SET detail = 'y' WHERE id = ?", (run.id,))
    assert time.monotonic() - began < 2
    one.close()
    other.close()


def test_leases_go_with_the_state(house: House) -> None:
    from runner.store import hosts
    from tests.support.run_rows import working

    run = working(house)
    with house.store.writing() as db:
        run = runs.transition(db, run, Reason.UNREACHABLE, now=house.now())
        assert hosts.leases(db, run.id)
        runs.transition(db, run, Reason.LOST, now=house.now())
        assert not hosts.leases(db, run.id)
