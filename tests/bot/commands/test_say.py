"""`say`: a message that others asked for, shown and never acted on, in channels that are listed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.grammar import answer
from runner.entities import Place
from runner.service import outbox
from runner.service.house import House
from runner.settings import Access, Role
from tests.support.words_house import somebody, words_house


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = words_house(tmp_path)
    return replace(made, settings=made.settings.model_copy(update={"access": Access(channels=("C1",))}))


def said(house: House) -> list[tuple[str, object]]:
    return [(each.channel, each.body["text"]) for each in outbox.owed(house)]


def test_a_message_is_posted_here_or_in_a_channel_that_is_listed(house: House) -> None:
    assert answer(house, somebody(), "say gpu1 is hot").ok
    assert answer(house, somebody(), "say --to <#C1|lab> gpu2 is hot").ok
    assert said(house) == [("C0TRAIN01", "gpu1 is hot"), ("C1", "gpu2 is hot")]


@pytest.mark.parametrize(("line", "role", "why"), [
    ("say --to C9 hello", Role.MEMBER, "none of access.channels"), ("say hello", Role.VIEWER, "one must be member"),
    ("say --to everybody hello", Role.MEMBER, "in which channel"),
])  # fmt: skip
def test_elsewhere_and_by_others_nothing_is_said(house: House, line: str, role: Role, why: str) -> None:
    given = answer(house, somebody(role=role), line)
    assert not given.ok and why in given.text and said(house) == []


def test_what_came_from_outside_addresses_nobody(house: House) -> None:
    who = replace(somebody(door="trigger"), place=Place("C1"))
    assert answer(house, who, "say 'disk of <!channel> failing'").ok
    [(_, text)] = said(house)
    assert "<!" not in str(text) and "&lt;!channel&gt;" in str(text)
