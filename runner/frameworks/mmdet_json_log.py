"""Reads MMDetection's JSON logs: ``<stamp>.log.json`` of 0.x to 2.x (mmcv) and ``vis_data/scalars.json`` of 3.x (mmengine).

The field ``mode`` cannot be trusted, so content decides: what holds a loss is training, unless its mode is ``val`` (the losses
of a validation); what holds an average precision and no loss is an evaluation. mmcv up to 1.0.5 writes the losses of a
validation like training of the next epoch: nothing tells them apart. Iterations of an epoch are unknown (0); mmengine's
count over the whole training. ``NaN`` stands bare, and a last line may be cut off.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from runner.entities import Progress, Record
from runner.frameworks.metrics_log import evaluations
from runner.log_lines import LineReader

_NOT_VALUES = frozenset({"lr", "base_lr", "time", "data_time", "memory", "loss", "epoch", "iter", "step"})
_MOST = 2**31


class MmdetJsonLogParser:
    """The log parser of MMDetection's JSON logs. A line that repeats the one just before it yields nothing."""

    def __init__(self) -> None:
        self._lines = LineReader()
        self._last = b""

    @property
    def pending_bytes(self) -> int:
        """How many of the bytes fed belong to a line not yet complete."""
        return self._lines.pending_bytes

    def feed(self, data: bytes) -> list[Record]:
        """The records that ``data`` completes; never raises."""
        records: list[Record] = []
        for line in self._lines.feed(data):
            at = line.find(b'{"')
            if at < 0 or (b'"loss' not in line and b"AP" not in line and b"AR@" not in line):
                continue
            repeated, self._last = line[at:] == self._last, line[at:]
            if not repeated:
                records += _records(line[at:])
        return records


def _records(text: bytes) -> Sequence[Record]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(content, dict):
        return ()
    numbers = {key: value for key, value in content.items() if isinstance(value, int | float) and not isinstance(value, bool)}
    epoch, step = _count(numbers, "epoch"), _count(numbers, "iter", "step")
    try:
        if not any(key.startswith("loss") for key in content):
            return evaluations(epoch if "epoch" in numbers else step, ((key, float(value)) for key, value in numbers.items()))
        return [_progress(numbers, epoch=epoch, iteration=step)] if content.get("mode") != "val" and "loss" in numbers and epoch else ()
    except OverflowError:  # an integer that no float holds
        return ()


def _progress(numbers: Mapping[str, int | float], *, epoch: int, iteration: int) -> Progress:
    lr, time_s = numbers.get("lr", numbers.get("base_lr")), numbers.get("time")
    return Progress(
        epoch=epoch, iteration=iteration, iterations=0, loss=float(numbers["loss"]),
        lr=None if lr is None else float(lr), step_s=None if time_s is None else float(time_s),
        memory_mib=_count(numbers, "memory") or None,
        values={key: float(value) for key, value in numbers.items() if key not in _NOT_VALUES},
    )  # fmt: skip


def _count(numbers: Mapping[str, int | float], *keys: str) -> int:
    value = next((numbers[key] for key in keys if key in numbers), 0)
    return int(value) if 0 <= value < _MOST else 0
