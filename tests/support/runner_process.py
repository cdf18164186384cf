"""The runner as a process of its own, which can be killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.crash_points import VARIABLE
from runner.settings import Settings

PROGRAM = "from runner.loop import run_runner; from runner.settings import load_settings; run_runner(load_settings())"


def settings_file(settings: Settings) -> Path:
    """What a process reads to work with these settings."""
    path = settings.state / "signalbox.yaml"
    path.write_text(settings.model_dump_json(exclude={"slack"}), encoding="utf-8")  # JSON is YAML
    return path


@contextmanager
def runner_process(settings: Settings, *, crash_at: str = "", program: str = PROGRAM) -> Iterator[subprocess.Popen[bytes]]:
    """A runner at work, told to die at a point; what it says goes to runner.out beside the database."""
    environment = os.environ | {"SIGNALBOX_SETTINGS": str(settings_file(settings))} | ({VARIABLE: crash_at} if crash_at else {})
    with (settings.state / "runner.out").open("ab") as out:
        process = subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)
