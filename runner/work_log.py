"""Reads the progress of work without epochs (ingest, convert, bootstrap): one JSON object a line.

``{"phase": "compile mmcv", "done": 12, "total": 78}`` is a step; ``{"summary": …}`` comes last and is the result. Other lines, and
lines that break off, are for people and are passed over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from runner.entities import WorkStep
from runner.log_lines import LineReader

_LONGEST_PHASE = 200


class WorkStepParser:
    """The log parser of work. ``summary`` is the result, once its line was read."""

    def __init__(self) -> None:
        self._lines = LineReader()
        self.summary: Mapping[str, object] | None = None

    @property
    def pending_bytes(self) -> int:
        """How many of the bytes fed belong to a line not yet complete."""
        return self._lines.pending_bytes

    def feed(self, data: bytes) -> list[WorkStep]:
        """The steps that ``data`` completes; never raises."""
        return [step for line in self._lines.feed(data) if (step := self._read(line)) is not None]

    def _read(self, line: bytes) -> WorkStep | None:
        if b'"phase"' not in line and b'"summary"' not in line:
            return None
        try:
            content = json.loads(line)
        except (ValueError, RecursionError):
            return None
        if not isinstance(content, dict):
            return None
        if isinstance(content.get("summary"), dict):
            self.summary = cast(Mapping[str, object], content["summary"])
        return _step(content)


def _step(content: Mapping[str, object]) -> WorkStep | None:
    phase, done, total = content.get("phase"), content.get("done", 0), content.get("total")
    if not isinstance(phase, str) or not phase:
        return None
    return WorkStep(phase=phase[:_LONGEST_PHASE], done=_count(done) or 0, total=_count(total))


def _count(value: object) -> int | None:
    counts = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return cast(int, value) if counts else None
