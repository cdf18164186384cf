"""The bot is killed at every crash point that has a name, and started again: nothing is lost, nothing is doubled."""

from __future__ import annotations

import signal
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from bot.notifier import notify
from runner.crash_points import BOT
from runner.states import Reason
from tests.support.slack_house import QUICK, SlackHouse, delivery_ids, evaluation, point, slack_house, until

pytestmark = pytest.mark.slow
REQUESTS = ("bot.before_request_commit", "bot.after_request_commit")
DELIVERIES = ("bot.after_events_read", "bot.after_deliveries_owed", "bot.after_marked_sending", "bot.after_sent")
PICTURES = ("bot.after_file_uploaded",)
UPLOADS = ("bot.after_upload_downloaded",)
PATIENT = replace(QUICK, ack_s=1.0, event_retry_delays_s=(0.2,) * 20)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackHouse]:
    with slack_house(tmp_path, limits=PATIENT) as house:
        for name, value in house.environment.items():
            monkeypatch.setenv(name, value)
        house.runner_lives()
        yield house


def killed_at(served: SlackHouse, name: str) -> None:
    process = served.start_bot(crash_at=name)
    assert process.wait(30) == -signal.SIGKILL


def test_every_crash_point_of_the_bot_is_visited() -> None:
    assert sorted(REQUESTS + DELIVERIES + PICTURES + UPLOADS) == sorted(BOT)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_acts_once_and_is_answered(served: SlackHouse, name: str) -> None:
    process = served.start_bot(crash_at=name)
    until(lambda: served.workspace.socket_count() > 0, timeout_s=20)
    served.person().say(served.training, '@signalbox schedule add "every day 02:30" ps')
    assert process.wait(20) == -signal.SIGKILL
    with served.bot():
        ada = served.person()
        ada.wait_for_message(served.training, lambda m: "s-" in m["text"] and bool(m.get("bot_id")), timeout_s=10)
    assert len(served.rows("SELECT id FROM schedules")) == 1
    answers = [m for m in served.person().messages(served.training) if m.get("bot_id")]
    assert len(answers) == 1


@pytest.mark.parametrize("name", DELIVERIES)
def test_every_message_stands_once_and_in_order(served: SlackHouse, name: str) -> None:
    first, second = served.submit(), served.submit(channel="lab")
    served.move(first, Reason.BAD_SPEC)
    killed_at(served, name)
    with served.bot():
        until(lambda: len(served.posted(served.training)) == 2 and served.posted(served.lab), timeout_s=15)
        until(lambda: not served.rows("SELECT 1 FROM deliveries WHERE state <> 'sent'"))
    ids = delivery_ids(served.everything(served.training) + served.everything(served.lab))
    assert set(Counter(ids).values()) == {1}
    assert delivery_ids(served.posted(served.training))[0] == f"card:{first.id}"
    assert delivery_ids(served.posted(served.lab)) == [f"card:{second.id}"]


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_shown_once(served: SlackHouse, name: str) -> None:
    run = served.start(served.submit())
    served.log(run, point(1, 10), evaluation(1, 0.5), best=True)
    served.move(run, Reason.COMPLETED)
    killed_at(served, name)
    with served.bot():
        until(lambda: _pictured(served), timeout_s=30, what="the result with its curve")
        until(lambda: not served.rows("SELECT 1 FROM deliveries WHERE state <> 'sent'"), timeout_s=20)
    assert set(Counter(delivery_ids(served.everything(served.training))).values()) == {1}
    assert len(_pictured(served)) == 1


@pytest.mark.parametrize("name", [*DELIVERIES[2:], *PICTURES])
def test_files_of_a_run_are_shared_once(served: SlackHouse, name: str) -> None:
    served.predicted(pictures__a_jpg=b"\xff\xd8\xff a", pictures__b_jpg=b"\xff\xd8\xff b")
    notify(served.house, home_channel=None)
    with served.house.store.writing() as db:  # so that the point is reached by the files
        db.conn.execute("UPDATE deliveries SET state = 'sent' WHERE kind <> 'files'")
    killed_at(served, name)
    with served.bot():
        until(lambda: not served.rows("SELECT 1 FROM deliveries WHERE state <> 'sent'"), timeout_s=30)
    assert [[file["title"] for file in m["files"]] for m in served.posted(served.training) if m.get("files")] == [["a.jpg", "b.jpg"]]


@pytest.mark.parametrize("name", UPLOADS)
def test_a_command_with_a_file_acts_once(served: SlackHouse, tmp_path: Path, name: str) -> None:
    run = served.submit()
    Image.new("RGB", (32, 24)).save(tmp_path / "eel.png")
    process = served.start_bot(crash_at=name)
    until(lambda: served.workspace.socket_count() > 0, timeout_s=20)
    served.person().upload(served.training, tmp_path / "eel.png", text=f"@signalbox predict {run.id}")
    assert process.wait(20) == -signal.SIGKILL
    assert not served.rows("SELECT 1 FROM requests WHERE door = 'shared files'")
    with served.bot():
        until(lambda: served.rows("SELECT 1 FROM deliveries WHERE id LIKE 'answer:files:%' AND state = 'sent'"), timeout_s=15)
    assert not served.rows("SELECT 1 FROM waiting_lines WHERE settled_at IS NULL")
    assert not list(served.house.settings.inbox.iterdir())


@pytest.mark.parametrize("name", UPLOADS)
def test_an_upload_becomes_one_run(served: SlackHouse, tmp_path: Path, name: str) -> None:
    path = tmp_path / "fish.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.txt", "a")
    process = served.start_bot(crash_at=name)
    until(lambda: served.workspace.socket_count() > 0, timeout_s=20)
    served.person().upload(served.training, path)
    assert process.wait(20) == -signal.SIGKILL
    assert not served.rows("SELECT 1 FROM runs")
    with served.bot():
        until(lambda: served.rows("SELECT 1 FROM runs"))
        until(lambda: served.posted(served.training))
    assert len(served.rows("SELECT 1 FROM runs")) == 1
    assert [kept.read_bytes() for kept in served.house.settings.inbox.iterdir()] == [path.read_bytes()]


def test_sigterm_ends_the_bot_cleanly(served: SlackHouse) -> None:
    process = served.start_bot()
    until(lambda: served.workspace.socket_count() > 0, timeout_s=20)
    process.terminate()
    assert process.wait(15) == 0


def _pictured(served: SlackHouse) -> list[dict[str, object]]:
    return [m for m in served.everything(served.training) if any(block["type"] == "image" for block in m.get("blocks", ()))]
