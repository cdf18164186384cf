"""Reads what ``tools/test.py`` of MMDetection 3.x prints: how far it is, and evaluations, which are of its checkpoint's epoch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from runner.entities import Evaluation, Record, WorkStep
from runner.frameworks.mmdet_log import MmdetLogParser
from runner.log_lines import LineReader

_STEP = re.compile(rb"Epoch\(test\) +\[ *(\d{1,9})/(\d{1,9})\]\s+eta: ")
_TASK = re.compile(rb"Evaluating (bbox|segm|proposal)\.\.\.")
_NOTHING = b"The testing results of the whole dataset is empty"


class MmdetTestLogParser:
    """The log parser of an evaluation. A model that finds nothing gets no metrics from mmdet: its precision (of proposals, recall) is 0."""

    def __init__(self, epoch: int) -> None:
        self._records, self._lines, self._epoch, self._task = MmdetLogParser(), LineReader(), epoch, "bbox"

    @property
    def pending_bytes(self) -> int:
        """How many of the bytes fed belong to a record not yet complete."""
        return self._lines.pending_bytes

    def feed(self, data: bytes) -> Sequence[Record]:
        """The records that ``data`` completes; never raises."""
        steps = [record for line in self._lines.feed(data) for record in self._read(line)]
        found = self._records.feed(data)
        return [*steps, *(replace(item, epoch=self._epoch) if isinstance(item, Evaluation) else item for item in found)]

    def _read(self, line: bytes) -> Sequence[Record]:
        if step := _STEP.search(line):
            return [WorkStep("evaluating", int(step[1]), int(step[2]))]
        if task := _TASK.search(line):
            self._task = task[1].decode()
        elif _NOTHING in line:
            if self._task == "proposal":
                return [Evaluation(self._epoch, self._task, ap=None, recall={"AR@100": 0.0})]
            return [Evaluation(self._epoch, self._task, ap=0.0, ap50=0.0, ap75=0.0)]
        return ()
