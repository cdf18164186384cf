"""From a training to what people do with its model, in the workspace and in the terminal; bot and runner in processes of their own."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from bot.demo.loopback_sshd import find_sshd
from bot.demo.play import Json, Play
from bot.demo.scene import HOST
from recipes.ingest import ingest
from runner.entities import Environment
from runner.service.models import results_of
from runner.states import Reason, State
from runner.store import hosts
from tests.e2e.stage import SCRIPTED, Stage, playing
from tests.support.scripted_house import write_coco

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(find_sshd() is None or shutil.which("screen") is None, reason="openssh-server or screen is not installed"),
]
_BOARD = """
import time
print("TensorBoard 2 at http://127.0.0.1:45678/ (Press CTRL+C to quit)", flush=True)
time.sleep(600)
"""


def test_a_model_is_measured_used_exported_fetched_and_looked_at(tmp_path: Path) -> None:
    with playing(tmp_path / "stage") as play:
        a_training_ends_with_what_can_be_done_with_it(play, tmp_path)
        its_button_measures_it(play)
        a_shared_picture_comes_back_drawn(play, tmp_path)
        a_dataset_gives_pictures_and_files(play)
        an_export_is_fetched_by_its_button(play)
        a_checkpoint_comes_into_the_thread_and_into_a_folder(play, tmp_path)
        its_checkpoints_are_listed(play)
        tensorboard_is_a_line_to_copy(play)
        ids = Counter(play.delivery_ids())
        assert not [name for name, count in ids.items() if count > 1]
        shared = Counter(file["name"] for _, file in files(play))
        assert not [name for name, count in shared.items() if count > 1]


def a_training_ends_with_what_can_be_done_with_it(play: Play, folder: Path) -> None:
    stage = play.scene
    assert isinstance(stage, Stage)
    ingest(stage.house.catalog, write_coco(folder / "coco", images=3), name="pond", created_at=datetime.now(UTC))
    (folder / "boards" / "tensorboard").mkdir(parents=True)
    (folder / "boards" / "tensorboard" / "main.py").write_text(_BOARD)
    environment = Environment(
        HOST, "scripted", "scripted", sys.executable, str(SCRIPTED), "scripted-1", variables={"PYTHONPATH": str(folder / "boards")}
    )
    with stage.house.store.writing() as db:
        hosts.put_environment(db, environment)
    run_id = play.start("model", "run quick on pond --epochs 3")
    result = play.reply(run_id, "finished in", "Best mAP *0.600*")
    assert lines(result)[:4] == [f"eval {run_id}", f"predict {run_id}", f"export {run_id}", f"fetch {run_id} latest"]


def its_button_measures_it(play: Play) -> None:
    model = play.runs["model"]
    play.press(play.reply(model, "Best mAP"), f"eval {model}")
    card = play.message("evaluation of quick on pond@1 (val)", "Finished")
    measured = run_of(card)
    result = play.reply(measured, "finished in", "mAP *0.600* (AP50 0.700).", "with epoch_3.pth of", f"|{model}>")
    assert "Best" not in result["text"] and "New best" not in str(play.scene.ada.thread(play.scene.channel, card["ts"]))
    assert f"show {model}" in lines(result)


def a_shared_picture_comes_back_drawn(play: Play, folder: Path) -> None:
    model, ada = play.runs["model"], play.scene.ada
    for name, colour in (("cod.jpg", "teal"), ("eel.png", "navy")):
        Image.new("RGB", (64, 48), colour).save(folder / name)
    ada.upload(play.scene.channel, folder / "cod.jpg", text=f"@signalbox predict {model} --score 0.5")
    run_id = run_of(play.message("prediction of quick on cod.jpg", "Finished"))
    play.reply(run_id, "Boxes by class: fish 1.", "boxes from score 0.5 are drawn")
    play.reply(run_id, f"predictions.json of `{run_id}`")
    shared = [file for _, file in files(play) if file["name"].startswith(run_id)]
    assert [file["title"] for file in shared] == ["cod.jpg", "predictions.json"]
    assert ada.download(shared[0]) == (folder / "cod.jpg").read_bytes()
    hung = ada.upload(play.scene.channel, folder / "eel.png", text="what is this?")
    ada.say(play.scene.channel, f"@signalbox predict {model}", thread_ts=hung["ts"])
    play.message("prediction of quick on eel.png", "Finished")
    (folder / "notes.jpg").write_text("no picture")
    ada.upload(play.scene.channel, folder / "notes.jpg", text=f"@signalbox predict {model}")
    refused = play.message("neither a picture nor a video")
    assert "notes.jpg" in refused["text"] and refused["is_ephemeral"]


def a_dataset_gives_pictures_and_files(play: Play) -> None:
    run_id = play.start("used", f"predict {play.runs['model']} on pond --split train")
    play.card(run_id, "Finished", "prediction of quick on pond@1 (train)")
    assert "3 boxes in 3 pictures" in play.reply(run_id, "Here in the thread: 3 pictures, `predictions.json`.")["text"]
    pictures = play.reply(run_id, f"3 pictures of `{run_id}`")
    assert [file["title"] for file in pictures["files"]] == ["train_1.jpg", "train_2.jpg", "train_3.jpg"]
    found = json.loads(play.scene.ada.download(play.reply(run_id, "predictions.json of")["files"][0]))
    assert [each["category"] for each in found] == ["fish"] * 3


def an_export_is_fetched_by_its_button(play: Play) -> None:
    model = play.runs["model"]
    run_id = play.start("exported", f"export {model} as pond-detector")
    result = play.reply(run_id, "model/quick.pth", "sha256", "The preset pond-detector starts from it.")
    assert lines(result) == [f"fetch {run_id} results", "finetune pond-detector on pond"]
    assert not [file for _, file in files(play) if file["name"].startswith(run_id)]
    play.press(result, f"fetch {run_id} results")
    shared = play.reply(run_id, "quick.pth of")["files"]
    assert play.scene.ada.download(shared[0]) == results_of(play.scene.house, run_id)[0].path.read_bytes()


def a_checkpoint_comes_into_the_thread_and_into_a_folder(play: Play, folder: Path) -> None:
    model = play.runs["model"]
    run_id = play.start("fetched", f"fetch {model} epoch_2")
    assert json.loads(play.scene.ada.download(play.reply(run_id, "epoch_2.pth of")["files"][0]))["epoch"] == 2
    assert play.card(run_id, f"files of {model} (epoch_2)", "Finished")
    said = play.scene.terminal("fetch", model, "latest", "--to", str(folder / "mine"))
    assert "1 file" in said and json.loads(next((folder / "mine").rglob("epoch_3.pth")).read_text())["epoch"] == 3
    with pytest.raises(RuntimeError, match="already; nothing was copied"):
        play.scene.terminal("fetch", model, "latest", "--to", str(folder / "mine"))


def its_checkpoints_are_listed(play: Play) -> None:
    said = play.command(f"checkpoints {play.runs['model']}")
    assert re.search(r"epoch_1\.pth +1 +0\.200", said) and "3 checkpoints" in said


def tensorboard_is_a_line_to_copy(play: Play) -> None:
    run_id = play.start("board", f"tensorboard {play.runs['model']} --hours 2")
    card = play.card(run_id, f"TensorBoard of {play.runs['model']}", "ssh -N -L 6006:localhost:45678", "It ends by itself at")
    assert "http://localhost:6006" in card["text"]
    play.press(card, f"stop {run_id}")
    play.press(play.message(f"Stop `{run_id}`"), "confirm q-")
    play.card(run_id, "Stopped")
    assert play.view("board").run.reason is Reason.BY_USER and play.view("board").run.state is State.CANCELLED


def files(play: Play) -> list[tuple[Json, Json]]:
    """Every file that the bot has shared, with its message."""
    channel, ada = play.scene.channel, play.scene.ada
    tops = ada.messages(channel)
    replies = [reply for top in tops if top.get("reply_count") for reply in ada.thread(channel, top["ts"])[1:]]
    return [(message, file) for message in (*tops, *replies) if message.get("bot_id") for file in message.get("files", [])]


def lines(message: Json) -> list[str]:
    """The command lines behind a message's buttons."""
    return [element["value"] for block in message["blocks"] if block["type"] == "actions" for element in block["elements"]]


def run_of(card: Json) -> str:
    found = re.search(r"`(r-\w+)`", card["text"])
    assert found
    return found[1]
