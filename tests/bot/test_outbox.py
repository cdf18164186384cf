"""Every message in its channel once and in order, whatever Slack does; against the real Web API rules of the local workspace."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from bot.attachments import Attachments
from bot.calls import Done, Slack, web_client
from bot.delivering import render
from bot.message import Message, Picture
from bot.notifier import notify
from bot.outbox import Outbox, Render
from bot.pacing import Holds
from bot.pictures import Pictures
from bot.readback import metadata
from bot.settings import SlackSettings
from runner.entities import Place
from runner.service import outbox as rows
from runner.service.house import House, utc_now
from runner.service.outbox import Delivery, NewDelivery
from tests.support.bad_line import bad_line
from tests.support.slack_house import QUICK, SlackHouse, delivery_ids, slack_house, until


class Clock:
    """Monotonic seconds that a test may move."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def served(tmp_path: Path) -> Iterator[SlackHouse]:
    with slack_house(tmp_path) as house:
        yield house


def outbox_of(served: SlackHouse, clock: Clock | None = None) -> Outbox:
    ticking, slack = clock or Clock(), served.slack()
    return Outbox(
        served.house, slack, Pictures(slack, ticking), Holds(ticking), render=render, attachments=Attachments(slack, ticking)
    )


def drawing_outbox(served: SlackHouse, slack: Slack, clock: Clock, draw: Render) -> Outbox:
    return Outbox(
        served.house, slack, Pictures(slack, clock), Holds(clock), render=draw, attachments=Attachments(slack, clock)
    )


def owe(served: SlackHouse, delivery_id: str, channel: str, **body: object) -> None:
    rows.add(served.house, NewDelivery(delivery_id, channel, "text", {"text": f"message {delivery_id}", **body}))


def state_of(served: SlackHouse, delivery_id: str) -> str:
    return str(served.rows("SELECT state FROM deliveries WHERE id = ?", delivery_id)[0]["state"])


def send_all(outbox: Outbox, served: SlackHouse, clock: Clock, *, rounds: int = 40, pause_s: float = 0.0) -> None:
    for _ in range(rounds):
        outbox.step()
        time.sleep(pause_s)  # the workspace processes files on real time
        clock.ahead += 1.0
        if not rows.owed(served.house):
            return


def test_messages_of_a_channel_keep_their_order_and_carry_their_ids(served: SlackHouse) -> None:
    clock = Clock()
    for number in range(4):
        owe(served, f"d{number}", served.training)
    send_all(outbox_of(served, clock), served, clock)
    assert delivery_ids(served.posted(served.training)) == ["d0", "d1", "d2", "d3"]
    assert {state_of(served, f"d{number}") for number in range(4)} == {"sent"}


def test_a_channel_gets_at_most_one_message_a_second(served: SlackHouse) -> None:
    clock = Clock()
    outbox = outbox_of(served, clock)
    owe(served, "d0", served.training)
    owe(served, "d1", served.training)
    assert outbox.step()
    assert not outbox.step()
    clock.ahead += 1.0
    assert outbox.step()


def test_what_a_crash_left_in_sending_is_found_in_the_channel_and_not_sent_again(served: SlackHouse) -> None:
    owe(served, "d0", served.training)
    rows.mark_sending(served.house, rows.owed(served.house)[0])
    posted = served.slack().call("chat.postMessage", channel=served.training, text="message d0", metadata=dict(metadata("d0")))
    assert isinstance(posted, Done)
    outbox_of(served).step()
    assert served.rows("SELECT state, ts FROM deliveries") == [{"state": "sent", "ts": posted.data["ts"]}]
    assert delivery_ids(served.posted(served.training)) == ["d0"]


def test_what_a_crash_left_in_sending_is_sent_when_it_is_not_in_the_channel(served: SlackHouse) -> None:
    clock = Clock()
    owe(served, "d0", served.training)
    rows.mark_sending(served.house, rows.owed(served.house)[0])
    send_all(outbox_of(served, clock), served, clock)
    assert delivery_ids(served.posted(served.training)) == ["d0"]


