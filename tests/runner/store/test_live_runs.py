"""What is remembered of the runs that have not ended is what the database says, after whatever happened to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.service.house import House
from runner.states import Reason
from runner.store import runs
from runner.store.live_runs import LiveRuns
from tests.support.run_rows import house_in, submitted


@pytest.fixture
def house(tmp_path: Path) -> House:
    return house_in(tmp_path)


def test_what_has_not_changed_is_the_same_object_and_what_has_is_read_again(house: House) -> None:
    looked, first, second = LiveRuns(), submitted(house), submitted(house)
    before = looked.look(house.store)
    assert looked.look(house.store) is before
    with house.store.writing() as db:
        runs.note_limit_told(db, second.id, 50)  # no event tells of this
    third = submitted(house)
    after = looked.look(house.store)
    assert list(after) == [first.id, second.id, third.id]
    assert after[first.id] is before[first.id]
    assert after[second.id].limit_told == 50


def test_what_has_ended_is_gone(house: House) -> None:
    looked, run, other = LiveRuns(), submitted(house), submitted(house)
    looked.look(house.store)
    with house.store.writing() as db:
        runs.transition(db, run, Reason.BY_USER, now=house.now())
    assert list(looked.look(house.store)) == [other.id]


def test_what_was_undone_has_never_been(house: House) -> None:
    looked, run = LiveRuns(), submitted(house)
    looked.look(house.store)
    with pytest.raises(ZeroDivisionError), house.store.writing() as db:
        runs.transition(db, run, Reason.BY_USER, now=house.now())
        assert not looked.look(house.store)
        raise ZeroDivisionError
    assert list(looked.look(house.store)) == [run.id]
    with house.store.writing() as db:  # it gets the very number that was undone
        runs.hold(db, run, "U1", now=house.now(), actor="U1")
    assert looked.look(house.store)[run.id].held_by == "U1"


def test_one_row_that_cannot_be_read_hides_no_other(house: House) -> None:
    looked, spoilt, run = LiveRuns(), submitted(house), submitted(house)
    looked.look(house.store)
    with house.store.writing() as db:
        db.conn.execute("UPDATE runs SET spec = '{}' WHERE id = ?", (spoilt.id,))
    assert list(looked.look(house.store)) == [run.id]
    assert [each.id for each in runs.live(house.store.reading())] == [run.id]
    with house.store.writing() as db:
        db.conn.execute("UPDATE runs SET spec = (SELECT spec FROM runs WHERE id = ?) WHERE id = ?", (run.id, spoilt.id))
    assert set(looked.look(house.store)) == {run.id, spoilt.id}
