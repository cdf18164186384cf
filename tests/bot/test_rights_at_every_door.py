"""A stranger can do nothing and a viewer changes nothing of anybody's, with any verb through any door; real Bolt, both ways in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count

import pytest
from slack_bolt import App, BoltRequest, BoltResponse

from bot.app import build_app
from bot.commands import verbs
from bot.grammar import answer
from bot.listeners import SHORTCUT, Identity
from bot.settings import SlackSettings
from bot.views.import_dialog import CALLBACK
from runner.entities import Place
from runner.service.house import Requester, role_of
from runner.settings import Role
from runner.states import Reason
from runner.store import hosts, runs, schedules
from tests.support.run_rows import host_value
from tests.support.slack_house import SlackHouse, slack_house
from tests.support.words_house import add_dataset, at_work

TEAM = "T0LOCAL001"
VERBS = sorted(verbs())
# What a viewer may do: ask for themselves, and look. (A file that is asked for comes as a run, and so needs a member.)
OWN_BUSINESS = frozenset({"requests", "deliveries", "heartbeats", "cursors", "waiting_lines", "confirmations", "sqlite_sequence"})
_numbers = count(1)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlackHouse]:
    """Ada's run r-7f3k works, hers r-9abc waits, her schedule s-7f3k is set; Ben is a viewer here, Eve a stranger."""
    with slack_house(tmp_path_factory.mktemp("house")) as house:
        for format_name in ("vatic", "coco"):
            add_dataset(house.house, "fish", format_name=format_name)
        with house.house.store.writing() as db:
            hosts.put(db, host_value("gpu1"))
            ada, now = house.people["ada"], house.house.now()
            schedules.add(db, schedules.Schedule("s-7f3k", "every day 02:30", "30 2 * * *", "UTC", "ps", ada, house.training, now))
        working = at_work(house.house, house.submit(), epochs=14, best_epoch=12)
        waiting = house.move(house.submit(), Reason.WAITING_FOR_APPROVAL)
        rename(house, "runs", working.id, "r-7f3k")
        rename(house, "runs", waiting.id, "r-9abc")
        yield house


def rename(served: SlackHouse, table: str, old: str, new: str) -> None:
    with served.house.store.writing() as db:
        db.conn.execute("PRAGMA defer_foreign_keys=ON")
        for child in ("attempts", "events", "progress", "evaluations", "checkpoints", "leases") if table == "runs" else ():
            db.conn.execute(f"UPDATE {child} SET run_id = ? WHERE run_id = ?", (new, old))
        db.conn.execute(f"UPDATE {table} SET id = ? WHERE id = ?", (new, old))


@pytest.fixture(scope="module")
def app(served: SlackHouse) -> App:
    access = served.house.settings.access.model_copy(update={"viewers": (served.people["ben"],), "operators": ()})
    house = type(served.house)(served.house.settings.model_copy(update={"access": access}), served.house.store, served.house.catalog)
    assert role_of(house, served.people["ben"]) is Role.VIEWER
    return build_app(house, Identity(TEAM, "U0LOCALBOT"), served.tokens, SlackSettings())


def state(served: SlackHouse, *, without: frozenset[str] = frozenset()) -> dict[str, list[tuple[object, ...]]]:
    """Everything in the database, by table."""
    connection = served.house.store.reading().conn
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {
        table: [tuple(row) for row in connection.execute(f"SELECT * FROM {table}")] for table in tables if table not in without
    }


def through(app: App, served: SlackHouse, door: str, person: str, line: str) -> BoltResponse:
    """Say a line through a door, as Slack would bring it."""
    user, number = served.people[person], next(_numbers)
    common = {"team_id": TEAM, "api_app_id": "A0LOCAL001"}
    match door:
        case "slash":
            body = {**common, "command": "/train", "text": line, "user_id": user, "channel_id": served.training,
                    "trigger_id": f"t{number}", "response_url": served.workspace.base_url}
        case "mention":
            event = {"type": "app_mention", "user": user, "text": f"<@U0LOCALBOT> {line}", "channel": served.training,
                     "ts": f"1700000000.{number:06}", "team": TEAM}
            body = {**common, "type": "event_callback", "event_id": f"E{number}", "event": event}
        case "button":
            action = {"type": "button", "action_id": f"command:{line.split(maxsplit=1)[0]}:0", "value": line, "block_id": "b"}
            body = {**common, "type": "block_actions", "user": {"id": user, "team_id": TEAM}, "team": {"id": TEAM},
                    "trigger_id": f"t{number}", "actions": [action], "channel": {"id": served.training},
                    "container": {"type": "message", "channel_id": served.training, "message_ts": "1700000000.000001"}}
        case _:
            raise AssertionError(door)
    return app.dispatch(BoltRequest(mode="socket_mode", body=body))


@pytest.mark.parametrize("door", ["slash", "mention", "button"])
@pytest.mark.parametrize("name", VERBS)
def test_a_stranger_can_do_nothing(app: App, served: SlackHouse, name: str, door: str) -> None:
    for example in verbs()[name].examples:
        before = state(served, without=frozenset({"deliveries"}))
        response = through(app, served, door, "eve", example)
        assert response.status == 200
        assert state(served, without=frozenset({"deliveries"})) == before
        told = response.body if door == "slash" else json.dumps(last_delivery(served))
        assert "not on Signalbox's list of people" in told


