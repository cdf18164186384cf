"""Numbered pieces of work in several processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recipes.effort import Effort
from recipes.errors import DatasetError, FormatError, Where


@pytest.mark.parametrize("processes", [1, 2, 5])
def test_results_come_in_order_whoever_made_them(processes: int) -> None:
    said: list[tuple[int, int, str]] = []
    effort = Effort(processes, lambda *step: said.append(step))
    assert list(effort.ordered(lambda piece: (piece, "x" * 100_000), 7, phase="going", total=70))[3][0] == 3
    assert said[0] == (0, 70, "going")
    assert said[-1] == (70, 70, "going")


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_is_raised_in_its_turn_with_its_place(processes: int) -> None:
    def work(piece: int) -> int:
        if piece == 3:
            raise FormatError("It is broken.", where=Where("a.txt", 7), remedy="Mend it.")
        return piece

    results = Effort(processes).ordered(work, 6, phase="", total=6)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(FormatError) as caught:
        next(results)
    assert str(caught.value) == "a.txt, line 7: It is broken. Mend it."


def test_a_killed_process_is_a_sentence() -> None:
    main = os.getpid()

    def work(piece: int) -> int:
        if piece == 1 and os.getpid() != main:
            os.kill(os.getpid(), signal.SIGKILL)
        return piece

    with pytest.raises(DatasetError, match="was killed"):
        list(Effort(2).ordered(work, 4, phase="", total=4))


def test_no_process_outlives_the_one_that_waits_for_it(tmp_path: Path) -> None:
    code = (
        "import os, time\nfrom recipes.effort import Effort\n"
        f"def work(piece):\n    open({str(tmp_path)!r} + f'/{{os.getpid()}}', 'w')\n    time.sleep(0.05)\n    return 'x' * 300_000\n"
        "for _ in Effort(3).ordered(work, 10_000, phase='', total=1): time.sleep(0.01)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 20
    while len(list(tmp_path.iterdir())) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    children = [int(path.name) for path in tmp_path.iterdir()]
    process.kill()
    process.wait()
    assert len(children) == 3
    while any(Path(f"/proc/{child}/stat").exists() and not _is_zombie(child) for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
