"""One runner a database."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runner.errors import ConfigurationError
from runner.loop import run_runner
from runner.service.house import open_house
from runner.service.views import runner_silent_since
from runner.settings import Settings
from tests.support.hosts import eventually

PROGRAM = "from runner.loop import run_runner; from runner.settings import load_settings; run_runner(load_settings())"


def test_a_second_runner_is_refused_and_the_first_leaves_when_asked(tmp_path: Path) -> None:
    house = open_house(Settings(state_folder=tmp_path))
    environment = os.environ | {"SIGNALBOX_STATE": str(tmp_path)}
    first = subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment)
    try:
        eventually(lambda: runner_silent_since(house) is None, timeout_s=20)
        with pytest.raises(ConfigurationError, match="A runner already works on"):
            run_runner(house.settings)
    finally:
        first.send_signal(signal.SIGTERM)
    assert first.wait(20) == 0
    house.store.close()
