"""Turns the metrics that MMDetection prints or writes, of any generation, into evaluations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from math import isnan

from runner.entities import Evaluation

TASKS = ("bbox", "segm", "proposal")
# ``bbox_mAP_50``, ``coco/segm_mAP_s``, ``pascal_voc/AP50``, ``cityscapes/AP@50``, ``bbox_APs`` (LVIS). The prefix names an evaluator.
_AP = re.compile(r"([\w.]+/)?(?:(bbox|segm|proposal)_)?m?AP(?:[_@]?(50|75|s|m|l))?$", re.ASCII)
_AR = re.compile(r"(?:[\w.]+/)?(?:(bbox|segm)_)?(AR(?:_[sml])?@\d+)$", re.ASCII)
_CLASS = re.compile(r"([\w.]+/)?(.+)_precision$", re.ASCII)


def evaluations(epoch: int, metrics: Iterable[tuple[str, float]]) -> list[Evaluation]:
    """One evaluation for each task whose average precision or recall is among the metrics; other metrics are passed over.

    Fractions 0..1; -1 stands for "no ground truth of that size" in pycocotools and becomes None. Recalls without a task are proposals'.
    """
    tables: dict[str, dict[str, float | None]] = {}
    recalls: dict[str, dict[str, float | None]] = {}
    evaluators: dict[str, str] = {}
    classes: list[tuple[str, str, float | None]] = []
    for key, value in metrics:
        defined = None if value == -1.0 else value
        if ap := _AP.match(key):
            task = ap[2] or "bbox"
            tables.setdefault(task, {})[ap[3] or ""] = defined
            # An evaluator keeps one set of class precisions: the last task it evaluated wins.
            evaluators[ap[1] or ""] = max(task, evaluators.get(ap[1] or "", task), key=TASKS.index)
        elif ar := _AR.match(key):
            recalls.setdefault(ar[1] or "proposal", {})[ar[2]] = defined
        elif of_class := _CLASS.match(key):
            # mmdet prints nan for a class without ground truth.
            classes.append((of_class[1] or "", of_class[2], None if isnan(value) else defined))
    per_class = _per_class(evaluators, classes)
    return [
        evaluation(epoch, task, tables.get(task, {}), per_class.get(task, {}), recalls.get(task, {}))
        for task in dict.fromkeys([*tables, *recalls])
    ]


def _per_class(
    evaluators: Mapping[str, str], classes: Iterable[tuple[str, str, float | None]]
) -> Mapping[str, Mapping[str, float | None]]:
    """By task. What stands before a slash is part of a class's name where no evaluator is called so."""
    found: dict[str, dict[str, float | None]] = {}
    for prefix, name, value in classes:
        known = prefix in evaluators
        found.setdefault(evaluators.get(prefix if known else "", ""), {})[name if known else prefix + name] = value
    return found


def evaluation(
    epoch: int, task: str, table: Mapping[str, float | None], per_class: Mapping[str, float | None],
    recall: Mapping[str, float | None] | None = None,
) -> Evaluation:
    """An evaluation from a table by "" (all), "50", "75", "s", "m" and "l"; what is missing is None."""
    return Evaluation(
        epoch=epoch, task=task, ap=table.get(""), ap50=table.get("50"), ap75=table.get("75"),
        ap_small=table.get("s"), ap_medium=table.get("m"), ap_large=table.get("l"), per_class=dict(per_class), recall=dict(recall or {}),
    )  # fmt: skip
