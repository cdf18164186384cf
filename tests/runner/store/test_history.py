"""What every pass asks of the database costs no more for all the runs that have ended long ago."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from runner.entities import Place, Run
from runner.service.house import House
from runner.specs import Kind
from runner.states import Reason
from runner.store import attempts, observations, outbox, runs
from runner.store.card_stamps import StaleCards
from runner.store.connection import to_text
from runner.store.outbox import Card
from tests.support.run_rows import house_in, submitted

LONG_AGO = 3000


@pytest.fixture
def house(tmp_path: Path) -> House:
    return house_in(tmp_path)


def ended(house: House, count: int, *, reason: Reason, ago: timedelta) -> None:
    """So many runs that have ended, each with a card that says so."""
    at = to_text(house.now() - ago)
    with house.store.writing() as db:
        db.conn.executemany(
            "INSERT INTO runs (id, nonce, kind, spec, state, reason, owner, created_at, updated_at, ended_at)"
            " VALUES (?, 'n', 'train', '{}', ?, ?, 'U1', ?, ?, ?)",
            [(f"r-{reason}-{number}", reason.state.value, reason.value, at, at, at) for number in range(count)],
        )
        db.conn.executemany(
            "INSERT INTO cards (run_id, part, channel, ts, sent_digest, sent_at) VALUES (?, 'card', 'C1', '1.0', 'd', ?)",
            [(f"r-{reason}-{number}", to_text(house.now())) for number in range(count)],
        )


def instructions(house: House, ask: Callable[[], object]) -> int:
    """How many hundreds of SQLite's instructions a question takes."""
    counted = [0]
    connection = house.store.reading().conn

    def count() -> int:
        counted[0] += 1
        return 0

    connection.set_progress_handler(count, 100)
    try:
        ask()
    finally:
        connection.set_progress_handler(None, 100)
    return counted[0]


def test_no_question_of_a_pass_looks_through_what_ended_long_ago(house: House) -> None:
    submitted(house)
    ended(house, 50, reason=Reason.CODE_ERROR, ago=timedelta(minutes=1))
    db, stale, recently = house.store.reading(), StaleCards(), house.now() - timedelta(hours=1)
    questions: dict[str, Callable[[], object]] = {
        "what alerts look at": lambda: observations.run_rows(db, ended_after=recently),
        "stale cards": lambda: stale.look(house.store),
        "live runs of a kind": lambda: runs.live(db, Kind.REMOVE),
        "the front of the queue": lambda: runs.front(db),
        "current attempts": lambda: attempts.current_ranks(db),
        "ports in use": lambda: attempts.ports_in_use(db, "gpu-1"),
    }
    stale.look(house.store)
    before = {name: instructions(house, ask) for name, ask in questions.items()}
    ended(house, LONG_AGO, reason=Reason.BY_USER, ago=timedelta(days=30))
    stale.look(house.store)
    after = {name: instructions(house, ask) for name, ask in questions.items()}
    assert {name: after[name] for name in questions if after[name] > 2 * before[name] + 10} == {}


def carded(house: House, run: Run) -> Run:
    """The run with a card that shows it as it is."""
    with house.store.writing() as db:
        outbox.keep_card(db, Card(run.id, "card", "C1", "1.0", "d", house.now() + timedelta(seconds=1)))
        runs.move_to_thread(db, run.id, Place("C1", "1.0"))
    return run


def test_a_card_that_shows_its_run_as_it_is_is_passed_over_until_the_run_changes(house: House) -> None:
    stale, waiting, working = StaleCards(), carded(house, submitted(house)), submitted(house)

    def seen() -> list[str]:
        return [stamp.run_id for stamp in stale.look(house.store)]

    assert seen() == []
    with house.store.writing() as db:
        runs.transition(db, working, Reason.WAITING_FOR_GPU, now=house.now() + timedelta(hours=1))
    assert seen() == []  # it has no card yet
    carded(house, working)
    assert [seen(), seen()] == [[working.id]] * 2  # again and again, until its card shows that
    with house.store.writing() as db:
        runs.transition(db, waiting, Reason.BY_USER, now=house.now() + timedelta(hours=1))
        outbox.keep_card(db, Card(working.id, "card", "C1", "1.0", "e", house.now() + timedelta(hours=2)))
    assert seen() == [waiting.id]
