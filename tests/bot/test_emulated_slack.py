"""The real bot against a Slack that others made: npm's ``emulate``. It hears events over signed HTTP and speaks through the Web API.

Whatever both sides understand differently than our own workspace does shows here. The emulator knows no commands and clicks: those
that open dialogs are posted as Slack would, with a trigger that the emulator gave.
"""

from __future__ import annotations

import io
import json
import signal
import time
import urllib.request
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from slack_sdk.signature import SignatureVerifier

from bot.settings import EVENTS_PATH
from runner.states import Reason
from tests.support.emulated_slack import APP, BOT, TEAM, Emulated, Json, emulated_house
from tests.support.slack_house import SlackHouse, delivery_ids, evaluation, point, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlackHouse]:
    with emulated_house(tmp_path_factory.mktemp("emulated")) as house, pytest.MonkeyPatch.context() as patch:
        for name, value in house.environment.items():
            patch.setenv(name, value)
        house.runner_lives()
        yield house


@pytest.fixture
def heard(served: SlackHouse) -> Iterator[SlackHouse]:
    """With a bot that listens."""
    with served.bot():
        yield served


def slack(served: SlackHouse) -> Emulated:
    assert isinstance(served.workspace, Emulated)
    return served.workspace


def said(served: SlackHouse, kind: str = "messages") -> list[Json]:
    """What the bot said in the channel and its threads, or privately."""
    return [one for one in slack(served).kept(kind) if one["user"] == BOT and one["channel_id"] == served.training]


def posted(served: SlackHouse, body: str, *, kind: str) -> bytes:
    """What the bot answers to a request that it believes to be Slack's."""
    stamp = str(int(time.time()))
    signature = SignatureVerifier(slack(served).signing_secret).generate_signature(timestamp=stamp, body=body)
    headers = {"Content-Type": kind, "X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": str(signature)}
    request = urllib.request.Request(f"http://127.0.0.1:{served.port}{EVENTS_PATH}", data=body.encode(), headers=headers)
    with urllib.request.urlopen(request, timeout=20) as response:
        found: bytes = response.read()
    return found


def test_a_mention_is_answered_to_whom_it_asks_and_to_nobody_twice(heard: SlackHouse) -> None:
    ada = slack(heard).person()
    ada.chat_postMessage(channel=heard.training, text=f"<@{BOT}> ps")
    until(lambda: said(heard, "ephemeralMessages"), what="an answer")
    ada.chat_postMessage(channel=heard.training, text="ps, says nobody to the bot")
    slack(heard).person("eve").chat_postMessage(channel=heard.training, text=f"<@{BOT}> stop r-aaaa --yes")
    refused = until(lambda: [one for one in said(heard, "ephemeralMessages") if one["target_user"] == heard.people["eve"]])
    assert "not on Signalbox's list of people" in refused[0]["text"]
    assert [one["target_user"] for one in said(heard, "ephemeralMessages")] == [heard.people["ada"], heard.people["eve"]]


def test_a_training_is_one_card_that_is_edited_with_its_thread_its_curve_and_its_result(heard: SlackHouse) -> None:
    run = heard.submit()
    card = until(lambda: [one for one in said(heard) if run.id in one["text"]])[0]
    assert delivery_ids([card]) == [f"card:{run.id}"]
    heard.start(run)
    heard.log(run, point(1, 10), evaluation(1, 0.5), best=True)
    heard.move(run, Reason.COMPLETED)
    found = until(lambda: _with_picture(heard, card["ts"]), timeout_s=60, what="the result with its curve")
    shown = {one["file_id"]: one for one in slack(heard).kept("files")}[found[0]["blocks"][-1]["slack_file"]["id"]]
    assert (shown["mimetype"], shown["channels"]) == ("image/png", [])
    until(lambda: not heard.rows("SELECT 1 FROM deliveries WHERE state <> 'sent'"))
    until(lambda: "Finished" in next(one for one in said(heard) if one["ts"] == card["ts"])["text"])
    assert set(Counter(delivery_ids(said(heard))).values()) == {1}


