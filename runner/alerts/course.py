"""What the points of one attempt tell while they come: how long iterations take, where the loss was and is. Holds no more than it needs."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median

from runner.entities import Progress

RECENT = 5
"""Points. Of so many the median is what is so now; one odd iteration changes nothing."""
WARM_UP = 5
"""Points. The first ones load data and choose algorithms."""
USUAL = 200
"""Points after the warm-up, of which the median is what is usual."""
KNOWN = 20
"""Points. With fewer nobody can say what is usual."""
REMEMBERED_GAPS = 50


@dataclass(slots=True)
class Course:
    """Feed it every point once, in order (``take``)."""

    last: Progress | None = None
    last_at: datetime | None = None
    bad: int = 0
    """How many of the newest points in a row had a loss that is no number."""
    first_loss: float | None = None
    lowest_loss: float | None = None
    epoch_loss: dict[int, tuple[float, int]] = field(default_factory=dict)
    _points: int = 0
    _losses: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    _steps: list[float] = field(default_factory=list)
    _recent_steps: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    _gaps: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED_GAPS))
    _end_gaps: dict[int, float] = field(default_factory=dict)
    _stride: int = 1
    _usual_step_s: float | None = None

    def take(self, point: Progress, at: datetime) -> None:
        """One more point, which was read at ``at``. Logs read late, all at once, tell no time: then the program's own steps do."""
        self._points += 1
        self._take_gap(point, at)
        self._take_loss(point)
        if point.step_s and self._points > WARM_UP:
            self._recent_steps.append(point.step_s)
            if len(self._steps) < USUAL:
                self._steps.append(point.step_s)
                self._usual_step_s = median(self._steps)
        self.last, self.last_at = point, at

    @property
    def gap_s(self) -> float | None:
        """Seconds that usually pass between two points; None before that is known."""
        return median(self._gaps) if len(self._gaps) >= 3 else None

    @property
    def at_epoch_end(self) -> bool:
        """Whether no more points are to come in this epoch: now it may be evaluated, or a checkpoint written."""
        return self.last is not None and 0 < self.last.iterations < self.last.iteration + self._stride

    def validation_s(self, evaluated: Iterable[int]) -> float | None:
        """Seconds that usually pass between an epoch that was evaluated and the next; None before the first such."""
        known = [self._end_gaps[epoch] for epoch in evaluated if epoch in self._end_gaps]
        return median(known) if known else None

    @property
    def usual_step_s(self) -> float | None:
        """The usual iteration, once that is known."""
        return self._usual_step_s if len(self._steps) >= KNOWN else None

    @property
    def recent_step_s(self) -> float | None:
        """The median of the newest iterations."""
        return median(self._recent_steps) if len(self._recent_steps) == RECENT else None

    @property
    def recent_loss(self) -> float | None:
        """The median of the newest losses."""
        return median(self._losses) if len(self._losses) == RECENT else None

    def mean_loss(self, epoch: int) -> float | None:
        """The mean of an epoch's losses."""
        total, count = self.epoch_loss.get(epoch, (0.0, 0))
        return total / count if count else None

    def _take_gap(self, point: Progress, at: datetime) -> None:
        if self.last is None or self.last_at is None:
            return
        same_epoch = point.epoch == self.last.epoch
        steps = max(0, point.iteration - self.last.iteration if same_epoch else point.iteration)
        seconds = max((at - self.last_at).total_seconds(), (point.step_s or 0.0) * steps)
        if same_epoch:
            self._gaps.append(seconds)
        else:
            self._end_gaps[self.last.epoch] = seconds
        self._stride = steps if same_epoch and steps else self._stride

    def _take_loss(self, point: Progress) -> None:
        """The database keeps NaN as nothing: a loss that was there before and is not now was none. Else its parts tell."""
        loss = point.loss
        if loss is None or not math.isfinite(loss):
            parts = any(not math.isfinite(value) for value in point.values.values())
            self.bad += 1 if loss is not None or self.first_loss is not None or parts else 0
            return
        self.bad = 0
        self._losses.append(loss)
        total, count = self.epoch_loss.get(point.epoch, (0.0, 0))
        self.epoch_loss[point.epoch] = (total + loss, count + 1)
        now = self.recent_loss
        if now is not None:
            self.first_loss = now if self.first_loss is None else self.first_loss
            self.lowest_loss = now if self.lowest_loss is None else min(now, self.lowest_loss)


@dataclass(frozen=True, slots=True)
class Measured:
    """One evaluation: the first task's mAP after an epoch."""

    epoch: int
    ap: float


def worse_for(evaluations: Sequence[Measured]) -> tuple[Measured, int] | None:
    """The best evaluation, and how many came after it."""
    best = max(evaluations, key=lambda each: each.ap, default=None)
    return (best, len(evaluations) - 1 - evaluations.index(best)) if best else None


def seconds_in_words(seconds: float) -> str:
    """``40 s``, ``12 min``, ``3.5 h``, ``2 days``."""
    span = timedelta(seconds=seconds)
    if span < timedelta(minutes=2):
        return f"{seconds:.3g} s"
    if span < timedelta(hours=2):
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if span < timedelta(days=2) else f"{span.days} days"