def test_a_reply_left_in_sending_is_looked_for_in_its_thread(served: SlackHouse) -> None:
    parent = served.person().say(served.training, "a thread")
    owe(served, "d0", served.training, thread=parent["ts"])
    rows.mark_sending(served.house, rows.owed(served.house)[0])
    served.slack().call("chat.postMessage", channel=served.training, text="x", thread_ts=parent["ts"], metadata=dict(metadata("d0")))
    outbox_of(served).step()
    assert delivery_ids(served.posted(served.training, thread=parent["ts"])) == ["d0"]


def test_a_private_answer_left_in_sending_is_not_shown_twice(served: SlackHouse) -> None:
    owe(served, "d0", served.training, person=served.people["ada"])
    rows.mark_sending(served.house, rows.owed(served.house)[0])
    outbox_of(served).step()
    assert state_of(served, "d0") == "failed"
    assert not served.person().ephemeral_messages(served.training)


@pytest.mark.slow
def test_a_channel_that_slack_slows_down_does_not_hold_up_another(tmp_path: Path) -> None:
    with slack_house(tmp_path, limits=replace(QUICK, message_interval_s=3.0, message_burst=1)) as served:
        clock = Clock()
        outbox = outbox_of(served, clock)
        owe(served, "slow0", served.training)
        owe(served, "slow1", served.training)
        outbox.step()
        clock.ahead += 1.0
        assert not outbox.step()  # 429 with Retry-After
        owe(served, "quick0", served.lab)
        assert outbox.step()
        assert delivery_ids(served.posted(served.lab)) == ["quick0"]
        waits = served.rows("SELECT state, not_before, error FROM deliveries WHERE id = 'slow1'")[0]
        assert waits["state"] == "owed"
        assert waits["not_before"] is not None
        clock.ahead += 10.0
        assert not outbox.step()  # the time Slack asked for is kept on the wall clock, across restarts
        until(lambda: outbox_of(served).step(), timeout_s=5)
        assert delivery_ids(served.posted(served.training)) == ["slow0", "slow1"]


def test_blocks_that_slack_refuses_become_text(served: SlackHouse) -> None:
    clock = Clock()
    owe(served, "d0", served.training, blocks=[{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 4000}}])
    send_all(outbox_of(served, clock), served, clock)
    (message,) = served.posted(served.training)
    assert message["text"] == "message d0"


def test_a_channel_without_the_bot_fails_its_message_and_no_other(served: SlackHouse, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    owe(served, "d0", served.channels["far"])
    owe(served, "d1", served.training)
    send_all(outbox_of(served, clock), served, clock)
    assert served.rows("SELECT state, error FROM deliveries WHERE id = 'd0'") == [{"state": "failed", "error": "not_in_channel"}]
    assert state_of(served, "d1") == "sent"
    assert "not_in_channel" in caplog.text


def test_a_reply_whose_thread_was_deleted_goes_to_the_channel(served: SlackHouse) -> None:
    clock = Clock()
    owe(served, "d0", served.training, thread="1700000000.000100")
    send_all(outbox_of(served, clock), served, clock)
    assert delivery_ids(served.posted(served.training)) == ["d0"]


def test_an_outage_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    with slack_house(tmp_path) as served:
        clock = Clock()
        outbox = outbox_of(served, clock)
        owe(served, "d0", served.training)
        served.workspace.stop()
        assert not outbox.step()
        assert state_of(served, "d0") == "sending"  # nobody knows
        port = int(served.workspace.base_url.rsplit(":", 1)[1])
        served.workspace.start(port)
        send_all(outbox, served, clock)
        assert delivery_ids(served.posted(served.training)) == ["d0"]


def test_a_bad_line_loses_nothing_and_doubles_nothing(served: SlackHouse) -> None:
    clock, faults = Clock(), ("answer lost", "request lost", "500 after", "500 before", "answer lost")
    with bad_line(served.workspace.api_url, "chat.postMessage", *faults) as line:
        slack = Slack(web_client(replace(served.tokens, api_url=line.api_url), SlackSettings()))
        outbox = Outbox(served.house, slack, Pictures(slack, clock), Holds(clock), render=render, attachments=Attachments(slack, clock))
        for number in range(6):
            owe(served, f"d{number}", served.training)
        send_all(outbox, served, clock, rounds=200)
        assert not line.faults
    assert delivery_ids(served.posted(served.training)) == [f"d{number}" for number in range(6)]


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "files.completeUploadExternal", "files.info"])
def test_a_bad_line_costs_no_picture(served: SlackHouse, method: str) -> None:
    clock = Clock()

    def draw(house: House, delivery: Delivery) -> Message:
        return Message("look", place=Place(delivery.channel), pictures=[Picture("p", "A picture", lambda: b"\x89PNG\r\n\x1a\n")])

    with bad_line(served.workspace.api_url, method, "answer lost") as line:
        slack = Slack(web_client(replace(served.tokens, api_url=line.api_url), SlackSettings()))
        owe(served, "d0", served.training)
        send_all(drawing_outbox(served, slack, clock, draw), served, clock, pause_s=0.03)
    (message,) = served.posted(served.training)
    assert [block["type"] for block in message["blocks"]] == ["section", "image"]


