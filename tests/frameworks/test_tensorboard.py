"""The program that shows TensorBoard, with the real one of the training environments."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import IO

import pytest

from runner.entities import Environment
from runner.environments import find_ready
from tests.support.hosts import eventually

pytestmark = [pytest.mark.frameworks, pytest.mark.environment]
PROGRAM = str(resources.files("runner.host") / "board.py")
WRITE = (
    "import sys; from tensorboard.compat.proto.event_pb2 import Event; from tensorboard.summary.writer.event_file_writer import"
    " EventFileWriter as W; w = W(sys.argv[1]); w.add_event(Event(file_version='brain.Event:2')); w.close()"
)


@pytest.fixture(params=["upstream", "tfod"])
def environment(request: pytest.FixtureRequest) -> Environment:
    ready = find_ready(request.param)
    if ready is None:
        pytest.skip(f"the environment {request.param} is not built; python -m runner.environments build {request.param}")
    return ready


@contextmanager
def shown(python: str, folder: Path, at: Path, *, hours: float = 1.0) -> Iterator[subprocess.Popen[bytes]]:
    (at / "board.json").write_text(json.dumps({"folder": str(folder), "hours": hours}))
    with (at / "said").open("wb") as said:
        board = subprocess.Popen([python, PROGRAM, "board.json"], cwd=at, stdout=subprocess.PIPE, stderr=said, start_new_session=True)
    try:
        yield board
    finally:
        if board.poll() is None:
            os.killpg(board.pid, signal.SIGKILL)
        board.communicate()


def line(stream: IO[bytes] | None) -> dict[str, dict[str, int]]:
    assert stream is not None
    return json.loads(stream.readline())  # type: ignore[no-any-return]


def test_it_shows_what_lies_there_until_it_is_ended(environment: Environment, tmp_path: Path) -> None:
    logs = tmp_path / "wörk dir"
    subprocess.run([environment.python, "-c", WRITE, str(logs / "attempt")], check=True, capture_output=True, timeout=120)
    with shown(environment.python, logs, tmp_path) as board:
        port = line(board.stdout)["summary"]["port"]

        def runs() -> list[str]:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/data/runs", timeout=10) as answer:
                return json.load(answer)  # type: ignore[no-any-return]

        assert eventually(runs, 30) == ["attempt"]
        os.killpg(board.pid, signal.SIGTERM)  # as stop.sh does: to the whole group
        assert board.wait(20) == 0


def test_it_ends_by_itself(environment: Environment, tmp_path: Path) -> None:
    with shown(environment.python, tmp_path, tmp_path, hours=0.0002) as board:
        assert line(board.stdout)["summary"]["port"]
        assert board.wait(30) == 0


def test_where_it_is_missing_it_says_what_to_install(tmp_path: Path) -> None:
    with shown(sys.executable, tmp_path, tmp_path) as board:
        assert board.stdout is not None
        said = board.stdout.readline().decode()
        install = f"`{sys.executable} -m pip install tensorboard` on this host installs it."
        assert said == f"ENVIRONMENT_ERROR: TensorBoard needs tensorboard, which is not installed: {install}\n"
        assert board.wait(20) == 1
