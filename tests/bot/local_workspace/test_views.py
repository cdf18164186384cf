"""Modals: opening, pushing, updating, and every answer that an app may give to a submission."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

TITLE = {"type": "plain_text", "text": "T"}


def modal(**more: Any) -> Any:
    element = {"type": "plain_text_input", "action_id": "a"}
    block = {"type": "input", "block_id": "b", "label": TITLE, "element": element, "optional": True}
    return {"type": "modal", "title": TITLE, "submit": TITLE, "blocks": [block], **more}


BUTTON = {"type": "button", "action_id": "go", "text": TITLE}
CARD = [{"type": "actions", "elements": [BUTTON]}]


class App:
    """Acknowledges everything with `answer`; `heard` keeps the interactive payloads."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.answer: Any = None
        self.heard: list[Any] = []

    def run(self) -> None:
        for text in self.connection:
            envelope = json.loads(text)
            body = {"envelope_id": envelope["envelope_id"]}
            if envelope["type"] == "interactive":
                self.heard.append(envelope["payload"])
                body |= {"payload": self.answer} if self.answer is not None else {}
            self.connection.send(json.dumps(body))


@pytest.fixture
def app(slack: Any) -> Iterator[App]:
    with slack.socket() as connection:
        app = App(connection)
        thread = threading.Thread(target=app.run)
        thread.start()
        yield app
    thread.join(5)


@pytest.fixture
def card(slack: Any, app: App) -> Any:
    slack.call("chat.postMessage", channel=slack.channel("training"), text="x", blocks=CARD)
    return slack.person().messages("training")[-1]


def trigger(slack: Any, app: App, where: Any) -> str:
    """A fresh trigger id, from a click on the card or in a view."""
    if "id" in where:
        assert slack.person().submit(where, {"a": "text"})["outcome"]
    else:
        assert slack.person().click(where, "go")["acknowledged"]
    return str(app.heard[-1]["trigger_id"])


def open_modal(slack: Any, app: App, card: Any, **more: Any) -> Any:
    trigger_id = trigger(slack, app, card)
    answer = slack.try_call("views.open", trigger_id=trigger_id, view=modal(**more)).body
    assert answer["ok"], answer
    return answer["view"]


def test_a_trigger_id_expires(slack: Any, app: App, card: Any) -> None:
    trigger_id = trigger(slack, app, card)
    slack.clock.advance(3.1)
    assert slack.try_call("views.open", trigger_id=trigger_id, view=modal()).body["error"] == "expired_trigger_id"


def test_a_bad_view_does_not_use_the_trigger_up(slack: Any, app: App, card: Any) -> None:
    trigger_id = trigger(slack, app, card)
    assert slack.try_call("views.open", trigger_id=trigger_id, view={"type": "modal"}).body["error"] == "invalid_arguments"
    assert slack.try_call("views.open", trigger_id=trigger_id, view=modal()).body["ok"]


def test_three_modals_are_the_most(slack: Any, app: App, card: Any) -> None:
    root = open_modal(slack, app, card)
    top = root
    for expected in ("ok", "ok", "push_limit_reached"):
        app.answer = {"response_action": "errors", "errors": {"b": "stay"}}
        answer = slack.try_call("views.push", trigger_id=trigger(slack, app, top), view=modal()).body
        assert answer.get("error", "ok") == expected
        top = answer.get("view", top)
    assert (top["root_view_id"], len(slack.person().views())) == (root["id"], 3)
    app.answer = {"response_action": "clear"}
    assert slack.person().submit(top)["outcome"] == "cleared"
    assert slack.person().views() == []


def test_pushing_needs_an_open_modal(slack: Any, app: App, card: Any) -> None:
    assert slack.try_call("views.push", trigger_id=trigger(slack, app, card), view=modal()).body["error"] == "not_found"


def test_an_update_keeps_what_was_typed_and_heeds_the_hash(slack: Any, app: App, card: Any) -> None:
    view = open_modal(slack, app, card, external_id="mine")
    app.answer = {"response_action": "errors", "errors": {"b": "stay"}}
    slack.person().submit(view, {"a": "typed"})
    stale = slack.try_call("views.update", view_id=view["id"], hash="old", view=modal()).body
    assert stale["error"] == "hash_conflict"
    updated = slack.try_call("views.update", external_id="mine", hash=view["hash"], view=modal(external_id="mine")).body
    assert updated["view"]["state"]["values"]["b"]["a"]["value"] == "typed"
    assert updated["view"]["hash"] != view["hash"]


def test_an_external_id_is_unique(slack: Any, app: App, card: Any) -> None:
    view = open_modal(slack, app, card, external_id="mine")
    app.answer = {"response_action": "push", "view": modal(external_id="mine")}
    outcome = slack.person().submit(view)
    assert (outcome["outcome"], "duplicate_external_id" in outcome["problem"]) == ("trouble", True)


ANSWERS: list[tuple[Any, str, int]] = [
    (None, "closed", 0),
    ({"response_action": "update", "view": modal()}, "updated", 1),
    ({"response_action": "push", "view": modal()}, "pushed", 2),
    ({"response_action": "clear"}, "cleared", 0),
    ({"response_action": "errors", "errors": {"b": "No"}}, "errors", 1),
    ({"response_action": "errors", "errors": {"unknown": "No"}}, "trouble", 1),
    ({"response_action": "errors", "errors": {}}, "trouble", 1),
    ({"response_action": "dance"}, "trouble", 1),
    ({"response_action": "update", "view": {"type": "modal"}}, "trouble", 1),
    ({"response_action": "update", "view": {"type": "home", "blocks": []}}, "trouble", 1),
]


@pytest.mark.parametrize(("answer", "outcome", "still_open"), ANSWERS)
def test_answers_to_a_submission(slack: Any, app: App, card: Any, answer: Any, outcome: str, still_open: int) -> None:
    view = open_modal(slack, app, card)
    app.answer = answer
    assert slack.person().submit(view, {"a": "x"})["outcome"] == outcome
    assert len(slack.person().views()) == still_open


def test_closing_tells_those_who_asked(slack: Any, app: App, card: Any) -> None:
    quiet = open_modal(slack, app, card)
    slack.person().close(quiet)
    loud = open_modal(slack, app, card, notify_on_close=True)
    slack.person().close(loud)
    assert [p["view"]["id"] for p in app.heard if p["type"] == "view_closed"] == [loud["id"]]
    assert "trigger_id" not in app.heard[-1]


def test_an_ephemeral_message_is_replaced_and_deleted_by_its_response_url(slack: Any, app: App) -> None:
    channel, ada = slack.channel("training"), slack.person()
    slack.call("chat.postEphemeral", channel=channel, user=slack.person_id("ada"), text="sure?", blocks=CARD)
    note = ada.messages("training")[-1]
    ada.click(note, "go")
    payload = app.heard[-1]
    assert (payload["container"]["is_ephemeral"], "message" in payload) == (True, False)
    headers = {"Content-Type": "application/json"}

    def respond(body: Any) -> tuple[int, bytes]:
        status, _, text = slack.request("POST", payload["response_url"], body=json.dumps(body), headers=headers)
        return status, text

    assert respond({"replace_original": True, "text": "done"}) == (200, b"ok")
    assert ada.messages("training")[-1]["text"] == "done"
    assert respond({"text": ""}) == (400, b"no_text")
    assert respond({"blocks": [{"type": "poem"}]}) == (400, b"invalid_blocks")
    assert respond({"delete_original": True}) == (200, b"ok")
    assert ada.messages("training") == []
    assert respond({"replace_original": True, "text": "again"}) == (404, b"message_not_found")
