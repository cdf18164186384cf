"""A short real training with MMDetection, asked for in the workspace: the number on its card is what pycocotools computes.

The whole story (resume, fine-tune, kills, AP50) is ``make demo HEADLESS=1``; this is its quick part.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bot.demo import steps
from bot.demo.footage import write_footage
from bot.demo.loopback_sshd import find_sshd
from bot.demo.scene import HOST
from runner.environments import find_ready
from runner.states import Reason
from runner.store import hosts as host_rows
from tests.e2e.stage import playing

FRAMES, EPOCHS = 150, 8
LEAST_MAP = 0.02  # so that equal numbers are not two noughts


@pytest.mark.slow
@pytest.mark.environment
@pytest.mark.timeout(420)
@pytest.mark.skipif(find_sshd() is None or shutil.which("screen") is None, reason="openssh-server or screen is not installed")
def test_the_cards_number_is_what_pycocotools_computes(tmp_path: Path) -> None:
    ready = find_ready("upstream")
    if ready is None:
        pytest.skip("the training environment is not built: `make environment` builds it")
    with playing(tmp_path / "stage") as play:
        house = play.scene.house
        with house.store.writing() as db:
            host_rows.put_environment(db, replace(ready, host=HOST))
        write_footage(play.upload, frames=FRAMES)
        play.scene.ada.upload(play.scene.channel, play.upload, filename="fish.zip")
        play.message("fish@1", timeout_s=60)
        play.card(play.start("convert", "convert fish vatic-to-coco"), "fish@2", timeout_s=60)
        run_id = play.start("first", f"run rtmdet-nano on fish --epochs {EPOCHS}")
        play.wait(lambda: play.view("first").run.state.final, timeout_s=300, what="the end of the training")
        assert play.view("first").run.reason is Reason.COMPLETED, play.view("first").run.detail
        play.card(run_id, "Finished", timeout_s=30)
        best = play.view("first").best
        assert best is not None
        assert (best.ap or 0.0) > LEAST_MAP
        steps.the_number_is_right(play)
        assert [point.epoch for point in play.view("first").epoch_ends] == list(range(1, EPOCHS + 1))
