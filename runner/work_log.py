"""Reads the progress of work without epochs (ingest, convert, bootstrap): one JSON object a line.

``{"phase": "compile mmcv", "done": 12, "total": 78}`` is a step; ``unit`` and ``rate`` may say what is counted, and how many of it
come a second. An object with ``summary`` comes last and is the result: the summary
itself where it stands alone, else the whole object (a dataset version's card holds one). Other lines are for people and passed over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from recipes.names import UNPRINTABLE
from runner.entities import Record, WorkResult, WorkStep
from runner.log_lines import LineReader

_LONGEST_PHASE = 200
_LONGEST_LINE = 4 * 1024 * 1024
"""Bytes. A result may list many findings."""


class WorkStepParser:
    """The log parser of work without epochs."""

    def __init__(self) -> None:
        self._lines = LineReader(longest=_LONGEST_LINE)

    @property
    def pending_bytes(self) -> int:
        """How many of the bytes fed belong to a line not yet complete."""
        return self._lines.pending_bytes

    def feed(self, data: bytes) -> list[Record]:
        """The steps and the result that ``data`` completes; never raises."""
        return [record for line in self._lines.feed(data) if (record := _record(line)) is not None]


def _record(line: bytes) -> WorkStep | WorkResult | None:
    if b'"phase"' not in line and b'"summary"' not in line:
        return None
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    if isinstance(content.get("summary"), dict):
        return WorkResult(cast(Mapping[str, object], content["summary"] if len(content) == 1 else content))
    return _step(content)


def _step(content: Mapping[str, object]) -> WorkStep | None:
    phase, done, total = content.get("phase"), content.get("done", 0), content.get("total")
    if not isinstance(phase, str) or not phase:
        return None
    unit, rate = content.get("unit"), content.get("rate")
    return WorkStep(
        phase=UNPRINTABLE.sub("?", phase[:_LONGEST_PHASE]), done=_count(done) or 0, total=_count(total),
        unit=unit if unit == "bytes" else "",
        rate=float(rate) if isinstance(rate, (int, float)) and 0 < rate < 2**53 else None,
    )


def _count(value: object) -> int | None:
    counts = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return cast(int, value) if counts else None
