"""Reads MMDetection's training lines, of any generation: ``Epoch [1][50/930]  lr: 2e-3, eta: 1 day, 0:56:09, time: …, loss: 1.1``.

mmcv's TextLoggerHook (0.x, 1.x) separates fields with commas, mmengine's LoggerHook (3.x) with blanks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from runner.entities import Progress

_MOST_FIELDS = 80
_HEAD = r"(?:Epoch(?:\(train\))? +\[ *(\d{1,9})\]|Iter(?:\(train\))? +)\[ *(\d{1,9})/(\d{1,9})\]\s+"
_LINE = re.compile(_HEAD + "(.*)", re.DOTALL | re.ASCII)
# A length of time holds the separator of fields: "1 day, 16:21:05". It may be negative after an overlap.
_TIME_VALUE = r"((?:-?\d+ days?, )?[^\s,]+)"
_FIELD = re.compile(rf"(?<![^\s,])([^\s,:]+): {_TIME_VALUE}", re.ASCII)
_ETA = re.compile(r"(?:(\d{1,9}) days?, )?(\d{1,9}):(\d\d):(\d\d)$", re.ASCII)
_STANDARD = frozenset({"lr", "base_lr", "eta", "time", "data_time", "memory", "loss"})


@dataclass(frozen=True, slots=True)
class TrainLine:
    """Which fields a run's training lines have, in which order: they rarely change, and to know them reads three times as fast."""

    pattern: re.Pattern[str]
    standard: tuple[int, ...]
    """The groups of loss, lr and time."""
    eta: int | None
    memory: int | None
    names: tuple[str, ...]
    values: tuple[int, ...]
    """The groups of all other fields; the first two stand for nothing and make ``match.group`` a tuple for any number."""

    def progress(self, match: re.Match[str]) -> Progress:
        """The point of one line; ValueError where a number is none."""
        loss, lr, step_s = map(float, match.group(*self.standard))
        texts = match.group(*self.values)[2:]
        try:
            values = dict(zip(self.names, map(float, texts), strict=True))
        except ValueError:  # values that are no numbers are printed as they are
            values = {name: number for name, text in zip(self.names, texts, strict=True) if (number := _number(text)) is not None}
        return Progress(
            int(match[1] or 1),  # training by iterations has one endless epoch
            int(match[2]),
            int(match[3]),
            loss,
            lr,
            _eta_s(match[self.eta]) if self.eta else None,
            step_s,
            int(match[self.memory]) if self.memory else None,
            values,
        )


def train_line(text: str) -> TrainLine | None:
    """The layout of one training line; None where it lacks loss, lr or time, as no whole line does, or holds no end of fields."""
    line = _LINE.match(text)
    if line is None:
        return None
    fields = [name for name, _ in _FIELD.findall(line[4])]
    group = {name: number for number, name in enumerate(fields, start=4)}
    # Several parameter groups: "lr_backbone: 1e-05 lr_head: 1e-04" in 2.x, "base_lr" beside "lr" in 3.x.
    lr = next((name for name in ("lr", "base_lr", *fields) if name in group and name.startswith(("lr", "base_lr"))), None)
    if lr is None or not {"loss", "time"} <= group.keys() or len(group) < len(fields) or len(fields) > _MOST_FIELDS:
        return None
    body = r",?\s+".join(re.escape(name) + ": " + (_TIME_VALUE if name == "eta" else r"([^\s,]+)") for name in fields)
    others = [name for name in fields if name not in _STANDARD and name != lr]
    return TrainLine(
        pattern=re.compile(_HEAD + body + r"\s*$", re.ASCII),
        standard=(group["loss"], group[lr], group["time"]),
        eta=group.get("eta"),
        memory=group.get("memory"),
        names=tuple(others),
        values=(0, 0, *(group[name] for name in others)),
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


def _eta_s(text: str) -> float | None:
    match = _ETA.match(text)
    if match is None:
        return None
    days, hours, minutes, seconds = match.groups("0")
    return float(int(days) * 86400 + int(hours) * 3600 + int(minutes) * 60 + int(seconds))
