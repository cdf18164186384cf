"""A button that loses something works once, for a minute, and for whom it asks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.answer import Answer
from bot.grammar import answer
from runner.entities import Environment, Run
from runner.service import audit
from runner.service.audit import Wanted
from runner.service.house import House
from runner.settings import Role
from runner.store import hosts, runs
from tests.support.payloads import assert_sendable
from tests.support.words_house import ADA, BEN, NOW, add_dataset, at_work, somebody, training, words_house


@pytest.fixture
def house(tmp_path: Path) -> House:
    return words_house(tmp_path)


def yes(question: Answer) -> str:
    (row,) = [block for block in question.blocks if block["type"] == "actions"]
    return str(row["elements"][0]["value"])  # type: ignore[index]


def asked(house: House, run: Run) -> Answer:
    question = answer(house, somebody(), f"stop {run.id}")
    assert question.ok
    assert_sendable(question.text, question.blocks)
    return question


def press(house: House, line: str, person: str = ADA, *, role: Role = Role.MEMBER, seconds_later: float = 0.0) -> Answer:
    later = replace(house, now=lambda: NOW + timedelta(seconds=seconds_later))
    return answer(later, somebody(person, role=role, door="button"), line)


def stopped_by(house: House, run: Run) -> str | None:
    return runs.get(house.store.reading(), run.id).stop_requested_by


def test_whom_it_asks_may_say_yes_within_a_minute(house: House) -> None:
    run = at_work(house, training(house))
    assert press(house, yes(asked(house, run)), seconds_later=60).ok
    assert stopped_by(house, run) == ADA


def test_a_late_press_does_nothing_and_offers_to_ask_again(house: House) -> None:
    run = at_work(house, training(house))
    late = press(house, yes(asked(house, run)), seconds_later=60.1)
    assert not late.ok and "more than 60 s ago, so nothing was done" in late.text
    assert yes(late) == f"stop {run.id}"
    assert stopped_by(house, run) is None


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.ADMIN])
def test_a_foreign_press_does_nothing_whatever_the_role(house: House, role: Role) -> None:
    run = at_work(house, training(house))
    foreign = press(house, yes(asked(house, run)), BEN, role=role)
    assert not foreign.ok and f"Only {ADA} was asked that" in foreign.text
    assert stopped_by(house, run) is None


def test_a_second_press_does_nothing(house: House) -> None:
    run = at_work(house, training(house))
    line = yes(asked(house, run))
    assert press(house, line).ok
    again = press(house, line)
    assert not again.ok and "done once" in again.text


def test_rights_are_looked_at_again_when_yes_is_said(house: House) -> None:
    run = at_work(house, training(house, owner=BEN))
    question = answer(house, somebody(role=Role.OPERATOR), f"stop {run.id}")
    refused = press(house, yes(question), role=Role.MEMBER)  # no operator any more
    assert not refused.ok and "operator" in refused.text
    assert stopped_by(house, run) is None
    assert press(house, yes(question), role=Role.OPERATOR).ok  # what was refused did not use the question up


def kept(house: House) -> dict[str, list[tuple[object, ...]]]:
    """Everything in the database but that somebody asked."""
    connection = house.store.reading().conn
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    asked_in = {"requests", "confirmations", "sqlite_sequence"}
    return {table: [tuple(row) for row in connection.execute(f"SELECT * FROM {table}")] for table in sorted(tables - asked_in)}


@pytest.mark.parametrize(("line", "says"), [
    ("presets remove mine", "Forget `mine`? Nothing new can be trained with it"),
    ("host forget-environment gpu1 upstream", "Nothing can be trained in it until it is bootstrapped again"),
    ("host remove gpu1", "Its pinned key and its known environments are lost"),
    ("unlock gpu1", f"`gpu1` is locked by <@{BEN}> until 18:32 CET (a demo). Break it?"),
    ("data remove fish@1", "Remove fish@1"),
])  # fmt: skip
def test_what_loses_something_asks_first_and_its_button_does_it(house: House, line: str, says: str) -> None:
    add_dataset(house)
    with house.store.writing() as db:
        hosts.put_environment(db, Environment("gpu1", "upstream", "mmdet", "/p", "/c", "f"))
    boss = somebody(role=Role.ADMIN)
    for before, who in (("presets add mine --like rtmdet-nano --epochs 40", boss), ('lock gpu1 --reason "a demo"', somebody(BEN))):
        assert answer(house, who, before).ok
    before = kept(house)
    question = answer(house, somebody(role=Role.ADMIN), line)
    assert question.ok and says in question.text and f"`{line} --yes`" in question.text, question.text
    assert_sendable(question.text, question.blocks)
    assert kept(house) == before
    assert press(house, yes(question), role=Role.ADMIN).ok
    assert kept(house) != before
    refused = answer(house, somebody("U0CEM", role=Role.VIEWER), line)
    assert not refused.ok, refused.text


def test_ones_own_lock_is_given_back_without_a_question(house: House) -> None:
    assert answer(house, somebody(), "lock gpu1").ok
    assert "free for everybody again." in answer(house, somebody(), "unlock gpu1").text


def test_the_audit_tells_what_was_confirmed(house: House) -> None:
    run = at_work(house, training(house))
    press(house, yes(asked(house, run)))
    assert [act.line for act in audit.acts(house, Wanted(verb="stop", run=run.id[2:]))] == [f"stop {run.id} --yes", f"stop {run.id}"]


def test_an_unknown_question_is_refused(house: House) -> None:
    assert "There is no question" in press(house, "confirm q-000000000000").text
