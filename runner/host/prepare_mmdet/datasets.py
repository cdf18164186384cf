"""What a config reads and measures: annotation files, image folders, class names, masks, evaluators."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .errors import BadSpecError
from .options import accepted_arguments

if TYPE_CHECKING:
    from mmengine.config import Config

WORK_DIR = "work_dir"


def set_dataset(cfg: Config, dataset: Mapping[str, Any], dataset_name: str, *, own_modules: Sequence[str] = ()) -> None:
    """Classes (a tuple even for one), annotation files, image folders, masks and evaluators."""
    check_splits(dataset, dataset_name)
    test = "test" if "test" in dataset["splits"] else "val"
    cfg.test_dataloader = copy.deepcopy(cfg.val_dataloader)
    for loader, split in (("train_dataloader", "train"), ("val_dataloader", "val"), ("test_dataloader", test)):
        annotations, images = dataset["splits"][split]
        leaf = leaf_dataset(cfg[loader])
        if not is_own(leaf.get("type"), own_modules):
            leaf["type"] = "CocoDataset"
            drop_unknown(leaf)
        leaf.update(data_root="", ann_file=annotations, data_prefix={"img": images.rstrip("/") + "/"})
        leaf["metainfo"] = {"classes": tuple(dataset["classes"])}
    tasks = measured_tasks(cfg)
    if "segm" in tasks:
        for step in annotation_steps(cfg.train_dataloader["dataset"]):
            step["with_mask"] = True
    for name, split in (("val_evaluator", "val"), ("test_evaluator", test)):
        listing, prefix = dataset["splits"][split][0], "%s/%s" % (WORK_DIR, name.split("_")[0])
        cfg[name] = coco_evaluators(cfg.val_evaluator, tasks, ann_file=listing, outfile_prefix=prefix)


def check_splits(dataset: Mapping[str, Any], dataset_name: str) -> None:
    """A training needs a train and a val split, and classes."""
    for split in ("train", "val"):
        if split not in dataset["splits"]:
            sentence = "The dataset %s has no %s split; convert it with a recipe that splits." % (dataset_name, split)
            raise BadSpecError(sentence, "dataset.splits")
    if not dataset["classes"]:
        raise BadSpecError("The dataset %s names no classes." % dataset_name, "dataset.classes")


def leaf_dataset(loader: Any) -> Any:
    """The dataset that reads files, below wrappers such as RepeatDataset; of several it becomes the only one."""
    node = loader["dataset"]
    while "dataset" in node or "datasets" in node:
        if "datasets" in node:
            only = node["datasets"][0]
            node.clear()
            node.update(only)
        else:
            node = node["dataset"]
    return node


def repeats(loader: Any) -> int:
    """How often an epoch reads each image (RepeatDataset)."""
    node, times = loader["dataset"], 1
    while "dataset" in node:
        times *= node.get("times", 1)
        node = node["dataset"]
    return times


def is_own(type_name: Any, own_modules: Sequence[str]) -> bool:
    """Whether a dataset class is defined in one of the preset's own modules, or below one that is a package."""
    from mmdet.registry import DATASETS

    found = DATASETS.get(type_name) if isinstance(type_name, str) else None
    return found is not None and any((found.__module__ + ".").startswith(name + ".") for name in own_modules)


def drop_unknown(leaf: dict[str, Any]) -> None:
    """Arguments of another dataset class than CocoDataset (OpenImages' label file, say) go."""
    accepted, is_open = accepted_arguments("CocoDataset") or (set(), True)
    for key in () if is_open else set(leaf) - accepted - {"type"}:
        del leaf[key]


def annotation_steps(node: Any) -> Iterator[Any]:
    """Every LoadAnnotations of the pipelines below a node."""
    if isinstance(node, dict) and node.get("type") == "LoadAnnotations":
        yield node
    for value in node.values() if isinstance(node, dict) else node:
        if isinstance(value, (dict, list, tuple)):
            yield from annotation_steps(value)


def measured_tasks(cfg: Config) -> list[str]:
    """What the evaluators measure: as the base config says where it measures as COCO does, masks too where the model makes them."""
    found: list[str] = []
    for evaluator in cfg.val_evaluator if isinstance(cfg.val_evaluator, (list, tuple)) else [cfg.val_evaluator]:
        if evaluator.get("type") == "CocoMetric":
            metric = evaluator.get("metric", "bbox")
            found += [metric] if isinstance(metric, str) else list(metric)
    tasks = list(dict.fromkeys(found)) or ["bbox"]
    if has_masks(cfg):
        return tasks if "segm" in tasks else [*tasks, "segm"]
    return [task for task in tasks if task != "segm"] or ["bbox"]


def has_masks(cfg: Config) -> bool:
    """Whether the model learns masks: it has a mask head, or its pipeline loads them."""
    return has_mask_head(cfg.model) or any(step.get("with_mask") for step in annotation_steps(cfg.train_dataloader["dataset"]))


def has_mask_head(node: Any) -> bool:
    """Whether a part of the model is called ``mask_head``."""
    children = node.items() if isinstance(node, dict) else enumerate(node)
    return any(
        (key == "mask_head" and bool(value)) or (isinstance(value, (dict, list, tuple)) and has_mask_head(value)) for key, value in children
    )


def coco_evaluators(old: Any, tasks: Sequence[str], **values: Any) -> Any:
    """A CocoMetric a task: one that measures two keeps the per-class results of the last alone. The first is called ``coco``."""
    first = old[0] if isinstance(old, (list, tuple)) else old
    base = {key: value for key, value in first.items() if key != "prefix"} if first.get("type") == "CocoMetric" else {"type": "CocoMetric"}
    base.update(values, classwise=True, format_only=False)
    made = [dict(base, metric=task, prefix="coco" if task == tasks[0] else "coco_" + task) for task in tasks]
    return made if len(made) > 1 else made[0]


def best_score(tasks: Sequence[str]) -> str:
    """The name of the number by which the best checkpoint is chosen."""
    return "coco/AR@1000" if tasks[0].startswith("proposal") else "coco/%s_mAP" % tasks[0]
