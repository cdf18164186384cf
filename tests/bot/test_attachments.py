"""Files of a run in its thread: all of them once, pictures together, and a sentence where Slack does not take one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.attachments import Attachments
from bot.calls import Slack, web_client
from bot.notifier import notify
from bot.outbox import Outbox
from bot.pacing import Holds
from bot.pictures import Pictures
from bot.rendering import render
from bot.settings import SlackSettings
from runner.service import outbox as rows
from runner.service.views import view
from tests.support.bad_line import bad_line
from tests.support.slack_house import QUICK, Json, SlackHouse, slack_house

DRAWN = {f"pictures__{number:02}_jpg": b"\xff\xd8\xff drawn" for number in range(12)}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[SlackHouse]:
    with slack_house(tmp_path) as house:
        yield house


class Sender:
    """An outbox on a clock that runs ahead by a second a round; with another ``slack``, over a bad line."""

    def __init__(self, served: SlackHouse, slack: Slack | None = None) -> None:
        self._served, self._ahead = served, 0.0
        chosen = slack or served.slack()
        attachments = Attachments(chosen, self.clock)
        self.outbox = Outbox(served.house, chosen, Pictures(chosen, self.clock), Holds(self.clock), render=render, attachments=attachments)

    def clock(self) -> float:
        return time.monotonic() + self._ahead

    def send_all(self, *, rounds: int = 400) -> None:
        notify(self._served.house, home_channel=None)
        for _ in range(rounds):
            self.outbox.step()
            if not rows.owed(self._served.house):
                return
            time.sleep(0.01)  # files are sent on real time
            self._ahead += 1.0
        raise AssertionError(rows.owed(self._served.house))


def thread(served: SlackHouse, run_id: str) -> list[Json]:
    """What stands under a run's card."""
    place = view(served.house, run_id).run.place
    assert place.channel and place.thread
    return served.posted(place.channel, thread=place.thread)[1:]


def titles(message: Json) -> list[str]:
    return [file["title"] for file in message.get("files", [])]


def test_ten_pictures_stand_in_one_message_after_what_is_said_of_them(served: SlackHouse) -> None:
    run = served.predicted(**DRAWN, predictions_json=b"[]", video_mp4=b"frames")
    Sender(served).send_all()
    said, pictures, *others = thread(served, run.id)
    assert "10 of 12 pictures, `predictions.json`, `video.mp4`" in said["text"]
    assert len(titles(pictures)) == 10 and pictures["text"] == f"10 of 12 pictures of `{run.id}`, 90 B"
    assert {file["name"].rsplit("-", 1)[0][:6] for file in pictures["files"]} == {run.id}
    assert [titles(message) for message in others] == [["predictions.json"], ["video.mp4"]]


def test_a_program_says_which_pictures_are_worth_seeing(served: SlackHouse) -> None:
    run = served.predicted(**DRAWN)
    with served.house.store.writing() as db:
        shown = '{"shown": [{"picture": "pictures/11.jpg"}, {"picture": "pictures/03.jpg"}, {"picture": "../x"}]}'
        db.conn.execute("UPDATE runs SET result = ? WHERE id = ?", (shown, run.id))
    Sender(served).send_all()
    assert titles(thread(served, run.id)[1]) == ["11.jpg", "03.jpg"]


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "files.completeUploadExternal"])
@pytest.mark.parametrize("fault", ["answer lost", "request lost", "500 after", "500 before"])
def test_a_bad_line_loses_no_file_and_doubles_none(served: SlackHouse, method: str, fault: str) -> None:
    run = served.predicted(pictures__a_jpg=b"\xff\xd8\xff a", predictions_json=b"[]")
    with bad_line(served.workspace.api_url, method, fault, fault) as line:
        Sender(served, Slack(web_client(replace(served.tokens, api_url=line.api_url), SlackSettings()))).send_all()
        assert not line.faults
    assert [titles(message) for message in thread(served, run.id)] == [[], ["a.jpg"], ["predictions.json"]]


def test_what_was_shared_before_a_crash_is_found_by_its_name(served: SlackHouse) -> None:
    run = served.predicted(predictions_json=b"[]")
    Sender(served).send_all()
    with served.house.store.writing() as db:
        db.conn.execute("UPDATE deliveries SET state = 'sending' WHERE kind = 'files'")
    Sender(served).send_all()
    assert [titles(message) for message in thread(served, run.id)] == [[], ["predictions.json"]]


def test_a_file_that_slack_does_not_take_is_named_with_its_place(tmp_path: Path) -> None:
    with slack_house(tmp_path, limits=replace(QUICK, file_size_bytes=100)) as served:
        run = served.predicted(video_mp4=bytes(200))
        Sender(served).send_all()
        _, instead = thread(served, run.id)
        assert instead["text"].startswith("video.mp4 (200 B) could not be shared here. On the machine of Signalbox they lie in")
        assert f"signalbox fetch {run.id} results --to FOLDER" in instead["text"]


def test_files_that_were_tidied_away_meanwhile_are_said_to_be_gone(served: SlackHouse) -> None:
    run = served.predicted(predictions_json=b"[]")
    notify(served.house, home_channel=None)
    (served.house.settings.results / run.id / "predictions.json").unlink()
    Sender(served).send_all()
    assert thread(served, run.id)[-1]["text"] == f"predictions.json of `{run.id}` is no longer kept."


def test_of_very_many_other_files_none_is_shared_unasked(served: SlackHouse) -> None:
    run = served.predicted(**{f"cityscapes__{number}_txt": b"0" for number in range(9)}, empty_txt=b"")
    Sender(served).send_all()
    (said,) = thread(served, run.id)
    assert "In all 10 files, 9 B." in said["text"] and "cityscapes/3.txt" in said["text"]
    assert str(served.house.settings.results / run.id) in said["text"]
