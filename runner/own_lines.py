"""Lines that programs of ours print into an attempt's log, beside what the framework's own program says there.

One JSON object a line whose first key is ``signalbox``: ``checkpoint`` (a weights file was seen whole, or is gone), ``evaluation``,
``step`` (progress of work without epochs) and ``result``. Every framework's parser is read through :class:`OwnLines`, so none knows them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from recipes.names import UNPRINTABLE
from runner.entities import Checkpoint, Evaluation, Record, WorkResult, WorkStep
from runner.frameworks.base import LogParser
from runner.log_lines import LineReader

MARK = b'{"signalbox":'
_LONGEST_LINE = 4 * 1024 * 1024
_LONGEST_TEXT = 500


class OwnLines:
    """The log parser of a framework, which sees everything, and what lines of ours say besides."""

    def __init__(self, inner: LogParser) -> None:
        self._inner = inner
        self._lines = LineReader(longest=_LONGEST_LINE)

    @property
    def pending_bytes(self) -> int:
        """How many of the bytes fed belong to a record not yet complete."""
        return max(self._inner.pending_bytes, self._lines.pending_bytes)

    def feed(self, data: bytes) -> Sequence[Record]:
        """The records that ``data`` completes, the framework's first; never raises."""
        records = list(self._inner.feed(data))
        if b"\n" not in data and b"\r" not in data:
            self._lines.feed(data)
            return records
        return records + [record for line in self._lines.feed(data) if MARK in line and (record := _record(line)) is not None]


def _record(line: bytes) -> Record | None:
    try:
        content = json.loads(line[line.index(MARK) :])  # a progress bar may stand before it
    except (ValueError, RecursionError):
        return None
    make = _RECORDS.get(str(content.get("signalbox")))
    try:
        return None if make is None else make(content)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _checkpoint(content: Mapping[str, object]) -> Checkpoint:
    size = content.get("size_bytes")
    return Checkpoint(
        name=_text(content["name"]), epoch=_count(content["epoch"]), best=content.get("best") is True,
        size_bytes=None if size is None else _count(size), removed=content.get("removed") is True,
    )


def _evaluation(content: Mapping[str, object]) -> Evaluation:
    shares = {key: _share(content.get(key)) for key in ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")}
    return Evaluation(
        epoch=_count(content["epoch"]), task=_text(content["task"]), **shares,
        per_class=_shares(content.get("per_class")), recall=_shares(content.get("recall")),
    )


def _step(content: Mapping[str, object]) -> WorkStep:
    total = content.get("total")
    return WorkStep(
        phase=_text(content["phase"]), done=_count(content.get("done", 0)), total=None if total is None else _count(total),
        unit="bytes" if content.get("unit") == "bytes" else "",
    )


def _result(content: Mapping[str, object]) -> WorkResult:
    summary = content["summary"]
    if not isinstance(summary, dict):
        raise TypeError("a summary is an object")
    return WorkResult(summary)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value or len(value) > _LONGEST_TEXT or UNPRINTABLE.search(value):
        raise ValueError("no text")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise ValueError("no count")
    return value


def _share(value: object) -> float | None:
    """A share 0..1; what the frameworks call -1, and NaN, is undefined."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        return None
    return float(value)


def _shares(value: object) -> dict[str, float | None]:
    return {_text(name): _share(share) for name, share in value.items()} if isinstance(value, dict) else {}


_RECORDS: Mapping[str, Callable[[Mapping[str, object]], Record]] = {
    "checkpoint": _checkpoint, "evaluation": _evaluation, "step": _step, "result": _result,
}
