"""Reads what the TF2 Object Detection API's ``model_main_tf2.py`` prints, in training and in evaluation (``model_lib_v2.py``).

Every message comes twice (TensorFlow's logger and absl's) and counts once. Training counts steps, not epochs. Of a run of ours the
steps of an epoch are known (:class:`Epochs`). Of any other log a point has epoch 1 and the step as its iteration, of an unknown number
(0), and the epoch of an evaluation is its step. Nothing is printed when a checkpoint is saved, but the evaluation names each one that it
finds; its number is a running one, and neither step nor epoch. Of a run of ours the companion tells the checkpoints.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from runner.entities import Checkpoint, Evaluation, Progress, Record
from runner.frameworks.base import Prepared
from runner.frameworks.block_log import BlockLogParser
from runner.frameworks.metrics_log import evaluation

_NUMBER = rb"(-?\d+(?:\.\d*)?(?:e[+-]?\d+)?|-?nan|-?inf)"
_STEP = re.compile(rb"(?<!\w)Step (\d{1,12}) (?:per-step time|time taken) " + _NUMBER + rb"s(?: loss=" + _NUMBER + rb")?")
_LOSS = re.compile(rb"'([^']{1,200})': " + _NUMBER + rb"(?=[,}])")
_METRICS_AT = re.compile(rb"Eval metrics at step (\d{1,12})\b")
_METRIC = re.compile(rb"[^+]*\+ (.+): " + _NUMBER + rb"\s*$")
_FOUND = re.compile(rb"Found new checkpoint at (\S+)")
_EVALUATION_ENDS = (b"Waiting for new checkpoint", b"Exiting evaluation", b"Timed-out waiting", b"Found new checkpoint")
_LAST_METRIC = "Loss/total_loss"
_MOST_VALUES = 10_000

_AP = re.compile(r"Detection(Boxes|Masks)_Precision/mAP(?:@\.(50|75)IOU| \((small|medium|large)\))?$")
_PASCAL = re.compile(r"Pascal(Boxes|Masks)_Precision/mAP@0\.5IOU$")
# The first is what coco_evaluation.py writes, the last what object_detection_evaluation.py (Pascal) does.
_CLASS = re.compile(
    r"(?:Detection|Pascal)(Boxes|Masks)_(?:Precision/mAP ByCategory|PerformanceByCategory/mAP|PerformanceByCategory/AP@0\.5IOU)/(.+)$"
)
_TASKS = {"Boxes": "bbox", "Masks": "segm"}


@dataclass(frozen=True, slots=True)
class Epochs:
    """How a training's steps make epochs: it begins at a step, with so many epochs behind it, and ends at ``last_step`` (None: unknown)."""

    first_step: int
    first_epoch: float
    steps_per_epoch: float
    last_step: int | None = None

    @classmethod
    def of(cls, prepared: Prepared) -> Epochs:
        """As preparing found out (prepare_tfod/progress.py)."""
        values = prepared.values
        step, epoch, per_epoch = (float(str(values[key])) for key in ("first_step", "first_epoch", "steps_per_epoch"))
        last = values.get("steps")
        return cls(int(step), epoch, per_epoch, last if isinstance(last, int) else None)

    def finished(self, step: int) -> int:
        """How many epochs are over at a step."""
        return max(0, math.floor(self._at(step) + 1e-6))

    def point(self, point: Progress) -> Progress:
        """A point whose iteration is a step, within its epoch."""
        step = point.iteration
        before = max(0, math.ceil(self._at(step) - 1e-6) - 1)
        iterations = max(1, math.ceil(self.steps_per_epoch))
        iteration = min(iterations, max(1, math.ceil((self._at(step) - before) * self.steps_per_epoch - 1e-6)))
        left = None if self.last_step is None or point.step_s is None else max(0, self.last_step - step) * point.step_s
        return point._replace(epoch=before + 1, iteration=iteration, iterations=iterations, eta_s=left)

    def _at(self, step: int) -> float:
        return self.first_epoch + (step - self.first_step) / self.steps_per_epoch


