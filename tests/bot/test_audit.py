"""Every act, from any door, done or refused; by person, run, verb and time; as a list and as a file."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.answer import Answer
from bot.audit_file import audit_message
from bot.grammar import answer
from runner.service import outbox
from runner.service.house import House, Requester
from runner.settings import Role
from tests.support.payloads import HOSTILE, assert_sendable
from tests.support.words_house import ADA, BEN, NOW, at_work, somebody, training, words_house


@pytest.fixture
def house(tmp_path: Path) -> House:
    return words_house(tmp_path)


def ask(house: House, line: str, who: Requester | None = None, *, days_ago: float = 0.0) -> Answer:
    return answer(replace(house, now=lambda: NOW - timedelta(days=days_ago)), who or somebody(role=Role.OPERATOR), line)


def test_what_was_refused_is_in_it_with_why_and_a_duplicate_gets_the_same_answer(house: House) -> None:
    run = at_work(house, training(house))
    ben = somebody(BEN, role=Role.VIEWER)
    first = answer(house, ben, f"stop {run.id} --yes")
    assert answer(house, ben, f"stop {run.id} --yes").text == first.text
    page = ask(house, f"audit --run {run.id}")
    assert page.text.count(f"stop {run.id} --yes") == 1
    assert f"`{BEN}` (slash)" in page.text and "refused: To stop somebody else" in page.text


def test_it_is_filtered_by_person_verb_and_time(house: House) -> None:
    for person, line, days_ago in ((ADA, "ps", 9), (ADA, "queue", 3), (BEN, "ps --mine", 1)):
        assert ask(house, line, somebody(person), days_ago=days_ago).ok
    assert "`ps --mine`" in ask(house, "audit --verb PS --since 5d").text
    assert "`queue`" not in ask(house, "audit --verb ps").text
    text = ask(house, f"audit --person {ADA} --since 10d --until 2d").text
    assert "`ps`" in text and "`queue`" in text and "--mine" not in text


def test_who_is_no_operator_sees_their_own_acts_only(house: House) -> None:
    ask(house, "queue", somebody(BEN))
    ask(house, "ps", somebody(ADA))
    assert BEN not in ask(house, "audit", somebody(ADA)).text
    assert not ask(house, f"audit --person {BEN}", somebody(ADA)).ok


def test_nothing_in_it_is_acted_on(house: House) -> None:
    ask(house, HOSTILE, somebody(BEN))
    page = ask(house, "audit")
    assert_sendable(page.text, page.blocks, mentions=0)


@pytest.mark.parametrize("form", ["csv", "json"])
def test_it_comes_as_a_file(house: House, tmp_path: Path, form: str) -> None:
    ask(house, "=HYPERLINK(1)", somebody(BEN))
    ask(house, "ps")
    terminal = Requester("terminal:ada", Role.ADMIN, "terminal", "request-file")
    assert ask(house, f"audit --as {form} --to {tmp_path}", terminal).ok
    (path,) = tmp_path.glob(f"signalbox-audit-*.{form}")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file)) if form == "csv" else json.load(file)
    assert [row["line"] for row in rows[1:]] == ["ps", "'=HYPERLINK(1)" if form == "csv" else "=HYPERLINK(1)"]
    assert [str(row["done"]) for row in rows[1:]] == ["True", "False"]


def test_in_a_channel_the_file_is_owed_and_written_once(house: House) -> None:
    ask(house, "ps")
    assert ask(house, "audit --as csv").ok
    (owed,) = outbox.owed(house)
    first = audit_message(house, owed)
    ask(house, "queue")
    again = audit_message(house, owed)
    assert first.files == again.files
    assert "queue" not in first.files[0].path.read_text(encoding="utf-8")


def test_a_folder_that_is_not_there_is_said(house: House) -> None:
    terminal = Requester("terminal:ada", Role.ADMIN, "terminal", "request-file")
    refused = ask(house, "audit --as csv --to /nowhere/at/all", terminal)
    assert not refused.ok and "cannot be written" in refused.text