def test_an_archive_is_fetched_with_the_bots_own_right_and_becomes_a_run(heard: SlackHouse) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("annotations.txt", "0" * 1000)
    slack(heard).person().files_upload_v2(
        filename="reef.zip", file=content.getvalue(), channel=heard.training, initial_comment=f"<@{BOT}> data add reef"
    )
    row = until(lambda: heard.rows("SELECT json_extract(spec, '$.archive') AS archive, json_extract(spec, '$.dataset') AS dataset"
                                   " FROM runs WHERE kind = 'ingest'"))[0]
    assert (row["dataset"], Path(row["archive"]).read_bytes()) == ("reef", content.getvalue())
    until(lambda: not heard.rows("SELECT 1 FROM uploads WHERE state <> 'fetched'"))
    assert len(heard.rows("SELECT 1 FROM runs WHERE kind = 'ingest'")) == 1


def test_what_a_run_made_is_shared_as_files_in_its_thread(heard: SlackHouse) -> None:
    run = heard.predicted(pictures__eel_jpg=b"\xff\xd8\xff eel")
    shared = until(lambda: [one for one in said(heard) if one.get("files")], timeout_s=30, what="the files")
    [card] = [one for one in said(heard) if delivery_ids([one]) == [f"card:{run.id}"]]
    assert [file["title"] for one in shared for file in one["files"]] == ["eel.jpg"]
    assert shared[0]["thread_ts"] == card["ts"]


def test_a_person_is_told_in_direct_messages(heard: SlackHouse) -> None:
    slack(heard).person().chat_postMessage(channel=heard.training, text=f"<@{BOT}> subscribe all results")
    until(lambda: heard.rows("SELECT 1 FROM subscriptions"))
    run = heard.submit(owner="ben")
    heard.start(run)
    heard.log(run, point(1, 10), evaluation(1, 0.4), best=True)
    heard.move(run, Reason.COMPLETED)
    direct = until(lambda: [one["channel_id"] for one in slack(heard).kept("channels") if one.get("is_im")], timeout_s=30)[0]
    until(lambda: any(one["channel_id"] == direct and run.id in one["text"] for one in slack(heard).kept("messages")), timeout_s=30)


def test_a_bare_command_opens_its_form_and_home_is_published(heard: SlackHouse) -> None:
    ada = heard.people["ada"]
    trigger = slack(heard).person().api_call("views.generateTriggerId", json={"user_id": ada})["trigger_id"]
    body = {"command": "/train", "text": "run", "user_id": ada, "channel_id": heard.training, "team_id": TEAM, "api_app_id": APP,
            "trigger_id": trigger, "response_url": slack(heard).address}
    assert posted(heard, urlencode(body), kind="application/x-www-form-urlencoded") == b""
    event = {"type": "app_home_opened", "user": ada, "tab": "home", "channel": "D1", "event_ts": "1.1"}
    envelope = {"type": "event_callback", "team_id": TEAM, "api_app_id": APP, "event_id": "EvHome", "event_time": 1, "event": event}
    posted(heard, json.dumps(envelope), kind="application/json")
    seen = until(lambda: {one["type"]: one for one in slack(heard).kept("views")} if len(slack(heard).kept("views")) == 2 else None)
    assert [block["block_id"] for block in seen["modal"]["blocks"]][:2] == ["preset", "dataset"]
    assert (seen["home"]["user_id"], seen["modal"]["user_id"]) == (ada, ada)


@pytest.mark.parametrize("name", ["bot.after_marked_sending", "bot.after_sent"])
def test_what_a_crash_left_open_is_found_again_there(served: SlackHouse, name: str) -> None:
    run = served.submit(channel="lab")
    assert served.start_bot(crash_at=name).wait(30) == -signal.SIGKILL
    with served.bot():
        until(lambda: not served.rows("SELECT 1 FROM deliveries WHERE state <> 'sent'"), timeout_s=30)
    there = [one for one in slack(served).kept("messages") if run.id in one["text"]]
    assert delivery_ids(there) == [f"card:{run.id}"]


def _with_picture(served: SlackHouse, thread: str) -> list[Json]:
    replies = [one for one in said(served) if one.get("thread_ts") == thread]
    return [one for one in replies if any(block["type"] == "image" for block in one.get("blocks", ()))]
