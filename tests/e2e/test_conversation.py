"""One whole conversation with bot and runner in processes of their own, over a real sshd, through a kill of both."""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from bot.demo.loopback_sshd import find_sshd
from bot.demo.play import Json, Play, pictures
from bot.demo.processes import marked
from runner.states import Reason, State
from tests.e2e.stage import playing

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(find_sshd() is None or shutil.which("screen") is None, reason="openssh-server or screen is not installed"),
]


def test_from_an_upload_to_a_stopped_run_every_message_comes_once(tmp_path: Path) -> None:
    with playing(tmp_path / "stage") as play:
        an_upload_becomes_a_card_with_a_picture(play)
        a_recipe_makes_the_next_version(play)
        a_run_trains_through_a_kill_of_bot_and_runner(play)
        a_failure_is_told_and_its_button_resumes(play)
        a_stop_asks_first(play)
        a_schedule_answers_with_its_next_times(play)
        ids = Counter(play.delivery_ids())
        assert ids
        assert not [name for name, count in ids.items() if count > 1]


def an_upload_becomes_a_card_with_a_picture(play: Play) -> None:
    play.scene.ada.upload(play.scene.channel, play.upload, filename="fish.zip")
    card = play.message("fish@1", "60 images", "lost", "occluded")
    assert [block["alt_text"] for block in pictures(card)] == ["Samples of fish@1"]
    assert "Convert: vatic-to-coco" in buttons(card)


def a_recipe_makes_the_next_version(play: Play) -> None:
    converted = play.start("convert", "convert fish vatic-to-coco")
    play.card(converted, "Finished", "fish@2")
    card = play.message("fish@2", "train", "val", "Left out")
    assert "made from `fish@1` by `vatic-to-coco`" in card["text"]


def a_run_trains_through_a_kill_of_bot_and_runner(play: Play) -> None:
    run_id = play.start("first", "run quick on fish --epochs 6 -- step_s=0.2")
    play.wait(lambda: play.view("first").evaluations, timeout_s=30, what="the first epoch")
    seen = play.view("first")
    assert seen.attempt is not None
    directory = Path(seen.attempt.directory)
    pid = int((directory / "pid").read_text())
    ts = play.card(run_id, "Training")["ts"]
    killed = play.scene.kill_signalbox()
    assert len(killed) == 2
    os.kill(pid, 0)  # the training lives on
    assert play.scene.signalbox_restarted(without=killed)
    card = play.card(run_id, "Finished", "epoch 6 of 6", timeout_s=60)
    assert (card["ts"], (card.get("edited") is not None)) == (ts, True)
    assert "Best mAP: 0.900 at epoch 5" in card["text"]
    play.reply(run_id, "Epochs of", "★   5   0.080    0.01  0.900  1.000", "\n    6 ")
    result = play.reply(run_id, "finished in", "mAP     0.900", "weights: epoch_5.pth")
    assert len(pictures(result)) == 1
    sequence = [line.split() for line in (directory / "iterations.txt").read_text().splitlines()]
    assert [(int(epoch), int(iteration)) for epoch, iteration, _ in sequence] == [(e, i) for e in range(1, 7) for i in range(1, 6)]
    assert len({process for _, _, process in sequence}) == 1
    assert [path.name for path in directory.parent.iterdir() if (path / "claim").is_symlink()] == ["1"]


def a_failure_is_told_and_its_button_resumes(play: Play) -> None:
    run_id = play.start("second", "run quick on fish --epochs 4 -- step_s=0.05 fail_at_epoch=2")
    alert = play.message("failed: error in the program", run_id)
    assert "RuntimeError: the scenario says so" in alert["text"]
    assert "program.py, line" in alert["text"]
    assert f"<@{play.view('second').run.owner}>" in alert["text"]
    play.press(alert, f"resume {run_id}")
    noted = play.message(f"goes on from `{run_id}`")
    found = re.search(r"Queued `(r-\w+)`", noted["text"])
    assert found
    play.runs["resumed"] = found[1]
    play.card(found[1], "Finished", "epoch 4 of 4")
    resumed = play.view("resumed")
    assert resumed.attempt is not None
    first = (Path(resumed.attempt.directory) / "iterations.txt").read_text().split()
    assert first[:2] == ["3", "1"]
    play.reply(found[1], "Starts from epoch_2.pth of epoch 2.")


def a_stop_asks_first(play: Play) -> None:
    run_id = play.start("third", "run quick on fish --epochs 100 -- step_s=0.2 child=true")
    play.wait(lambda: play.view("third").checkpoints, timeout_s=30, what="a checkpoint")
    answer = play.command(f"stop {run_id}")
    assert f"Stop `{run_id}` (quick on fish@2)?" in answer
    assert "The last checkpoint is epoch_" in answer
    assert "what came after it is lost" in answer
    assert play.view("third").run.state is State.RUNNING
    play.press(play.message(f"Stop `{run_id}` (quick on fish@2)?"), "confirm q-")
    seen = play.view("third")
    play.card(run_id, f"Stopped by <@{seen.run.owner}>")
    assert play.view("third").run.reason is Reason.BY_USER
    assert seen.attempt is not None
    assert not marked(seen.attempt.marker)


def a_schedule_answers_with_its_next_times(play: Play) -> None:
    answer = play.command('schedule add "every day 02:30" run quick on fish')
    assert len(re.findall(r"02:30", answer)) >= 3
    assert "run quick on fish" in play.command("schedule list")


def buttons(message: Json) -> list[str]:
    return [str(element["text"]["text"]) for block in message["blocks"] for element in block.get("elements", []) if "action_id" in element]