@pytest.mark.parametrize("door", ["slash", "mention", "button", "terminal of another", "schedule"])
@pytest.mark.parametrize("name", VERBS)
def test_a_viewer_changes_nothing_of_anybodys(app: App, served: SlackHouse, name: str, door: str) -> None:
    ben = served.people["ben"]
    for example in verbs()[name].examples:
        for line in (example, f"{example} --yes") if name in ("stop", "data", "host", "unlock") else (example,):
            before = state(served, without=OWN_BUSINESS)
            if door in ("slash", "mention", "button"):
                through(app, served, door, "ben", line)
            else:
                who = Requester(ben, Role.VIEWER, door, f"x{next(_numbers)}", Place(served.training))
                answer(served.house, who, line)
            assert without_own_wishes(state(served, without=OWN_BUSINESS), ben) == without_own_wishes(before, ben), line


def without_own_wishes(found: dict[str, list[tuple[object, ...]]], person: str) -> dict[str, list[tuple[object, ...]]]:
    """What a viewer wants to hear is their own business."""
    mine = {"subscriptions", "hours"}
    return {table: [row for row in rows if table not in mine or person not in row] for table, rows in found.items()}


@pytest.mark.parametrize("door", ["slash", "mention", "button"])
@pytest.mark.parametrize("person", ["eve", "ben"])
def test_nobody_but_the_owner_and_operators_stops_a_run(app: App, served: SlackHouse, person: str, door: str) -> None:
    for line in ("stop r-7f3k", "stop r-7f3k --yes", "stop r-9abc --yes"):
        through(app, served, door, person, line)
    seen = [runs.get(served.house.store.reading(), run_id).stop_requested_by for run_id in ("r-7f3k", "r-9abc")]
    assert seen == [None, None]


@pytest.mark.parametrize("person", ["eve", "ben"])
def test_shared_files_and_dialogs_of_who_may_not_become_nothing(app: App, served: SlackHouse, person: str) -> None:
    user, number = served.people[person], next(_numbers)
    url = f"{served.workspace.base_url}/files-pri/x"
    file = {"id": "F1", "name": "fish.zip", "size": 10, "url_private_download": url, "mimetype": "x/y"}
    common = {"team_id": TEAM, "api_app_id": "A0LOCAL001"}
    message = {"type": "message", "subtype": "file_share", "user": user, "text": "", "channel": served.training, "files": [file],
               "ts": f"1700000001.{number:06}", "team": TEAM}
    people = {"user": {"id": user, "team_id": TEAM}, "team": {"id": TEAM}, "trigger_id": f"t{number}"}
    bodies = [
        {**common, "type": "event_callback", "event_id": f"E{number}", "event": message},
        {**common, **people, "type": "message_action", "callback_id": CALLBACK, "message": message, "channel": {"id": served.training},
         "response_url": served.workspace.base_url},
    ]
    before = state(served, without=frozenset({"deliveries"}))
    for body in bodies:
        assert app.dispatch(BoltRequest(mode="socket_mode", body=body)).status == 200
    assert state(served, without=frozenset({"deliveries"})) == before
    assert not served.person(person).views()


@pytest.mark.parametrize("way", ["home", "modal", "shortcut", "message"])
def test_a_role_by_channel_holds_only_for_who_speaks_there(served: SlackHouse, way: str) -> None:
    """Anybody in the workspace may open the Home tab and use a shortcut; these are answered in a channel, and happen in none."""
    access = served.house.settings.access.model_copy(update={"members": (served.training,), "operators": ()})
    house = type(served.house)(served.house.settings.model_copy(update={"access": access}), served.house.store, served.house.catalog)
    app = build_app(house, Identity(TEAM, "U0LOCALBOT"), served.tokens, SlackSettings())
    number = next(_numbers)
    body: dict[str, object] = {
        "team_id": TEAM, "api_app_id": "A0LOCAL001", "user": {"id": served.people["eve"], "team_id": TEAM}, "team": {"id": TEAM},
        "trigger_id": f"way{number}",
    }
    line = f'schedule add "every day 1{number % 10}:15" ps'
    action = {"type": "button", "action_id": "command:schedule:0", "value": line, "block_id": "b"}
    view = {"type": "home" if way == "home" else "modal", "id": "V1", "private_metadata": json.dumps({"channel": served.training})}
    message = {"type": "message", "channel_id": served.training, "message_ts": "1700000000.000001"}
    if way == "shortcut":
        body |= {"type": "shortcut", "callback_id": SHORTCUT}
    else:
        body |= {"type": "block_actions", "actions": [action]}
        body |= {"container": message} if way == "message" else {"view": view, "container": {"type": "view", "view_id": "V1"}}
    before = len(served.rows("SELECT id FROM schedules"))
    app.dispatch(BoltRequest(mode="socket_mode", body=body))
    assert len(served.rows("SELECT id FROM schedules")) - before == (1 if way == "message" else 0)
    assert not served.person("eve").views()
    if way == "shortcut":
        assert "not on Signalbox's list of people" in json.dumps(last_delivery(served))


def last_delivery(served: SlackHouse) -> dict[str, object]:
    return served.rows("SELECT body FROM deliveries ORDER BY seq DESC LIMIT 1")[0]
