"""Turns the metrics that MMDetection prints or writes, of any generation, into evaluations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from runner.entities import Evaluation

TASKS = ("bbox", "segm", "proposal")
# ``bbox_mAP_50``, ``coco/segm_mAP_s``, ``pascal_voc/AP50``, ``cityscapes/AP@50``, ``bbox_APs`` (LVIS).
_AP = re.compile(r"(?:[\w.]+/)?(?:(bbox|segm|proposal)_)?m?AP(?:[_@]?(50|75|s|m|l))?$", re.ASCII)
_CLASS = re.compile(r"(?:[\w.]+/)?(.+)_precision$", re.ASCII)


def evaluations(epoch: int, metrics: Iterable[tuple[str, float]]) -> list[Evaluation]:
    """One evaluation for each task whose average precision is among the metrics; other metrics are passed over.

    AP fractions 0..1; -1 stands for "no ground truth of that size" in pycocotools and becomes None.
    """
    tables: dict[str, dict[str, float | None]] = {}
    classes: dict[str, float | None] = {}
    for key, value in metrics:
        defined = None if value == -1.0 else value
        ap, of_class = _AP.match(key), _CLASS.match(key)
        if ap:
            tables.setdefault(ap[1] or "bbox", {})[ap[2] or ""] = defined
        elif of_class:
            classes[of_class[1]] = defined
    # mmdet keeps one set of class precisions: the last task it evaluated wins.
    with_classes = max(tables, key=TASKS.index, default="")
    return [evaluation(epoch, task, table, classes if task == with_classes else {}) for task, table in tables.items()]


def evaluation(epoch: int, task: str, table: Mapping[str, float | None], per_class: Mapping[str, float | None]) -> Evaluation:
    """An evaluation from a table by "" (all), "50", "75", "s", "m" and "l"; what is missing is None."""
    return Evaluation(
        epoch=epoch, task=task, ap=table.get(""), ap50=table.get("50"), ap75=table.get("75"),
        ap_small=table.get("s"), ap_medium=table.get("m"), ap_large=table.get("l"), per_class=dict(per_class),
    )  # fmt: skip
