"""Reads what MMDetection 3.x prints (mmengine's LoggerHook and CheckpointHook, 0.7 to 0.10), as a run's log holds it.

Payloads are searched, not anchored: stamps, colours, progress bars and other ranks' lines may precede or follow them.
Other generations differ in their payloads alone: a further entry in ``_READERS``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from runner.entities import Checkpoint, Evaluation, Progress, Record
from runner.log_lines import LineReader

_ANSI = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
# A record of another process may be glued to the end of a line; it begins with mmengine's stamp, with or without the year.
_STAMP = re.compile(rb"(?:\d{4}/)?\d\d/\d\d \d\d:\d\d:\d\d - ")
_MARKS = (b"(train)", b"(val)", b"(test)", b"checkpoint")

_TRAIN = re.compile(rb"(?:Epoch\(train\) +\[ *(\d+)\]|Iter\(train\) +)\[ *(\d+)/(\d+)\](.*)", re.DOTALL)
_RESULT = re.compile(rb"(?:Epoch|Iter)\((?:val|test)\) +(?:\[ *(\d+)\])?\[ *\d+/\d+\]\s+(.*)", re.DOTALL)
_SAVED = re.compile(rb"Saving checkpoint at (\d+) (epochs|iterations)")
_BEST = re.compile(rb"The best checkpoint with \S+ \S+ at (\d+) (epoch|iter) is saved to (\S+?)\.?\s*$")

_FIELD = re.compile(rb"(\S+): (\S+)")
_ETA = re.compile(rb"eta: (?:(\d+) days?, )?(\d+):(\d\d):(\d\d)")
# Class names may hold blanks, parentheses and slashes: a key reaches to the first colon that a number and a field's end follow.
_METRIC = re.compile(r"(\S.*?): (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|-?nan|-?inf)(?=\s{2}|\s*$)", re.IGNORECASE)
_AP = re.compile(r"(?:[\w.]+/)?(?:(bbox|segm|proposal)_)?m?AP(?:[_@]?(50|75|s|m|l))?$")
_CLASS = re.compile(r"(?:[\w.]+/)?(.+)_precision$")
_NOT_VALUES = frozenset({b"lr", b"base_lr", b"eta", b"time", b"data_time", b"memory", b"loss"})
_TASKS = ("bbox", "segm", "proposal")


class MmdetLogParser:
    """The log parser of MMDetection 3.x. Lines that repeat the one record before them yield nothing."""

    def __init__(self) -> None:
        self._lines = LineReader()
        self._last: bytes | None = None

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
                        records += _read(payload)
        return records


def _payloads(line: bytes) -> Sequence[bytes]:
    if b"\x1b" in line:
        line = _ANSI.sub(b"", line)
    return [part for part in _STAMP.split(line) if any(mark in part for mark in _MARKS)]


def _read(payload: bytes) -> Sequence[Record]:
    for pattern, reader in _READERS:
        match = pattern.search(payload)
        if match:
            try:
                return reader(match)
            except (ValueError, OverflowError):  # Digits without end, or garbage where a number belongs: no record.
                return ()
    return ()


def _progress(match: re.Match[bytes]) -> Sequence[Record]:
    epoch, iteration, iterations, rest = match.groups()
    fields = dict(_FIELD.findall(rest))
    memory = fields.get(b"memory")
    values = {key.decode("utf-8", "replace"): float(value) for key, value in fields.items() if key not in _NOT_VALUES}
    return [
        Progress(
            # Training by iterations has one endless epoch.
            epoch=int(epoch or 1),
            iteration=int(iteration),
            iterations=int(iterations),
            loss=_number(fields, b"loss"),
            lr=_number(fields, b"lr") if b"lr" in fields else _number(fields, b"base_lr"),
            eta_s=_eta_s(rest),
            step_s=_number(fields, b"time"),
            memory_mib=int(memory) if memory else None,
            values=values,
        )
    ]


def _number(fields: Mapping[bytes, bytes], key: bytes) -> float | None:
    value = fields.get(key)
    return None if value is None else float(value)


def _eta_s(rest: bytes) -> float | None:
    match = _ETA.search(rest)
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def _evaluations(match: re.Match[bytes]) -> Sequence[Record]:
    text = match[2].decode("utf-8", "replace")
    if text.startswith("eta: "):
        return ()  # Progress of the validation itself.
    epoch = int(match[1] or 0)
    tables: dict[str, dict[str, float | None]] = {}
    classes: dict[str, float | None] = {}
    for key, number in _METRIC.findall(text):
        value = float(number)
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
    (_TRAIN, _progress),
    (_RESULT, _evaluations),
    (_SAVED, _saved),
    (_BEST, _best),
)
