"""Reads MMDetection's training lines, of any generation: ``Epoch [1][50/930]  lr: 2e-3, eta: 1 day, 0:56:09, time: …, loss: 1.1``.

mmcv's TextLoggerHook (0.x, 1.x) separates fields with commas, mmengine's LoggerHook (3.x) with blanks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat

from runner.entities import Progress

_MOST_FIELDS = 80
# "2018-10-23 10:51:07,015 - INFO - ", with the logger's name since 1.x, "2023/06/09 17:22:22 - mmengine - INFO - " in 3.x.
_STAMP = r"(?:[\d/-]{4,10} [\d:,]{6,12} - (?:\w+ - )?\w+ - )?"
_HEAD = r"(?:Epoch(?:\(train\))? +\[ *(\d{1,9})\]|Iter(?:\(train\))? +)\[ *(\d{1,9})/(\d{1,9})\]\s+"
_HEAD_GROUPS = 4
"""The whole record, epoch, iteration, iterations."""
_LINE = re.compile(_HEAD + "(.*)", re.DOTALL | re.ASCII)
# A length of time holds the separator of fields: "1 day, 16:21:05". It may be negative after an overlap.
_FIELD = re.compile(r"(?<![^\s,])([^\s,:]+): (?:-?\d+ days?, )?[^\s,]+", re.ASCII)
_VALUE = r"([^ ,\t\n\r\f\v]+)"  # faster than a class that holds \s
_ETA = r"(?:(?:(\d{1,9}) days?, )?(\d{1,9}):(\d\d):(\d\d)(?=[\s,]|$)|(?:-?\d+ days?, )?[^\s,]+)"
_ETA_GROUPS = 4
_STANDARD = frozenset({"lr", "base_lr", "eta", "time", "data_time", "memory", "loss"})


@dataclass(frozen=True, slots=True)
class TrainLine:
    """Which fields a run's training lines have, in which order: they rarely change, and to know them reads three times as fast.

    ``pattern`` is for one record, ``line`` for a whole line that holds one such record behind its stamp.
    ``loss``, ``lr``, ``time``, ``eta`` and ``memory`` are the places of their groups, ``others`` those of the values of ``names``.
    """

    pattern: re.Pattern[str]
    line: re.Pattern[str]
    loss: int
    lr: int
    time: int
    others: tuple[int, ...]
    names: tuple[str, ...]
    eta: int | None
    memory: int | None

    def progress(self, match: re.Match[str]) -> Progress:
        """The point of one record; ValueError where a number is none. Other values that are none are printed as they are, and left out."""
        groups = match.groups()
        found = zip(self.names, map(_number, (groups[place] for place in self.others)), strict=True)
        values = {name: number for name, number in found if number is not None}
        return self.points([groups], [values])[0]

    def points(self, rows: Sequence[tuple[str, ...]], values: Iterable[dict[str, float]] | None = None) -> list[Progress]:
        """The points of many records, by columns, each row the groups of a match; ValueError where any number is none."""
        columns = list(zip(*rows, strict=True))
        if values is None:
            others = zip(*(map(float, columns[place]) for place in self.others), strict=True) if self.others else repeat((), len(rows))
            values = map(dict, map(zip, repeat(self.names), others))
        return list(map(Progress._make, zip(
            [int(epoch or 1) for epoch in columns[1]],  # training by iterations has one endless epoch
            map(int, columns[2]),
            map(int, columns[3]),
            map(float, columns[self.loss]),
            map(float, columns[self.lr]),
            map(_eta_s, *columns[self.eta : self.eta + _ETA_GROUPS]) if self.eta else repeat(None, len(rows)),
            map(float, columns[self.time]),
            map(int, columns[self.memory]) if self.memory else repeat(None, len(rows)),
            values,
            strict=True,
        )))


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
    at = _HEAD_GROUPS
    for name, field in zip(names, fields, strict=True):
        body += re.escape(line[4][end : field.start()] + name + ": ") + (_ETA if name == "eta" else _VALUE)
        group[name], at, end = at, at + (_ETA_GROUPS if name == "eta" else 1), field.end()
    others = [name for name in names if name not in _STANDARD and name != lr]
    whole = rf"({_HEAD}{body}\s*)$"
    return TrainLine(
        pattern=re.compile(whole, re.ASCII),
        line=re.compile(_STAMP + whole, re.ASCII),
        loss=group["loss"],
        lr=group[lr],
        time=group["time"],
        others=tuple(group[name] for name in others),
        names=tuple(others),
        eta=group.get("eta"),
        memory=group.get("memory"),
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
