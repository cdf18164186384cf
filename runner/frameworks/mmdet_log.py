"""Reads what MMDetection prints, as a run's log holds it: 0.5 to 2.28 (mmcv's TextLoggerHook) and 3.x (mmengine's LoggerHook).

Payloads are searched, not anchored: stamps, colours, progress bars and other ranks' lines may precede or follow them.
What a line is, its content says: an evaluation of mmcv up to 1.0.5 looks like a training line without time and loss, and the
losses of a validation (workflow ``val``) stand where other versions put their evaluation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import compress, pairwise

from runner.entities import Checkpoint, Record
from runner.frameworks.metrics_log import evaluations
from runner.frameworks.train_line_log import TrainLine, head, train_line
from runner.log_lines import LineReader, as_printed

# A record of another process may be glued to the end of a line; it begins with mmcv's stamp or mmengine's, with or without the year.
_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - |(?:\d{4}/)?\d\d/\d\d \d\d:\d\d:\d\d - ", re.ASCII)
_STAMPED = " - "
_MOST_STAMPED = 3
"""How often ``_STAMPED`` is in one record: after the stamp, the logger and the level."""

_MOST_LAYOUTS = 3
"""How often in one chunk lines are matched anew, in one go, because other fields came."""

_TRAINING = ("Epoch(train)", "Iter(train)", "Epoch [", "Iter [")
_MARKS = (
    *_TRAINING, "Epoch(val)", "Iter(val)", "Epoch(test)", "Saving checkpoint at", "The best checkpoint with", "Now best checkpoint is",
    "The previous best checkpoint", "OrderedDict(",
)  # fmt: skip
_RESULT = re.compile(r"(Epoch|Iter)\((?:val|test)\) +(?:\[ *(\d{1,9})\])?\[ *\d+(/\d+)?\](?:\s+(.*))?$", re.DOTALL | re.ASCII)
_PRINTED = re.compile(r"OrderedDict\(")
_SAVED = re.compile(r"Saving checkpoint at (\d{1,9}) (epochs|iterations)", re.ASCII)
_BEST = re.compile(r"The best checkpoint with \S+ \S+ at (\d{1,9}) (epoch|iter) is saved to (\S+?)\.?\s*$", re.ASCII)
# 2.5 to 2.12 name the whole path, which may hold blanks; nothing but their own words follows it.
_NOW_BEST = re.compile(r"Now best checkpoint is (?:saved as )?(?:[^\n]*/)?([^/\s]*?(?:epoch_(\d{1,9}))?\.pth)", re.ASCII)
# Of the best ones only the newest stays (mmengine: "is removed", mmcv: "was removed").
_NO_LONGER_BEST = re.compile(r"The previous best checkpoint (?:[^\n]*/)?([^/\n]*?(?:epoch_(\d{1,9}))?\.pth) (?:is|was) removed", re.ASCII)

# Class names may hold blanks, parentheses and slashes: a key is all that lies before a colon, a number and a field's end.
_NUMBER = r"(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|-?nan|-?inf)"
_VALUE = re.compile(rf": {_NUMBER}(?=\s{{2}}|\s?$)", re.IGNORECASE | re.ASCII)
_LISTED = re.compile(rf"(?<![^\s,])([\w./@]+): {_NUMBER}(?=,|\s*$)", re.IGNORECASE | re.ASCII)
_PAIR = re.compile(rf"'([^']+)'(?:, |: ){_NUMBER}[,)}}]", re.IGNORECASE | re.ASCII)


class MmdetLogParser:
    """The log parser of MMDetection, all generations. A line that repeats the record just before it yields nothing."""

    def __init__(self) -> None:
        self._lines = LineReader()
        self._last = ""
        self._layout: TrainLine | None = None

    @property
    def pending_bytes(self) -> int:
        """How many of the bytes fed belong to a line not yet complete."""
        return self._lines.pending_bytes

    def feed(self, data: bytes) -> list[Record]:
        """The records that ``data`` completes; never raises."""
        records: list[Record] = []
        lines = self._lines.feed(data)
        layout, matches, tries, at = self._layout, self._matches(lines), 1, 0
        while at < len(lines):
            of_layout = matches[at] is not None
            end = _first_none(matches, at) if of_layout else _first_some(matches, at)
            if layout is not None and of_layout and self._in_one_go(layout, lines[at:end], matches[at:end], records):
                at = end
                continue
            at = self._one_by_one(lines, at, end, records)
            if self._layout is not layout and tries < _MOST_LAYOUTS:
                layout, matches, tries = self._layout, matches[:at] + self._matches(lines[at:]), tries + 1
        return records

    def _matches(self, lines: list[bytes]) -> list[re.Match[str] | None]:
        if self._layout is None:
            return [None] * len(lines)
        match = self._layout.line.match
        return [match(line.decode("utf-8", "replace")) if b" time: " in line else None for line in lines]

    def _in_one_go(self, layout: TrainLine, lines: list[bytes], matches: list[re.Match[str] | None], records: list[Record]) -> bool:
        """Training lines that follow each other, all of one layout; False where one of them holds what is no number."""
        rows = [match.groups() for match in matches if match is not None]
        try:
            points = layout.points(rows)
        except (ValueError, OverflowError):
            return False
        new = [row[0] != before[0] for before, row in pairwise(rows)]
        records += compress(points, [_payloads(lines[0])[-1] != self._last, *new])
        self._last = _payloads(lines[-1])[-1]
        return True

    def _one_by_one(self, lines: list[bytes], start: int, end: int, records: list[Record]) -> int:
        """Read lines until they are done or another layout was met; returns where to go on."""
        layout = self._layout
        for at in range(start, end):
            line = lines[at]
            if b"Epoch" in line or b"checkpoint" in line or b"Iter" in line or b"OrderedDict(" in line:
                self._take(line, records)
                if self._layout is not layout:
                    return at + 1
        return end

    def _take(self, line: bytes, records: list[Record]) -> None:
        for payload in _payloads(line):
            if payload != self._last:
                self._last = payload
                # A line may break off, or hold garbage where a number belongs: then it is no record.
                try:
                    records += self._read(payload)
                except (ValueError, OverflowError):
                    continue

    def _read(self, payload: str) -> Sequence[Record]:
        if payload.startswith(_TRAINING):
            return self._training(payload)
        for pattern, reader in _READERS:
            match = pattern.match(payload)
            if match:
                return reader(match)
        return ()

    def _training(self, payload: str) -> Sequence[Record]:
        layout = self._layout
        match = layout.pattern.match(payload) if layout else None
        if match is None:
            layout = train_line(payload)
            match = layout.pattern.match(payload) if layout else None
            self._layout = layout or self._layout
        return [layout.progress(match)] if layout and match else _evaluation_in_training(payload)


def _first_none(matches: list[re.Match[str] | None], start: int) -> int:
    """Where the first line stands that is not of the layout; behind the last where there is none."""
    try:
        return matches.index(None, start)
    except ValueError:
        return len(matches)


def _first_some(matches: list[re.Match[str] | None], start: int) -> int:
    """Where the first line stands that is of the layout; behind the last where there is none."""
    return next((at for at in range(start, len(matches)) if matches[at] is not None), len(matches))


def _evaluation_in_training(payload: str) -> Sequence[Record]:
    """mmcv up to 1.0.5 logs an evaluation as a training line; losses among its fields belong to a line that broke off."""
    line = head(payload)
    if line is None or "loss: " in line[1] or "time: " in line[1]:
        return ()
    return evaluations(line[0], _listed(line[1]))


def _payloads(line: bytes) -> list[str]:
    """The records of one line, each from its first word on."""
    text = as_printed(line).decode("utf-8", "replace")
    if text.count(_STAMPED) > _MOST_STAMPED:
        return [payload for part in _STAMP.split(text) for payload in _cut(part)]
    at = text.find("Epoch")
    return [text[at:]] if at >= 0 and text.startswith(_TRAINING, at) else _cut(text)


def _cut(part: str) -> list[str]:
    found = [at for mark in _MARKS if (at := part.find(mark)) >= 0]
    return [part[min(found) :]] if found else []


def _result(match: re.Match[str]) -> Sequence[Record]:
    kind, epoch, of_batches, text = match.groups()
    if not text or text.startswith("eta: "):
        return ()  # Nothing was detected, or progress of the validation itself.
    metrics = _spaced(text) if of_batches else _listed(text)
    return evaluations(int(epoch or 0) if kind == "Epoch" else 0, metrics)


def _spaced(text: str) -> Iterator[tuple[str, float]]:
    key_start = 0
    for metric in _VALUE.finditer(text):
        yield text[key_start : metric.start()].strip(), float(metric[1])
        key_start = metric.end()


def _listed(text: str) -> Iterator[tuple[str, float]]:
    return ((key, float(value)) for key, value in _LISTED.findall(text))


def _printed(match: re.Match[str]) -> Sequence[Record]:
    """What ``tools/test.py --eval`` of 2.x prints at its end."""
    return evaluations(0, ((key, float(value)) for key, value in _PAIR.findall(match.string)))


def _saved(match: re.Match[str]) -> Sequence[Record]:
    number = int(match[1])
    by_epoch = match[2] == "epochs"
    return [Checkpoint(name=f"{'epoch' if by_epoch else 'iter'}_{number}.pth", epoch=number if by_epoch else 0)]


def _best(match: re.Match[str]) -> Sequence[Record]:
    return [Checkpoint(name=match[3], epoch=int(match[1]) if match[2] == "epoch" else 0, best=True)]


def _now_best(match: re.Match[str]) -> Sequence[Record]:
    return [Checkpoint(name=match[1], epoch=int(match[2] or 0), best=True)]


def _no_longer_best(match: re.Match[str]) -> Sequence[Record]:
    return [Checkpoint(name=match[1], epoch=int(match[2] or 0), removed=True)]


_READERS: Sequence[tuple[re.Pattern[str], Callable[[re.Match[str]], Sequence[Record]]]] = (
    (_RESULT, _result),
    (_SAVED, _saved),
    (_BEST, _best),
    (_NOW_BEST, _now_best),
    (_NO_LONGER_BEST, _no_longer_best),
    (_PRINTED, _printed),
)
