"""Every example of every verb, typed as a command, said to the bot, clicked, agreed to in a dialog, and in the terminal: what stands in
the database afterwards, and what is answered, is the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from slack_bolt import App, BoltRequest

from bot.answer import Answer
from bot.app import build_app
from bot.commands import verbs
from bot.form_table import form_of
from bot.grammar import answer
from bot.listeners import Identity
from bot.settings import SlackSettings
from bot.views.form import PLAN, answer_view
from runner.entities import Place
from runner.service.house import House, Requester
from runner.settings import Access, Role
from tests.bot.commands.test_commands import EXAMPLES, with_runs, with_the_rest
from tests.support.slack_house import SlackHouse, slack_house
from tests.support.words_house import ADA, BEN, add_dataset, words_house

TEAM, BOT, CHANNEL, ASKED = "T0LOCAL001", "U0LOCALBOT", "C0TRAIN01", "asked-once"
PLACE = Place(CHANNEL)
_OF_THE_DOOR = frozenset({"requests", "heartbeats", "sqlite_sequence", "sqlite_stat1"})
_MADE_UP = re.compile(r"\b(?:[rstz]-[a-z0-9]{4}|q-[0-9a-f]{12}|[0-9a-f]{16,64})\b")
_DOOR = re.compile(r"\((?:slash|mention|button|modal|terminal)\)")
"""The audit says through which door."""


IN_CHAT_ONLY = {"help", "audit --since 30d --as csv"}
"""In the terminal help also lists what works only there, and a file is written there instead of posted."""


class _UndoneError(Exception):
    """Ends what a door did."""


@dataclass(frozen=True)
class Seen:
    """What was answered, as text and as blocks, and what stands in the database: with its made-up ids in order of their appearance."""

    text: str
    blocks: list[Any]
    rows: dict[str, list[str]]


@pytest.fixture(scope="module")
def slack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlackHouse]:
    with slack_house(tmp_path_factory.mktemp("slack")) as served:
        yield served


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = words_house(tmp_path)
    for format_name in ("vatic", "coco"):
        add_dataset(made, "fish", format_name=format_name)
    access = Access(channels=(CHANNEL,), members=(BEN,), admins=(ADA,))
    return replace(made, settings=made.settings.model_copy(update={"access": access}))


Door = Callable[[App, House, str], tuple[str, list[Any]]]


def slash(app: App, _house: House, line: str) -> tuple[str, list[Any]]:
    body = {"command": "/train", "text": line, "user_id": ADA, "channel_id": CHANNEL, "trigger_id": ASKED, "response_url": "http://x"}
    said = json.loads(_posted(app, body))
    return said["text"], said.get("blocks", [])


def mention(app: App, house: House, line: str) -> tuple[str, list[Any]]:
    event = {"type": "app_mention", "user": ADA, "text": f"<@{BOT}> {line}", "channel": CHANNEL, "ts": "1.1", "team": TEAM}
    _posted(app, {"type": "event_callback", "event_id": ASKED, "event": event})
    return _owed(house)


def button(app: App, house: House, line: str) -> tuple[str, list[Any]]:
    action = {"type": "button", "action_id": "command:x:0", "value": line, "block_id": "b"}
    container = {"type": "message", "channel_id": CHANNEL, "message_ts": "1.1"}
    _posted(app, {"type": "block_actions", "actions": [action], "container": container, "trigger_id": ASKED} | _somebody())
    return _owed(house)


def dialog(app: App, _house: House, line: str) -> tuple[str, list[Any]]:
    """Agreed to, after the plan was shown."""
    kept = json.dumps({"line": line, "place": CHANNEL, "thread": None})
    view = {"id": ASKED, "type": "modal", "callback_id": PLAN, "private_metadata": kept, "state": {"values": {}},
            "title": {"type": "plain_text", "text": "x"}}
    said = json.loads(_posted(app, {"type": "view_submission", "view": view} | _somebody()))
    return "", said["view"]["blocks"]


def terminal(_app: App, house: House, line: str) -> tuple[str, list[Any]]:
    given = answer(house, Requester(ADA, Role.ADMIN, "terminal", ASKED, PLACE), line)
    return given.text, list(given.blocks)


def _somebody() -> dict[str, Any]:
    return {"user": {"id": ADA, "team_id": TEAM}, "team": {"id": TEAM}}


def _posted(app: App, body: dict[str, Any]) -> str:
    response = app.dispatch(BoltRequest(mode="socket_mode", body={"team_id": TEAM, "api_app_id": "A0LOCAL001", **body}))
    assert response.status == 200
    return str(response.body)


def _owed(house: House) -> tuple[str, list[Any]]:
    (row,) = house.store.reading().conn.execute("SELECT body FROM deliveries WHERE id = ?", (f"answer:{ASKED}",))
    body = json.loads(row["body"])
    return body["text"], body["blocks"]


def through(door: Door, app: App, house: House, line: str) -> Seen:
    """What a door does; afterwards it is undone, so that the next finds the same house."""
    try:
        with house.store.writing() as db:
            text, blocks = door(app, house, line)
            order: dict[str, str] = {}

            def known(found: re.Match[str]) -> str:
                return order.setdefault(found[0], f"<{len(order)}>")

            tables = [row[0] for row in db.conn.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
            found = {table: [repr([*row]) for row in db.conn.execute(f"SELECT * FROM {table}")] for table in tables}
            found["deliveries"] = [row for row in found["deliveries"] if f"'answer:{ASKED}'" not in row]
            rows = {table: [_MADE_UP.sub(known, row) for row in found[table]] for table in tables if table not in _OF_THE_DOOR}
            shown = json.loads(_DOOR.sub("(door)", _MADE_UP.sub(known, json.dumps([text, blocks]))))
            raise _UndoneError
    except _UndoneError:
        return Seen(shown[0], shown[1], rows)


@pytest.mark.parametrize(("name", "example"), [(name, example) for name, example in EXAMPLES if name != "doctor"])
def test_the_same_rows_and_the_same_answer(slack: SlackHouse, house: House, name: str, example: str) -> None:
    with_runs(house, name, example)
    with_the_rest(house, name, example)
    app = build_app(house, Identity(TEAM, BOT), slack.tokens, SlackSettings())
    there = through(slash if example in IN_CHAT_ONLY else terminal, app, house, example)
    assert there.text
    for door in (slash, mention, button):
        assert through(door, app, house, example) == there, door.__name__
    if form_of(example) is not None:
        agreed = through(dialog, app, house, example)
        told = answer_view(Answer(there.text, tuple(there.blocks)), title="x", place=PLACE)["blocks"]
        assert (agreed.rows, agreed.blocks) == (there.rows, json.loads(json.dumps(told)))


def test_no_verb_is_left_out() -> None:
    assert {name for name, _ in EXAMPLES} == set(verbs())