def test_a_picture_that_slack_never_takes_is_left_out(served: SlackHouse) -> None:
    clock = Clock()

    def draw(house: House, delivery: Delivery) -> Message:
        return Message("look", place=Place(delivery.channel), pictures=[Picture("p", "A picture", lambda: b"png")])

    with bad_line(served.workspace.api_url, "files.getUploadURLExternal", *["500 before"] * 50) as line:
        slack = Slack(web_client(replace(served.tokens, api_url=line.api_url), SlackSettings()))
        owe(served, "d0", served.training)
        send_all(drawing_outbox(served, slack, clock, draw), served, clock)
    (message,) = served.posted(served.training)
    assert message["text"] == "look"


def test_a_wrong_token_holds_messages_until_it_is_mended(served: SlackHouse) -> None:
    clock = Clock()
    ticking, slack = clock, served.slack()
    slack._client.token = "xoxb-revoked"
    outbox = Outbox(
        served.house, slack, Pictures(slack, ticking), Holds(ticking), render=render, attachments=Attachments(slack, ticking)
    )
    owe(served, "d0", served.training)
    outbox.step()
    assert state_of(served, "d0") == "owed"
    slack._client.token = served.tokens.bot
    clock.ahead += 61.0
    send_all(outbox, served, clock)
    assert delivery_ids(served.posted(served.training)) == ["d0"]


def test_a_message_that_cannot_be_drawn_holds_up_nobody(served: SlackHouse) -> None:
    clock = Clock()

    def draw(house: House, delivery: Delivery) -> Message:
        if delivery.id == "d0":
            raise ZeroDivisionError
        return Message("fine", place=Place(delivery.channel))

    slack = served.slack()
    outbox = drawing_outbox(served, slack, clock, draw)
    owe(served, "d0", served.training)
    owe(served, "d1", served.training)
    send_all(outbox, served, clock)
    assert [state_of(served, name) for name in ("d0", "d1")] == ["failed", "sent"]


def test_what_slack_was_slow_to_take_is_not_sent_again(served: SlackHouse) -> None:
    clock = Clock()
    outbox = outbox_of(served, clock)
    owe(served, "d0", served.training)
    rows.mark_sending(served.house, rows.owed(served.house)[0])
    assert not outbox.step()  # it is not there yet
    served.slack().call("chat.postMessage", channel=served.training, text="message d0", metadata=dict(metadata("d0")))
    send_all(outbox, served, clock)
    assert delivery_ids(served.posted(served.training)) == ["d0"]


def test_a_new_process_keeps_the_pace_of_the_one_before(served: SlackHouse) -> None:
    owe(served, "d0", served.training)
    owe(served, "d1", served.training)
    assert outbox_of(served).step()
    assert not outbox_of(served).step()


