"""When a training will be done, and how sure that is: from how long its own epochs took, evaluations and checkpoints included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import sqrt
from statistics import median

from runner.entities import Progress

RECENT = 12
"""Epochs. Older ones tell less of those to come: servers are shared, and speeds drift."""
_SCATTER = 1.4826
"""Times the median absolute deviation: the standard deviation of what is distributed normally."""
_SURE = 2.0
_OF_MEDIAN = 1.57
"""Times the variance of a mean: that of a median of as many, of what is distributed normally."""
_UNSEEN = 0.3
"""Share. How wrong an estimate may be before a whole epoch was seen: nobody knows yet how long an evaluation takes."""
_LEAST = 0.02
_LONGEST_S = 10 * 365 * 86_400.0
"""What takes longer, a log may say and nobody means."""


@dataclass(frozen=True, slots=True)
class EpochSeen:
    """An epoch that was logged to its end: its last point was read at ``at``, and its iterations alone take ``steps_s``."""

    epoch: int
    at: datetime
    steps_s: float


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """It will take ``left``, in 19 of 20 cases give or take ``within``."""

    left: timedelta
    within: timedelta


def time_left(seen: Sequence[EpochSeen], now_at: Progress, epochs: int) -> TimeLeft | None:
    """What remains of ``epochs`` for a training that is at ``now_at``; None where neither steps nor the program tell a speed."""
    steps_s = (now_at.step_s or 0.0) * now_at.iterations
    took = _durations(seen)[-RECENT:]
    share = now_at.iteration / now_at.iterations if now_at.iterations else 0.0
    ahead = max(0.0, epochs - now_at.epoch + 1 - min(1.0, share))
    if not took:
        left = ahead * steps_s or now_at.eta_s
        if left is None or not 0 <= left < _LONGEST_S:
            return None
        return TimeLeft(timedelta(seconds=left), timedelta(seconds=left * _UNSEEN))
    usual = median(took)
    scatter = _SCATTER * median([abs(each - usual) for each in took])
    left = ahead * usual
    if not 0 <= left < _LONGEST_S:
        return None
    # Each epoch to come scatters by itself; and what is usual is only known from so many.
    unsure = _SURE * (1 + 2 / len(took)) * sqrt(scatter**2 * ahead + _OF_MEDIAN * (scatter * ahead) ** 2 / len(took))
    least = left * (_LEAST if len(took) > 1 else _UNSEEN / 2)
    return TimeLeft(timedelta(seconds=left), timedelta(seconds=max(unsure, least)))


def _durations(seen: Sequence[EpochSeen]) -> list[float]:
    """Seconds of each epoch, from the end of the one before. Logs read late, all at once, tell no time: then its steps do."""
    consecutive = [pair for pair in pairwise(seen) if pair[1].epoch == pair[0].epoch + 1]
    took = [max((later.at - earlier.at).total_seconds(), later.steps_s) for earlier, later in consecutive]
    return [seconds for seconds in took if seconds > 0]
