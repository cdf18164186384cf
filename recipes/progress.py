"""How far long work has come: one callback everywhere, called often and cheap; who shows it decides how often.

Whoever shows it also tells how fast it goes: over the last seconds of a phase, so that a pause or a resumed start tells no lies.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TextIO, TypeAlias

import orjson

Progress: TypeAlias = Callable[[int, int, str], None]
"""Called with how much is done, how much there is in all (0 where unknown), and what is being done, in two words."""

INTERVAL_S = 0.1
BAR_WIDTH = 30
PACE_S = 15.0
BYTE_PHASES = frozenset({"downloading", "receiving", "unpacking", "verifying download"})
"""The phases that count bytes; all others count files or images."""


def silent(_done: int, _total: int, _phase: str) -> None:
    """Progress that nobody watches."""


def json_lines(out: TextIO, *, clock: Callable[[], float] = time.monotonic) -> Progress:
    """Progress as one JSON object a line: {"done": n, "total": m, "phase": "…"}, at most ten a second and every end.

    "unit": "bytes" where bytes are counted, and "rate" (of them, a second) once that is known.
    """

    def show(done: int, total: int, phase: str, rate: float | None) -> None:
        unit = {"unit": "bytes"} if phase in BYTE_PHASES else {}
        told = {"done": done, "total": total, "phase": phase, **unit, **({} if rate is None else {"rate": round(rate, 1)})}
        out.write(orjson.dumps(told).decode() + "\n")
        out.flush()

    return _paced(show, clock)


def bar(out: TextIO, *, clock: Callable[[], float] = time.monotonic) -> Progress:
    """Progress as a bar that redraws its line, with how fast it goes and how long it will take."""

    def show(done: int, total: int, phase: str, rate: float | None) -> None:
        filled = BAR_WIDTH * done // total if total else 0
        pace = f", {_amount(round(rate), 0, phase)}/s" if rate else ""
        left = f", {(total - done) / rate:,.0f} s left" if rate and total > done else ""
        end = "\n" if done == total else ""
        out.write(f"\r{phase:<18.18} {'█' * filled}{'░' * (BAR_WIDTH - filled)} {_amount(done, total, phase) + pace + left:<44}{end}")
        out.flush()

    return _paced(show, clock)


def _amount(done: int, total: int, phase: str) -> str:
    if phase in BYTE_PHASES:
        return f"{done / 1e6:,.1f}/{total / 1e6:,.1f} MB" if total else f"{done / 1e6:,.1f} MB"
    return f"{done:,}/{total:,}" if total else f"{done:,}"


class _Pace:
    """How many a second were done lately, in the phase under way."""

    def __init__(self) -> None:
        self._phase = ""
        self._seen: deque[tuple[float, int]] = deque()

    def __call__(self, now: float, done: int, phase: str) -> float | None:
        """Note how far it is; None while that tells nothing yet."""
        if phase != self._phase or done < self._seen[-1][1]:
            self._phase = phase
            self._seen.clear()
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[1][0] >= PACE_S:
            self._seen.popleft()
        begun, before = self._seen[0]
        return (done - before) / (now - begun) if done > before and now - begun >= 1.0 else None


def _paced(show: Callable[[int, int, str, float | None], None], clock: Callable[[], float]) -> Progress:
    pace = _Pace()
    shown_at = float("-inf")
    shown: tuple[int, int, str] | None = None

    def progress(done: int, total: int, phase: str) -> None:
        nonlocal shown_at, shown
        now = clock()
        new = (done, total, phase)
        if new != shown and (done == total or now - shown_at >= INTERVAL_S or (shown and shown[2] != phase)):
            shown_at, shown = now, new
            show(done, total, phase, pace(now, done, phase))

    return progress
