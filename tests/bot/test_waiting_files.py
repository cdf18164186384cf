"""A picture that is shared with ``predict``, or that the thread hangs on, is fetched and used; each command acts once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot.download import Downloader
from bot.waiting_files import WaitingFiles, clear_settled
from runner.entities import Checkpoint, Host, Place, Run, TransportName
from runner.service.house import Requester
from runner.service.presets import all_presets
from runner.service.waiting_lines import WantedFile, keep, waiting
from runner.settings import Limits, Role
from runner.specs import TrainSpec
from runner.states import Reason
from runner.store import attempts, hosts, progress
from tests.support.slack_house import DATASET, Json, SlackHouse, slack_house, until


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlackHouse]:
    limits = Limits(upload_bytes=100_000)
    with pytest.MonkeyPatch.context() as patch, slack_house(tmp_path_factory.mktemp("house"), house_limits=limits) as house:
        for name, value in house.environment.items():
            patch.setenv(name, value)
        house.runner_lives()
        with house.bot():
            yield house


@pytest.fixture
def model(served: SlackHouse) -> Run:
    """A training that has left a checkpoint, of a framework that predicts."""
    with served.house.store.writing() as db:
        hosts.put(db, Host("gpu-1", TransportName.LOCAL, "/r"))
    run = served.start(served.submit(TrainSpec(preset=all_presets(served.house)["rtmdet-nano"], dataset=DATASET)))
    with served.house.store.writing() as db:
        attempt = attempts.get(db, run.id, 1)
        progress.keep(db, attempt, [Checkpoint("epoch_1.pth", 1)], progress.position(db, attempt), now=served.house.now())
        db.conn.execute("UPDATE runs SET host = 'gpu-1' WHERE id = ?", (run.id,))
    return served.move(run, Reason.COMPLETED)


def picture(path: Path, colour: str = "teal") -> Path:
    Image.new("RGB", (32, 24), colour).save(path)
    return path


def predictions(served: SlackHouse, model: Run) -> list[dict[str, Any]]:
    return served.rows(
        "SELECT id, owner, thread, json_extract(spec, '$.files') AS files, json_extract(spec, '$.score') AS score FROM runs"
        " WHERE kind = 'predict' AND parent_id = ? ORDER BY created_at", model.id,
    )


def whispered(served: SlackHouse, words: str, *, thread: str | None = None) -> Json:
    return served.person().wait_for_message(
        served.training, lambda m: bool(m.get("is_ephemeral")) and words in m["text"], timeout_s=8, thread_ts=thread
    )


def test_shared_pictures_are_what_the_command_is_about(served: SlackHouse, model: Run, tmp_path: Path) -> None:
    shared = picture(tmp_path / "My pond (2).png")
    served.person().upload(served.training, shared, text=f"@signalbox predict {model.id} —score 0.5")
    whispered(served, "It predicts as soon as 1 file is fetched.")
    (run,) = until(lambda: predictions(served, model))
    assert (run["score"], run["owner"]) == (0.5, served.people["ada"])
    assert [file["name"] for file in json.loads(run["files"])] == ["My_pond_2_.png"]
    whispered(served, f"Queued `{run['id']}`: prediction of rtmdet-nano on")
    until(lambda: not list(served.house.settings.inbox.iterdir()), what="an empty inbox")
    assert not waiting(served.house)


@pytest.mark.parametrize("shared", ["eel.jpg", "a b <!channel>.png"])
def test_a_messages_menu_asks_which_model_looks_at_its_picture(served: SlackHouse, model: Run, tmp_path: Path, shared: str) -> None:
    ada = served.person()
    message = ada.upload(served.training, picture(tmp_path / shared), text="what is this?")
    ada.shortcut("predict_with", message)
    form = until(ada.views)[-1]
    assert [block.get("block_id") for block in form["blocks"]][1:] == ["run", "dataset", "split", "checkpoint", "score"]
    plan = ada.submit(form, {"run": {"value": model.id}, "score": {"value": "0.5"}})
    assert plan["outcome"] == "updated" and "as soon as 1 file is fetched" in str(plan["view"]["blocks"]), plan
    assert not predictions(served, model) and not waiting(served.house)
    done = ada.submit(plan["view"])
    assert "as soon as 1 file is fetched" in str(done["view"]["blocks"])
    ada.close(ada.views()[-1])
    (run,) = until(lambda: predictions(served, model))
    assert run["score"] == 0.5 and len(json.loads(run["files"])) == 1


def test_a_message_without_a_picture_asks_nothing(served: SlackHouse) -> None:
    ada = served.person()
    ada.shortcut("predict_with", ada.say(served.training, "no picture here either"))
    whispered(served, "That message has no picture and no video.")
    assert not ada.views()


def test_in_a_thread_the_picture_that_it_hangs_on_is_meant(served: SlackHouse, model: Run, tmp_path: Path) -> None:
    ada = served.person()
    shared = ada.upload(served.training, picture(tmp_path / "eel.jpg"), text="what is this?")
    ada.say(served.training, f"@signalbox predict {model.id}", thread_ts=shared["ts"])
    (run,) = until(lambda: predictions(served, model))
    assert "eel.jpg" in run["files"]
    whispered(served, f"Queued `{run['id']}`", thread=shared["ts"])


def test_a_thread_without_a_picture_means_the_data_it_trained_on(served: SlackHouse, model: Run) -> None:
    ada = served.person()
    plain = ada.say(served.training, "no picture here")
    ada.say(served.training, f"@signalbox predict {model.id}", thread_ts=plain["ts"])
    assert "fish" in whispered(served, "no dataset", thread=plain["ts"])["text"]  # of which this house has none


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("notes.jpg", b"no picture", "notes.jpg: This is neither a picture nor a video that can be read."),
        ("cut.png", b"\x89PNG\r\n\x1a\n", "cut.png"),
        ("large.mp4", bytes(150_000), "at most 100,000 are taken"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_sentence(
    served: SlackHouse, model: Run, tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    (tmp_path / name).write_bytes(content)
    served.person().upload(served.training, tmp_path / name, text=f"@signalbox predict {model.id}")
    whispered(served, sentence)
    assert not predictions(served, model)
    until(lambda: not list(served.house.settings.inbox.iterdir()), what="an empty inbox")


def test_a_viewer_and_a_path_are_refused_at_once(served: SlackHouse, model: Run, tmp_path: Path) -> None:
    served.person().say(served.training, f"@signalbox predict {model.id} /etc/passwd")
    whispered(served, "`predict` takes no path here")
    served.person("eve").upload(served.training, picture(tmp_path / "eve.png"), text=f"@signalbox predict {model.id}")
    served.person().say(served.training, "@signalbox ps")
    until(lambda: served.rows("SELECT 1 FROM requests WHERE text = 'ps'"))
    assert not waiting(served.house) and not predictions(served, model)


def test_an_outage_is_waited_for_and_a_line_acts_once(tmp_path: Path) -> None:
    now = [0.0]
    with slack_house(tmp_path) as served:
        noted(served, picture(tmp_path / "eel.png"))
        fetch = WaitingFiles(served.house, served.slack(), Downloader(served.tokens, 5.0), clock=lambda: now[0])
        served.workspace.stop()
        fetch.step(threading.Event())
        served.workspace.start(int(served.workspace.base_url.rsplit(":", 1)[1]))
        fetch.step(threading.Event())
        assert len(waiting(served.house)) == 1
        now[0] += 5.0
        fetch.step(threading.Event())
        fetch.step(threading.Event())
        assert not waiting(served.house)
        (answer,) = served.rows("SELECT body FROM deliveries")
        assert "There is no run" in answer["body"]
        assert not list(served.house.settings.inbox.iterdir())


def test_what_a_crash_left_of_settled_lines_is_removed_and_of_others_kept(tmp_path: Path) -> None:
    with slack_house(tmp_path) as served:
        noted(served, picture(tmp_path / "eel.png"))
        (line,) = waiting(served.house)
        inbox = served.house.settings.inbox
        for name in (f"line-{line.id}", "line-0000"):
            (inbox / name).mkdir()
        clear_settled(served.house)
        assert [path.name for path in inbox.iterdir()] == [f"line-{line.id}"]


def noted(served: SlackHouse, path: Path) -> None:
    """A line that waits for a file, as the listener notes it."""
    file = served.person().upload(served.training, path)["files"][0]
    who = Requester(served.people["ada"], Role.MEMBER, "mention", "Ev1", Place(served.training))
    keep(served.house, who, "predict r-gone", [WantedFile(file["id"], file["name"], file["size"], file["url_private_download"])])
