"""How far long work has come: one callback everywhere, called often and cheap; who shows it decides how often."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO, TypeAlias

import orjson

Progress: TypeAlias = Callable[[int, int, str], None]
"""Called with how much is done, how much there is in all (0 where unknown), and what is being done, in two words."""

INTERVAL_S = 0.1
BAR_WIDTH = 30


def silent(_done: int, _total: int, _phase: str) -> None:
    """Progress that nobody watches."""


def json_lines(out: TextIO, *, clock: Callable[[], float] = time.monotonic) -> Progress:
    """Progress as one JSON object a line: {"done": n, "total": m, "phase": "…"}, at most ten a second and every end."""

    def show(done: int, total: int, phase: str) -> None:
        out.write(orjson.dumps({"done": done, "total": total, "phase": phase}).decode() + "\n")
        out.flush()

    return _paced(show, clock)


def bar(out: TextIO, *, clock: Callable[[], float] = time.monotonic) -> Progress:
    """Progress as a bar that redraws its line."""

    def show(done: int, total: int, phase: str) -> None:
        filled = BAR_WIDTH * done // total if total else 0
        amount = f"{done:,}/{total:,}" if total else f"{done:,}"
        end = "\n" if done == total else ""
        out.write(f"\r{phase:<18.18} {'█' * filled}{'░' * (BAR_WIDTH - filled)} {amount}{end}")
        out.flush()

    return _paced(show, clock)


def _paced(show: Progress, clock: Callable[[], float]) -> Progress:
    shown_at = float("-inf")
    shown: tuple[int, int, str] | None = None

    def progress(done: int, total: int, phase: str) -> None:
        nonlocal shown_at, shown
        now = clock()
        new = (done, total, phase)
        if new != shown and (done == total or now - shown_at >= INTERVAL_S or (shown and shown[2] != phase)):
            shown_at, shown = now, new
            show(done, total, phase)

    return progress
