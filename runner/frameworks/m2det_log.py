"""Reads what M2Det's ``train.py`` and ``test.py`` print to stdout (its only log).

Nothing is printed when a checkpoint is written, at the end of an epoch or of the training: an epoch is over when a line of
the next one is seen, and NaN losses change nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from runner.entities import Evaluation, Progress, Record
from runner.frameworks.block_log import BlockLogParser
from runner.frameworks.coco_log import CocoTable

_NUMBER = rb"(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|-?nan|-?inf)"
_TRAIN = re.compile(
    rb"\|\|Epoch:(\d{1,9})\|\|EpochIter:(\d{1,9})/(\d{1,9})\|\|Iter:\d{1,12}\|\|Loss_L:" + _NUMBER + rb"\|\|Loss_C:" + _NUMBER
    + rb"\|\|Batch_Time:" + _NUMBER + rb"\|\|LR:" + _NUMBER + rb"(?=[\s|]|$)"
)  # fmt: skip
_VOC = re.compile(rb"VOC07 metric\? (?:Yes|No)")
_AP = re.compile(rb"AP for (.+) = " + _NUMBER + rb"\s*$")
_MEAN = re.compile(rb"Mean AP = " + _NUMBER)
_MOST_CLASSES = 10_000


class _M2Det:
    """Training lines, and the two ways to evaluate: Pascal VOC's (one AP a line, at IoU 0.5) and COCO's (a table)."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._coco = CocoTable({b"~~~~ Summary metrics ~~~~": "bbox"})
        self._classes: dict[str, float | None] | None = None

    @property
    def open(self) -> bool:
        return self._classes is not None or self._coco.open

    def drop(self) -> None:
        self._classes = None
        self._coco.drop()

    def read(self, line: bytes) -> Sequence[Record]:
        if b"||EpochIter:" in line:
            return [_progress(found) for found in _TRAIN.finditer(line)]
        if b"VOC07" in line and _VOC.search(line):
            self._classes = {}
        elif self._classes is not None and b"AP" in line:
            return self._voc(line, self._classes)
        return [replace(done, epoch=self._epoch) for done in self._coco.read(line)]

    def _voc(self, line: bytes, classes: dict[str, float | None]) -> Sequence[Record]:
        mean = _MEAN.search(line)
        if mean:
            self._classes = None
            ap = float(mean[1])
            return [Evaluation(epoch=self._epoch, task="bbox", ap=ap, ap50=ap, per_class=classes)]
        of_class = _AP.match(line)
        if of_class and len(classes) < _MOST_CLASSES:
            classes[of_class[1].decode("utf-8", "replace")] = float(of_class[2])
        return ()


def _progress(found: re.Match[bytes]) -> Progress:
    localisation, classification, step_s, lr = map(float, found.group(4, 5, 6, 7))
    return Progress(
        epoch=int(found[1]), iteration=int(found[2]) + 1, iterations=int(found[3]),  # EpochIter counts from 0
        loss=localisation + classification, lr=lr, step_s=step_s, values={"Loss_L": localisation, "Loss_C": classification},
    )  # fmt: skip


def m2det_log_parser(epoch: int = 0) -> BlockLogParser:
    """A parser of M2Det's output. Its evaluations know no epoch, but ``epoch``; Pascal VOC's AP is at IoU 0.5 and stands for both."""
    return BlockLogParser(_M2Det(epoch))