def test_files_and_messages_of_a_channel_share_its_pace(served: SlackHouse) -> None:
    clock = Clock()
    outbox = outbox_of(served, clock)
    served.predicted(a_json=b"{}")
    notify(served.house, home_channel=None)
    sent: list[float] = []
    for _ in range(100):
        outbox.step()
        sent += [clock()] * (len(served.rows("SELECT 1 FROM deliveries WHERE state = 'sent'")) - len(sent))
        time.sleep(0.02)  # bytes travel on real time
        clock.ahead += 0.2
    assert len(sent) == 3
    assert all(later - earlier > 0.99 for earlier, later in pairwise(sent))


def test_a_person_is_written_to_by_themselves_and_found_again(served: SlackHouse) -> None:
    clock, ada = Clock(), served.people["ada"]
    rows.add(served.house, NewDelivery("d0", ada, "text", {"text": "for you"}))
    with bad_line(served.workspace.api_url, "chat.postMessage", "answer lost") as line:
        slack = Slack(web_client(replace(served.tokens, api_url=line.api_url), SlackSettings()))
        send_all(drawing_outbox(served, slack, clock, render), served, clock)
    direct = served.person().open_direct_messages()
    assert delivery_ids(served.posted(direct)) == ["d0"]
    assert not served.posted(served.training)


def test_who_cannot_be_written_to_holds_up_nobody(served: SlackHouse) -> None:
    clock = Clock()
    rows.add(served.house, NewDelivery("d0", "U0NOBODY01", "text", {"text": "for you"}))
    owe(served, "d1", served.training)
    send_all(outbox_of(served, clock), served, clock)
    assert [state_of(served, name) for name in ("d0", "d1")] == ["failed", "sent"]


def test_an_archived_channel_is_said_to_the_owner_once(served: SlackHouse) -> None:
    clock = Clock()
    runs_of = [served.submit(), served.submit()]
    notify(served.house, home_channel=None)
    with bad_line(served.workspace.api_url, "chat.postMessage", "is_archived", "is_archived") as line:
        slack = Slack(web_client(replace(served.tokens, api_url=line.api_url), SlackSettings()))
        send_all(drawing_outbox(served, slack, clock, render), served, clock)
    (note,) = served.posted(served.person().open_direct_messages())
    assert "takes nothing more from Signalbox (is_archived)" in note["text"] and runs_of[0].id in note["text"]


def test_after_hours_of_silence_news_come_as_one_message_and_the_rest_as_it_is(served: SlackHouse) -> None:
    clock = Clock()
    long_ago = replace(served.house, now=lambda: utc_now() - timedelta(hours=3))
    for number in range(40):
        rows.add(long_ago, NewDelivery(f"n{number}", served.training, "text", {"text": f"news {number}", "line": f"news {number}"}))
        if number % 20 == 0:
            rows.add(long_ago, NewDelivery(f"urgent{number}", served.training, "text", {"text": f"alert {number}"}))
    owe(served, "now", served.training, line="fresh news")
    send_all(outbox_of(served, clock), served, clock)
    shown = served.posted(served.training)
    assert [message["text"].splitlines()[0][:24] for message in shown] == ["alert 0", "alert 20", "message now", "*While Slack did not ans"]
    assert "news 39" in shown[3]["text"] and "10 earlier messages left out" in shown[3]["text"]
    assert {state_of(served, f"n{number}") for number in range(40)} == {"settled"}


def test_a_few_old_news_come_one_by_one(served: SlackHouse) -> None:
    clock = Clock()
    long_ago = replace(served.house, now=lambda: utc_now() - timedelta(hours=3))
    for number in range(3):
        rows.add(long_ago, NewDelivery(f"n{number}", served.training, "text", {"text": f"news {number}", "line": f"news {number}"}))
    send_all(outbox_of(served, clock), served, clock)
    assert delivery_ids(served.posted(served.training)) == ["n0", "n1", "n2"]
