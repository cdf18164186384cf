"""The main job on real parts: ``signalbox demo --headless`` from an upload to mAP, with real MMDetection, in under ten minutes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot.demo.loopback_sshd import find_sshd
from runner.environments import find_ready

LONGEST_S = 15 * 60


@pytest.mark.slow
@pytest.mark.environment
@pytest.mark.timeout(LONGEST_S + 60)
@pytest.mark.skipif(find_sshd() is None or shutil.which("screen") is None, reason="openssh-server or screen is not installed")
def test_every_step_of_the_story_is_seen(tmp_path: Path) -> None:
    if find_ready("upstream") is None:
        pytest.skip("the training environment is not built: `make environment` builds it")
    told = tmp_path / "told.txt"
    with told.open("wb") as out:
        command = [sys.executable, "-m", "bot", "demo", "--headless", "--folder", str(tmp_path / "demo")]
        played = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, timeout=LONGEST_S, check=False)
    story = told.read_text(encoding="utf-8", errors="replace")
    assert played.returncode == 0, story[-6000:]
    assert "Every step was seen, in " in story
