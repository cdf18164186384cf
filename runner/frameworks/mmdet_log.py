"""Reads what MMDetection 3.x prints (mmengine's LoggerHook and CheckpointHook, 0.7 to 0.10), as a run's log holds it.

Payloads are searched, not anchored: stamps, colours, progress bars and other ranks' lines may precede or follow them.
Other generations differ in their payloads alone: a further entry in ``_READERS``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from runner.entities import Checkpoint, Evaluation, Progress, Record
from runner.log_lines import LineReader

_ANSI = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
# A record of another process may be glued to the end of a line; it begins with mmengine's stamp, with or without the year.
_STAMP = re.compile(rb"(?:\d{4}/)?\d\d/\d\d \d\d:\d\d:\d\d - ")
_LOGGER = b" - mmengine - "

_MARKS = (
    b"Epoch(train)", b"Iter(train)", b"Epoch(val)", b"Iter(val)", b"Epoch(test)", b"Saving checkpoint at", b"The best checkpoint with",
)  # fmt: skip
_MOST_FIELDS = 80
_TRAIN_HEAD = rb"(?:Epoch\(train\) +\[ *(\d{1,9})\]|Iter\(train\) +)\[ *(\d{1,9})/(\d{1,9})\] +"
_TRAIN = re.compile(_TRAIN_HEAD + rb"(.*)", re.DOTALL)
_RESULT = re.compile(rb"(?:Epoch|Iter)\((?:val|test)\) +(?:\[ *(\d{1,9})\])?\[ *\d+/\d+\]\s+(.*)", re.DOTALL)
_SAVED = re.compile(rb"Saving checkpoint at (\d{1,9}) (epochs|iterations)")
_BEST = re.compile(rb"The best checkpoint with \S+ \S+ at (\d{1,9}) (epoch|iter) is saved to (\S+?)\.?\s*$")

_FIELD = re.compile(rb"(?<!\S)(\S+): ((?:\d+ days?, )?\S+)")
_ETA = re.compile(rb"(?:(\d{1,9}) days?, )?(\d{1,9}):(\d\d):(\d\d)")
# Class names may hold blanks, parentheses and slashes: a key is all that lies before a colon, a number and a field's end.
_VALUE = re.compile(r": (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|-?nan|-?inf)(?=\s{2}|\s?$)", re.IGNORECASE)
_AP = re.compile(r"(?:[\w.]+/)?(?:(bbox|segm|proposal)_)?m?AP(?:[_@]?(50|75|s|m|l))?$")
_CLASS = re.compile(r"(?:[\w.]+/)?(.+)_precision$")
_NOT_VALUES = frozenset({b"lr", b"base_lr", b"eta", b"time", b"data_time", b"memory", b"loss"})
_TASKS = ("bbox", "segm", "proposal")


class MmdetLogParser:
    """The log parser of MMDetection 3.x. A line that repeats the record just before it yields nothing."""

    def __init__(self) -> None:
        self._lines = LineReader()
        self._last: bytes | None = None
        self._layout: _Layout | None = None

    @property
    def pending_bytes(self) -> int:
        """How many of the bytes fed belong to a line not yet complete."""
        return self._lines.pending_bytes

    def feed(self, data: bytes) -> list[Record]:
        """The records that ``data`` completes; never raises."""
        records: list[Record] = []
        for line in self._lines.feed(data):
            if b"(train)" in line or b"(val)" in line or b"(test)" in line or b"checkpoint" in line:
                for payload in _payloads(line):
                    if payload != self._last:
                        self._last = payload
                        # A line may break off, or hold garbage where a number belongs: then it is no record.
                        with suppress(ValueError, OverflowError):
                            records += self._read(payload)
        return records

    def _read(self, payload: bytes) -> Sequence[Record]:
        if payload.startswith((b"Epoch(train)", b"Iter(train)")):
            return self._progress(payload)
        for pattern, reader in _READERS:
            match = pattern.match(payload)
            if match:
                return reader(match)
        return ()

    def _progress(self, payload: bytes) -> Sequence[Record]:
        match = self._layout.pattern.match(payload) if self._layout else None
        if match is None:
            line = _TRAIN.match(payload)
            self._layout = _layout(line) if line else None
            match = self._layout.pattern.match(payload) if self._layout else None
        return [self._layout.progress(match)] if match and self._layout else ()


def _payloads(line: bytes) -> Sequence[bytes]:
    """The records of one line, each from its first word on."""
    if line.count(_LOGGER) < 2:
        at = line.find(b"Epoch(train)")  # By far the most common.
        payloads = [line[at:]] if at >= 0 else _cut(line)
    else:
        payloads = [payload for part in _STAMP.split(line) for payload in _cut(part)]
    return [_ANSI.sub(b"", payload) for payload in payloads] if b"\x1b" in line else payloads


def _cut(part: bytes) -> list[bytes]:
    found = [at for mark in _MARKS if (at := part.find(mark)) >= 0]
    return [part[min(found) :]] if found else []


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which fields a run's training lines have, in which order: they rarely change, and to know them reads three times as fast."""

    pattern: re.Pattern[bytes]
    standard: tuple[int, ...]
    eta: int | None
    memory: int | None
    names: tuple[str, ...]
    values: tuple[int, ...]

    def progress(self, match: re.Match[bytes]) -> Progress:
        loss, lr, step_s = map(float, match.group(*self.standard))
        return Progress(
            # Training by iterations has one endless epoch.
            int(match[1] or 1),
            int(match[2]),
            int(match[3]),
            loss,
            lr,
            _eta_s(match[self.eta]) if self.eta else None,
            step_s,
            int(match[self.memory]) if self.memory else None,
            dict(zip(self.names, map(float, match.group(0, 0, *self.values)[2:]), strict=True)),
        )


