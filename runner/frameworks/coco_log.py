"""Reads the table that pycocotools' COCOeval prints: the only result of ``tools/test.py`` of MMDetection 1.x and of M2Det on COCO."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from runner.entities import Evaluation
from runner.frameworks.block_log import BlockLogParser
from runner.frameworks.metrics_log import evaluation

ANNOUNCED = {b"Evaluate annotation type *bbox*": "bbox", b"Evaluate annotation type *segm*": "segm"}
_ROW = re.compile(
    rb"Average Precision  \(AP\) @\[ IoU=(0\.50:0\.95|0\.50|0\.75) +\| area= *(all|small|medium|large) \| maxDets= *\d+ \] = (-?\d\.\d+)"
)
_ROWS = {
    (b"0.50:0.95", b"all"): "", (b"0.50", b"all"): "50", (b"0.75", b"all"): "75",
    (b"0.50:0.95", b"small"): "s", (b"0.50:0.95", b"medium"): "m", (b"0.50:0.95", b"large"): "l",
}  # fmt: skip


class CocoTable:
    """The six rows of average precision of one table. A line above it says its task; a table without that line is none."""

    def __init__(self, announced: Mapping[bytes, str]) -> None:
        self._announced = announced
        self._task = ""
        self._rows: dict[str, float | None] = {}

    @property
    def open(self) -> bool:
        """Whether a table was announced and is not complete."""
        return self._task != ""

    def drop(self) -> None:
        """Forget the table."""
        self._task, self._rows = "", {}

    def read(self, line: bytes) -> Sequence[Evaluation]:
        """The evaluation that the line completes."""
        for words, task in self._announced.items():
            if words in line:
                self._task, self._rows = task, {}
        if self._task and b"Average Precision" in line and (row := _ROW.search(line)):
            value = float(row[3])
            self._rows[_ROWS.get((row[1], row[2]), "")] = None if value == -1.0 else value
            if len(self._rows) == len(_ROWS):
                done = evaluation(0, self._task, self._rows, {})
                self.drop()
                return [done]
        return ()


def coco_log_parser() -> BlockLogParser:
    """A parser of logs in which pycocotools' tables stand alone. The table knows no epoch: 0."""
    return BlockLogParser(CocoTable(ANNOUNCED))