class _Tfod:
    """A step waits for the dictionary of its losses; an evaluation for its last metric."""

    def __init__(self, epochs: Epochs | None = None) -> None:
        self._epochs = epochs
        self._step: Progress | None = None
        self._losses: list[bytes] = []
        self._metrics: tuple[int, dict[str, float]] | None = None
        self._last: bytes = b""

    @property
    def open(self) -> bool:
        return self._step is not None or self._metrics is not None

    def drop(self) -> None:
        self._step = self._metrics = None
        self._losses = []

    def read(self, line: bytes) -> Sequence[Record]:
        """The records that the line completes, in epochs where these are known."""
        found = self._read(line)
        return [self._in_epochs(record, self._epochs) for record in found] if found and self._epochs else found

    @staticmethod
    def _in_epochs(record: Record, epochs: Epochs) -> Record:
        if isinstance(record, Progress):
            return epochs.point(record)
        return replace(record, epoch=epochs.finished(record.epoch)) if isinstance(record, Evaluation) else record

    def _read(self, line: bytes) -> Sequence[Record]:
        if b"Step " in line and (step := _STEP.search(line)):
            return self._stepped(step)
        if self._step is not None and (self._losses or b"{'" in line):
            return self._lost(line, self._step)
        if b"Eval metrics at" in line and (at := _METRICS_AT.search(line)):
            done: Sequence[Record] = self._evaluated() if self._metrics and self._metrics[0] != int(at[1]) else ()
            self._metrics = (int(at[1]), {})
            return done
        done = self._measured(line, self._metrics[1]) if self._metrics is not None else ()
        if self._epochs is None and b"Found new checkpoint" in line and (found := _FOUND.search(line)) and found[0] != self._last:
            self._last = found[0]
            return [*done, Checkpoint(name=found[1].rsplit(b"/", 1)[-1].decode("utf-8", "replace"), epoch=0)]
        return done

    def _stepped(self, found: re.Match[bytes]) -> Sequence[Record]:
        if found[0] == self._last:
            return ()
        self._last = found[0]
        number, step_s, loss = found.groups()
        point = Progress(epoch=1, iteration=int(number), iterations=0, loss=float(loss) if loss else None, step_s=float(step_s))
        waited, self._losses = self._step, []
        self._step = None if loss else point
        return [each for each in (waited, point if loss else None) if each is not None]

    def _lost(self, line: bytes, step: Progress) -> Sequence[Record]:
        self._losses.append(line)
        if b"}" not in line:
            return ()
        pairs = _LOSS.findall(b"\n".join(self._losses))
        losses = {key.decode("utf-8", "replace"): float(value) for key, value in pairs[:_MOST_VALUES]}
        self._step, self._losses = None, []
        loss, lr = losses.pop(_LAST_METRIC, None), losses.pop("learning_rate", None)
        return [Progress(epoch=1, iteration=step.iteration, iterations=0, loss=loss, lr=lr, step_s=step.step_s, values=losses)]

    def _measured(self, line: bytes, metrics: dict[str, float]) -> Sequence[Record]:
        metric = _METRIC.match(line)
        if metric and len(metrics) < _MOST_VALUES:
            key = metric[1].decode("utf-8", "replace")
            metrics[key] = float(metric[2])
            return self._evaluated() if key == _LAST_METRIC else ()
        return self._evaluated() if any(end in line for end in _EVALUATION_ENDS) else ()

    def _evaluated(self) -> Sequence[Evaluation]:
        step, metrics = self._metrics or (0, {})
        self._metrics = None
        tables: dict[str, dict[str, float | None]] = {}
        classes: dict[str, dict[str, float | None]] = {}
        for key, value in metrics.items():
            defined = None if value == -1.0 else value
            if ap := _AP.match(key):
                tables.setdefault(_TASKS[ap[1]], {})[ap[2] or (ap[3] or "")[:1]] = defined
            elif pascal := _PASCAL.match(key):
                tables.setdefault(_TASKS[pascal[1]], {}).update({"": defined, "50": defined})
            elif of_class := _CLASS.match(key):
                classes.setdefault(_TASKS[of_class[1]], {})[of_class[2]] = defined
        return [evaluation(step, task, table, classes.get(task, {})) for task, table in tables.items()]


def tfod_log_parser(epochs: Epochs | None = None) -> BlockLogParser:
    """A parser of the API's output; ``epochs`` are known of a run of ours."""
    return BlockLogParser(_Tfod(epochs))