def _layout(match: re.Match[bytes]) -> _Layout | None:
    """The layout of one training line; None where it lacks loss, lr or time, as no whole line does, or holds no end of fields."""
    fields = [name for name, _ in _FIELD.findall(match[4])]
    group = {name: number for number, name in enumerate(fields, start=4)}
    if len(group) < len(fields) or len(fields) > _MOST_FIELDS:
        return None
    if not {b"loss", b"time"} <= group.keys() or not {b"lr", b"base_lr"} & group.keys():
        return None
    body = rb" +".join(re.escape(name) + (rb": (.+?)" if name == b"eta" else rb": ([^ ]+)") for name in fields)
    others = [name for name in fields if name not in _NOT_VALUES]
    return _Layout(
        pattern=re.compile(_TRAIN_HEAD + body + rb"\s*$"),
        standard=(group[b"loss"], group.get(b"lr") or group[b"base_lr"], group[b"time"]),
        eta=group.get(b"eta"),
        memory=group.get(b"memory"),
        names=tuple(name.decode("utf-8", "replace") for name in others),
        values=tuple(group[name] for name in others),
    )


def _eta_s(text: bytes) -> float | None:
    match = _ETA.match(text)
    if match is None:
        return None
    days, hours, minutes, seconds = match.groups()
    return float(int(days or 0) * 86400 + int(hours) * 3600 + int(minutes) * 60 + int(seconds))


def _evaluations(match: re.Match[bytes]) -> Sequence[Record]:
    text = match[2].decode("utf-8", "replace")
    if text.startswith("eta: "):
        return ()  # Progress of the validation itself.
    epoch = int(match[1] or 0)
    tables: dict[str, dict[str, float | None]] = {}
    classes: dict[str, float | None] = {}
    key_start = 0
    for metric in _VALUE.finditer(text):
        key, value = text[key_start : metric.start()].strip(), float(metric[1])
        key_start = metric.end()
        # -1 stands for "no ground truth of that size" in pycocotools.
        defined = None if value == -1.0 else value
        ap, of_class = _AP.match(key), _CLASS.match(key)
        if ap:
            tables.setdefault(ap[1] or "bbox", {})[ap[2] or ""] = defined
        elif of_class:
            classes[of_class[1]] = defined
    # mmdet keeps one set of class precisions: the last task it evaluated wins.
    with_classes = max(tables, key=_TASKS.index, default="")
    return [_evaluation(epoch, task, table, classes if task == with_classes else {}) for task, table in tables.items()]


def _evaluation(epoch: int, task: str, table: Mapping[str, float | None], classes: Mapping[str, float | None]) -> Evaluation:
    return Evaluation(
        epoch=epoch, task=task, ap=table.get(""), ap50=table.get("50"), ap75=table.get("75"),
        ap_small=table.get("s"), ap_medium=table.get("m"), ap_large=table.get("l"), per_class=dict(classes),
    )  # fmt: skip


def _saved(match: re.Match[bytes]) -> Sequence[Record]:
    number = int(match[1])
    by_epoch = match[2] == b"epochs"
    return [Checkpoint(name=f"{'epoch' if by_epoch else 'iter'}_{number}.pth", epoch=number if by_epoch else 0)]


def _best(match: re.Match[bytes]) -> Sequence[Record]:
    name = match[3].decode("utf-8", "replace")
    return [Checkpoint(name=name, epoch=int(match[1]) if match[2] == b"epoch" else 0, best=True)]


_READERS: Sequence[tuple[re.Pattern[bytes], Callable[[re.Match[bytes]], Sequence[Record]]]] = (
    (_RESULT, _evaluations),
    (_SAVED, _saved),
    (_BEST, _best),
)
