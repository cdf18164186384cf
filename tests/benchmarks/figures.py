"""What a measurement yields, and how it is shown."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """Latencies of one kind (s), and the goal for one number of them (``median``, ``p95``, ``p99``); no goal where it is only told."""

    name: str
    seconds: Sequence[float]
    goal: str = ""
    goal_s: float = math.inf

    @property
    def numbers(self) -> dict[str, float]:
        """The numbers that are shown."""
        ordered = sorted(self.seconds)
        return {
            "median": statistics.median(ordered), "p95": nearest_rank(ordered, 0.95), "p99": nearest_rank(ordered, 0.99),
            "longest": ordered[-1],
        }

    @property
    def verdict(self) -> str:
        """Goal and outcome in words; empty where there is no goal."""
        if not self.goal:
            return ""
        kept = "kept" if self.numbers[self.goal] < self.goal_s else "MISSED"
        return f"{self.goal} < {in_words(self.goal_s)}: {kept}"


def nearest_rank(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of the sorted values do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def in_words(seconds: float) -> str:
    """``84 ms``, ``1.53 s``."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def table(figures: Sequence[Figure]) -> str:
    """All figures, one line each, and how loaded the machine is."""
    width = max(len(figure.name) for figure in figures)
    lines = [f"{'':{width}}  {'n':>5} {'median':>8} {'p95':>8} {'p99':>8} {'longest':>8}  goal"]
    for figure in figures:
        numbers = " ".join(f"{in_words(value):>8}" for value in figure.numbers.values())
        lines.append(f"{figure.name:{width}}  {len(figure.seconds):>5} {numbers}  {figure.verdict}".rstrip())
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return "\n".join([*lines, f"{os.cpu_count()} cores; load of the last 1, 5 and 15 minutes: {load}"])
