"""Reads MMDetection's training lines, of any generation: ``Epoch [1][50/930]  lr: 2e-3, eta: 1 day, 0:56:09, time: …, loss: 1.1``.

mmcv's TextLoggerHook (0.x, 1.x) separates fields with commas, mmengine's LoggerHook (3.x) with blanks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter

from runner.entities import Progress

_MOST_FIELDS = 80
_HEAD = r"(?:Epoch(?:\(train\))? +\[ *(\d{1,9})\]|Iter(?:\(train\))? +)\[ *(\d{1,9})/(\d{1,9})\]\s+"
_LINE = re.compile(_HEAD + "(.*)", re.DOTALL | re.ASCII)
# A length of time holds the separator of fields: "1 day, 16:21:05". It may be negative after an overlap.
_FIELD = re.compile(r"(?<![^\s,])([^\s,:]+): (?:-?\d+ days?, )?[^\s,]+", re.ASCII)
_VALUE = r"([^ ,\t\n\r\f\v]+)"  # faster than a class that holds \s
_ETA = r"(?:(?:(\d{1,9}) days?, )?(\d{1,9}):(\d\d):(\d\d)(?=[\s,]|$)|(?:-?\d+ days?, )?[^\s,]+)"
_ETA_GROUPS = 4
_STANDARD = frozenset({"lr", "base_lr", "eta", "time", "data_time", "memory", "loss"})


@dataclass(frozen=True, slots=True)
class TrainLine:
    """Which fields a run's training lines have, in which order: they rarely change, and to know them reads three times as fast."""

    pattern: re.Pattern[str]
    numbers: Callable[[tuple[str, ...]], tuple[str, ...]]
    """Of the pattern's groups loss, lr, time, and the values of ``names``."""
    eta: int | None
    memory: int | None
    names: tuple[str, ...]

    def progress(self, match: re.Match[str]) -> Progress:
        """The point of one line; ValueError where a number is none."""
        groups = match.groups()
        texts = self.numbers(groups)
        try:
            loss, lr, step_s, *others = map(float, texts)
            values = dict(zip(self.names, others, strict=True))
        except ValueError:  # values that are no numbers are printed as they are
            loss, lr, step_s = map(float, texts[:3])
            values = {name: number for name, text in zip(self.names, texts[3:], strict=True) if (number := _number(text)) is not None}
        return Progress(
            int(groups[0] or 1),  # training by iterations has one endless epoch
            int(groups[1]),
            int(groups[2]),
            loss,
            lr,
            _eta_s(*groups[self.eta : self.eta + _ETA_GROUPS]) if self.eta else None,
            step_s,
            int(groups[self.memory]) if self.memory else None,
            values,
        )


def train_line(text: str) -> TrainLine | None:
    """The layout of one training line; None where it lacks loss, lr or time, as no whole line does, or holds no end of fields."""
    line = _LINE.match(text)
    fields = list(_FIELD.finditer(line[4])) if line else []
    names = [field[1] for field in fields]
    # Several parameter groups: "lr_backbone: 1e-05 lr_head: 1e-04" in 2.x, "base_lr" beside "lr" in 3.x.
    lr = next((name for name in ("lr", "base_lr", *names) if name in names and name.startswith(("lr", "base_lr"))), None)
    if line is None or lr is None or not {"loss", "time"} <= set(names) or len(set(names)) < len(names) or len(names) > _MOST_FIELDS:
        return None
    body, group, end = "", {}, 0
    at = 3  # groups of the head
    for name, field in zip(names, fields, strict=True):
        body += re.escape(line[4][end : field.start()] + name + ": ") + (_ETA if name == "eta" else _VALUE)
        group[name], at, end = at, at + (_ETA_GROUPS if name == "eta" else 1), field.end()
    others = [name for name in names if name not in _STANDARD and name != lr]
    return TrainLine(
        pattern=re.compile(_HEAD + body + r"\s*$", re.ASCII),
        numbers=itemgetter(group["loss"], group[lr], group["time"], *(group[name] for name in others)),
        eta=group.get("eta"),
        memory=group.get("memory"),
        names=tuple(others),
    )


def head(text: str) -> tuple[int, str] | None:
    """The epoch (0 in training by iterations) and the fields of a line that looks like a training line; None for any other."""
    line = _LINE.match(text)
    return (int(line[1] or 0), line[4]) if line else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _eta_s(days: str | None, hours: str | None, minutes: str, seconds: str) -> float | None:
    if hours is None:
        return None
    return float(int(days or 0) * 86400 + int(hours) * 3600 + int(minutes) * 60 + int(seconds))
