"""Socket Mode seen from a bare WebSocket: tickets, envelopes, acks, retries, several sockets."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect


def read(connection: Any) -> Any:
    return json.loads(connection.recv(timeout=5))


def ack(connection: Any, envelope: Any, payload: Any = None) -> None:
    body = {"envelope_id": envelope["envelope_id"]}
    connection.send(json.dumps(body if payload is None else body | {"payload": payload}))


def in_background(act: Any) -> Any:
    """Runs `act` in a thread; returns a function that waits for its result."""
    result: list[Any] = []
    thread = threading.Thread(target=lambda: result.append(act()))
    thread.start()

    def wait() -> Any:
        thread.join(10)
        return result[0]

    return wait


def test_a_ticket_opens_one_socket(slack: Any) -> None:
    url = slack.call("apps.connections.open", "app")["url"]
    with connect(url) as connection:
        assert read(connection)["connection_info"]["app_id"] == "A0LOCAL001"
        with pytest.raises(InvalidStatus):
            connect(url)


def test_a_ticket_expires(slack: Any) -> None:
    url = slack.call("apps.connections.open", "app")["url"]
    slack.clock.advance(31)
    with pytest.raises(InvalidStatus):
        connect(url)


def test_a_command_has_slacks_shape_and_its_ack_an_answer(slack: Any) -> None:
    with slack.socket() as connection:
        answer = in_background(lambda: slack.person().slash("training", "/train", "run rtmdet"))
        envelope = read(connection)
        assert (envelope["type"], envelope["accepts_response_payload"]) == ("slash_commands", True)
        payload = envelope["payload"]
        assert {"token", "team_id", "team_domain", "channel_id", "channel_name", "user_id", "user_name", "command", "text",
                "api_app_id", "is_enterprise_install", "response_url", "trigger_id"} == payload.keys()  # fmt: skip
        assert (payload["command"], payload["text"], payload["channel_name"]) == ("/train", "run rtmdet", "training")
        ack(connection, envelope, {"text": "started", "response_type": "in_channel"})
        assert answer()["text"] == "started"
    assert slack.person("ben").messages("training")[-1]["text"] == "started"


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({"text": "x", "colour": "red"}, "unknown key: colour"),
        ({"blocks": [{"type": "poem"}]}, "invalid_blocks"),
        ({"response_type": "loud", "text": "x"}, "invalid_payload"),
        ({"response_type": "in_channel"}, "no_text"),
    ],
)
def test_a_malformed_answer_in_an_ack_is_a_failed_command(slack: Any, payload: Any, words: str) -> None:
    with slack.socket() as connection:
        answer = in_background(lambda: slack.person().slash("training", "/train"))
        ack(connection, read(connection), payload)
        assert 'failed with the error "invalid_command_response"' in answer()["text"]
        assert words in answer()["text"]


def test_commands_are_not_retried(impatient_slack: Any) -> None:
    with impatient_slack.socket() as connection:
        answer = in_background(lambda: impatient_slack.person().slash("training", "/train"))
        read(connection)
        assert "operation_timeout" in answer()["text"]
        with pytest.raises(TimeoutError):
            connection.recv(timeout=0.3)


def test_a_command_without_any_socket(slack: Any) -> None:
    assert "dispatch_failed" in slack.person().slash("training", "/train")["text"]


def test_an_unknown_command_does_not_reach_the_app(slack: Any) -> None:
    with slack.socket() as connection:
        assert "is not a valid command" in slack.person().slash("training", "/dance")["text"]
        with pytest.raises(TimeoutError):
            connection.recv(timeout=0.1)


def test_an_event_nobody_acknowledged_is_retried(impatient_slack: Any) -> None:
    with impatient_slack.socket() as connection:
        impatient_slack.person().say("training", "hello")
        envelopes = [read(connection) for _ in range(3)]
        ack(connection, envelopes[2])
        with pytest.raises(TimeoutError):
            connection.recv(timeout=0.8)
    assert [e["retry_attempt"] for e in envelopes] == [0, 1, 2]
    assert [e["retry_reason"] for e in envelopes] == ["", "timeout", "timeout"]
    assert len({e["payload"]["event_id"] for e in envelopes}) == 1
    assert len({e["envelope_id"] for e in envelopes}) == 3


def test_an_event_without_any_socket_waits_for_one(slack: Any) -> None:
    slack.person().say("training", "anybody?")
    with slack.socket() as connection:
        envelope = read(connection)
        assert envelope["retry_reason"] == "connection_failed"
        ack(connection, envelope)


def test_each_envelope_goes_to_one_of_several_sockets(slack: Any) -> None:
    with slack.socket() as first, slack.socket() as second:
        for number in range(4):
            slack.person().say("training", str(number))
        texts = []
        for connection in (first, first, second, second):
            envelope = read(connection)
            ack(connection, envelope)
            texts.append(envelope["payload"]["event"]["text"])
        assert sorted(texts) == ["0", "1", "2", "3"]


def test_a_socket_asked_to_reconnect_gets_no_more_envelopes_but_its_acks_count(slack: Any) -> None:
    with slack.socket() as old:
        answer = in_background(lambda: slack.person().slash("training", "/train"))
        envelope = read(old)
        slack.workspace.request_disconnect("warning")
        notice = read(old)
        assert (notice["type"], notice["reason"]) == ("disconnect", "warning")
        ack(old, envelope, {"text": "still here"})
        assert answer()["text"] == "still here"
        assert slack.workspace.socket_count() == 0
        with pytest.raises(ConnectionClosed):
            old.recv(timeout=5)


def test_garbage_from_a_socket_is_ignored(slack: Any) -> None:
    with slack.socket() as connection:
        for text in ("no json", "[]", '{"envelope_id": 5}', '{"envelope_id": "unknown"}'):
            connection.send(text)
        answer = in_background(lambda: slack.person().slash("training", "/train"))
        ack(connection, read(connection), {"text": "fine"})
        assert answer()["text"] == "fine"


def test_events_an_app_may_not_see_are_not_sent(slack: Any) -> None:
    with slack.socket() as connection:
        slack.person().say("general", "@signalbox, you are no member here")
        with pytest.raises(TimeoutError):
            connection.recv(timeout=0.2)


def test_edits_and_deletions_are_message_events(slack: Any) -> None:
    channel = slack.channel("training")
    with slack.socket() as connection:
        ts = slack.call("chat.postMessage", channel=channel, text="one")["ts"]
        slack.call("chat.update", channel=channel, ts=ts, text="two")
        slack.call("chat.delete", channel=channel, ts=ts)
        events = []
        for _ in range(3):
            envelope = read(connection)
            ack(connection, envelope)
            events.append(envelope["payload"]["event"])
    assert [event.get("subtype") for event in events] == [None, "message_changed", "message_deleted"]
    assert events[0]["bot_id"] == "B0LOCAL001"
    assert (events[1]["previous_message"]["text"], events[1]["message"]["text"]) == ("one", "two")
