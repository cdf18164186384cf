"""Reads what the programs of MMDetection 1.x and 2.x print; of ``tools/test.py`` how far it is, and the tables of its results.

Releases before 2.5 print no other result than tables: pycocotools', and one of the classes. Later ones repeat it as a dictionary.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from runner.entities import Evaluation, Record, WorkStep
from runner.frameworks.base import LogParser, Prepared
from runner.frameworks.block_log import BlockLogParser
from runner.frameworks.coco_log import ANNOUNCED, CocoTable
from runner.frameworks.mmdet_log import MmdetLogParser
from runner.specs import Kind

_BAR = re.compile(rb"\] (\d{1,9})/(\d{1,9}), \d[\d.]* task/s")
# A progress bar may stand before it.
_RECALL = re.compile(rb"(AR@(\d{1,6}))\s*=?\s*(\d\.\d+)\s*$")
_LAST_RECALL = b"1000"
_BORDER = b"+--"
_TASK = re.compile(rb"Evaluating (bbox|segm)\.\.\.")
_NOTHING = (b"The testing results of the whole dataset is empty", b"No prediction found.")
_COCO_HEAD, _VOC_HEAD, _MEAN = "category", "class", "mAP"
_STEPS = 20
_MOST_CLASSES = 10_000
# A dictionary rounds what a table showed with three digits.
_ROUNDING = 0.0011


def legacy_log_parser(prepared: Prepared | None) -> LogParser:
    """The parser of a training's log, or of what ``tools/test.py`` prints, where it is known that this ran."""
    if prepared is None or prepared.values.get("kind") != Kind.EVAL:
        return MmdetLogParser()
    return LegacyTestLogParser(prepared.checkpoint_epoch or 0, classwise=prepared.values.get("classwise") is True)


class LegacyTestLogParser:
    """Evaluations of ``epoch``, each told once. ``classwise``: a table of the classes follows each of pycocotools'.

    Where the model found nothing at all mmdet prints no table: that is a precision of 0.
    """

    def __init__(self, epoch: int, *, classwise: bool) -> None:
        self._tables = _Tables(classwise)
        self._blocks, self._inner, self._epoch = BlockLogParser(self._tables), MmdetLogParser(), epoch

    @property
    def pending_bytes(self) -> int:
        """How many of the bytes fed belong to a record not yet complete."""
        return max(self._blocks.pending_bytes, self._inner.pending_bytes)

    def feed(self, data: bytes) -> Sequence[Record]:
        """The records that ``data`` completes; never raises."""
        found: list[Record] = list(self._blocks.feed(data))
        found += [item for item in self._inner.feed(data) if not (isinstance(item, Evaluation) and self._tables.told(item))]
        return [replace(item, epoch=self._epoch) if isinstance(item, Evaluation) else item for item in found]


class _Tables:
    """The tables and bars of one evaluation."""

    def __init__(self, classwise: bool) -> None:
        self._coco, self._classwise = CocoTable(ANNOUNCED), classwise
        self._held: Evaluation | None = None
        self._classes: dict[str, float | None] | None = None
        self._head = ""
        self._recalls: dict[str, float | None] = {}
        self._task = "bbox"
        self._told: dict[str, float | None] = {}
        self._step = -1

    @property
    def open(self) -> bool:
        """Whether a record is not complete."""
        return self._coco.open or self._held is not None or self._classes is not None or bool(self._recalls)

    def drop(self) -> None:
        """Forget it."""
        self._coco.drop()
        self._held, self._classes, self._recalls = None, None, {}

    def told(self, item: Evaluation) -> bool:
        """Whether a table said this already."""
        before = self._told.get(item.task)
        return before is not None and item.ap is not None and abs(before - item.ap) <= _ROUNDING

    def read(self, line: bytes) -> Sequence[Record]:
        """The records that the line completes."""
        if b"|" in line and line.lstrip().startswith(b"|"):
            return self._row([cell.strip() for cell in line.decode("utf-8", "replace").strip().strip("|").split("|")])
        if self._classes and self._head == _COCO_HEAD and line.startswith(_BORDER):
            return self._close()
        if recall := _RECALL.search(line):
            return self._recall(recall)
        if task := _TASK.search(line):
            self._task = task[1].decode()
        elif any(words in line for words in _NOTHING):
            return self._tell(Evaluation(0, self._task, ap=0.0, ap50=0.0, ap75=0.0))
        elif bar := _BAR.search(line):
            return self._progress(int(bar[1]), int(bar[2]))
        return [record for item in self._coco.read(line) for record in self._complete(item)]

    def _complete(self, item: Evaluation) -> Sequence[Record]:
        if self._classwise:
            self._held = item
            return ()
        return self._tell(item)

    def _tell(self, item: Evaluation) -> Sequence[Record]:
        self._told[item.task] = item.ap
        return [item]

    def _row(self, cells: list[str]) -> Sequence[Record]:
        if cells[0] in (_COCO_HEAD, _VOC_HEAD):
            self._head, self._classes = cells[0], {}
        elif self._classes is None or len(self._classes) >= _MOST_CLASSES:
            return ()
        elif self._head == _COCO_HEAD:
            self._classes |= {name: _share(value) for name, value in zip(cells[::2], cells[1::2], strict=False) if name not in ("", "None")}
        elif cells[0] == _MEAN:
            ap = _share(cells[-1])
            self._held = Evaluation(0, "bbox", ap=ap, ap50=ap)
            return self._close()
        else:
            self._classes[cells[0]] = _share(cells[-1])
        return ()

    def _close(self) -> Sequence[Record]:
        """The table of the classes ends, and with it the evaluation that it belongs to."""
        held, classes = self._held, self._classes or {}
        self._held, self._classes = None, None
        return self._tell(replace(held, per_class=classes)) if held else ()

    def _recall(self, found: re.Match[bytes]) -> Sequence[Record]:
        self._recalls[found[1].decode()] = _share(found[3].decode())
        if found[2] != _LAST_RECALL:
            return ()
        recalls, self._recalls = self._recalls, {}
        return [Evaluation(0, "proposal", ap=None, recall=recalls)]

    def _progress(self, done: int, total: int) -> Sequence[Record]:
        step = done * _STEPS // max(1, total)
        if step == self._step:
            return ()
        self._step = step
        return [WorkStep("evaluating", done, total)]


def _share(text: str) -> float | None:
    """A share 0..1; anything else is undefined."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None
