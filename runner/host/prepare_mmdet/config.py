"""One whole config out of the framework's own, a preset's options, the dataset, and what the run overrides."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BadSpecError, did_you_mean, first_line
from .options import apply_options, preset_options, raw_options, runner_arguments
from .schedule import set_schedule

if TYPE_CHECKING:
    from mmengine.config import Config

WORK_DIR = "work_dir"
CONFIGS = "configs"


def resolved(
    preset: Mapping[str, Any], overrides: Mapping[str, Any], spec: Mapping[str, Any], dataset: Mapping[str, Any]
) -> tuple[Config, list[str]]:
    """(config, notes): base config, then the preset's options, then what the run sets, then raw options."""
    from mmdet.utils import register_all_modules

    cfg = base_config(preset["config"])
    register_all_modules(init_default_scope=True)
    apply_options(cfg, preset_options(preset.get("options") or {}), "preset.options")
    set_dataset(cfg, dataset, "%s@%s" % (spec["dataset"]["name"], spec["dataset"]["version"]))
    set_classes(cfg.model, len(dataset["classes"]))
    batch = overrides.get("batch") or preset["batch"]
    set_loading(cfg, batch, preset.get("seed", 0))
    iterations = math.ceil(dataset["images"].get("train", 0) / (batch * max(1, spec.get("gpus", 1)))) or 1
    notes = set_schedule(
        cfg,
        epochs=overrides.get("epochs") or preset["epochs"],
        lr=overrides.get("lr") or preset["lr"],
        iterations=iterations,
        eval_every=overrides.get("eval_every") or preset.get("eval_every", 1),
    )
    apply_options(cfg, raw_options(overrides.get("options", ())), "overrides.options")
    return only_what_counts(cfg), notes


def collection() -> str:
    """The folder with ``configs`` and ``tools`` that mmdet installs."""
    import mmdet

    return os.path.join(os.path.dirname(os.path.abspath(mmdet.__file__)), ".mim")


def base_config(name: str) -> Config:
    """The framework's own config of this name, relative to its collection."""
    from mmengine.config import Config

    root = Path(collection(), CONFIGS).resolve()
    known = {str(path.relative_to(root)): path for path in root.rglob("*.py")}
    if name not in known:
        raise BadSpecError("MMDetection's collection has no config %r%s." % (name, did_you_mean(name, known)), "preset.config")
    try:
        return Config.fromfile(known[name])
    except Exception as error:
        raise BadSpecError("The config %s cannot be read: %s" % (name, first_line(error)), "preset.config") from error


def set_dataset(cfg: Config, dataset: Mapping[str, Any], dataset_name: str) -> None:
    """Classes (a tuple even for one), annotation files, image folders and evaluators."""
    for split in ("train", "val"):
        if split not in dataset["splits"]:
            sentence = "The dataset %s has no %s split; convert it with a recipe that splits." % (dataset_name, split)
            raise BadSpecError(sentence, "dataset.splits")
    classes = tuple(dataset["classes"])
    if not classes:
        raise BadSpecError("The dataset %s names no classes." % dataset_name, "dataset.classes")
    test = "test" if "test" in dataset["splits"] else "val"
    cfg.test_dataloader = copy.deepcopy(cfg.val_dataloader)
    for loader, split in (("train_dataloader", "train"), ("val_dataloader", "val"), ("test_dataloader", test)):
        annotations, images = dataset["splits"][split]
        leaf = leaf_dataset(cfg[loader])
        leaf.update(type="CocoDataset", data_root="", ann_file=annotations, data_prefix={"img": images.rstrip("/") + "/"})
        leaf["metainfo"] = {"classes": classes}
    old = cfg.val_evaluator[0] if isinstance(cfg.val_evaluator, list) else cfg.val_evaluator
    evaluator = dict(old) if old.get("type") == "CocoMetric" else {"type": "CocoMetric", "metric": "bbox"}
    for name, split in (("val_evaluator", "val"), ("test_evaluator", test)):
        prefix = "%s/%s" % (WORK_DIR, name.split("_")[0])
        cfg[name] = dict(evaluator, ann_file=dataset["splits"][split][0], classwise=True, format_only=False, outfile_prefix=prefix)


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


def set_classes(node: Any, count: int, path: str = "") -> None:
    """Every num_classes of the model, in heads single or listed; a backbone's own and a class-agnostic RPN's stay."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(items):
        if key == "num_classes":
            if not (path.endswith("rpn_head") and value == 1):
                node[key] = count
        elif isinstance(value, (dict, list, tuple)) and key != "backbone":
            set_classes(value, count, "%s.%s" % (path, key))


def set_loading(cfg: Config, batch: int, seed: int) -> None:
    """Batch and seed; without a CUDA device, images are read in the training process (forking costs more than it saves)."""
    import torch

    cfg.train_dataloader["batch_size"] = batch
    cfg.randomness = {"seed": seed}
    if not torch.cuda.is_available():
        for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
            loader.update(num_workers=0, persistent_workers=False, pin_memory=False)


def only_what_counts(cfg: Config) -> Config:
    """The config without the variables of the base files, which tools/train.py never reads."""
    from mmengine.config import Config

    keep = runner_arguments() - {"work_dir", "load_from", "resume", "launcher"}
    return Config({key: value for key, value in cfg.to_dict().items() if key in keep})


def frozen_text(cfg: Config) -> str:
    """The config as a Python file, proved to read back as what it was."""
    from mmengine.config import Config

    text = cfg.pretty_text
    if Config.fromstring(text, ".py").to_dict() != cfg.to_dict():
        raise RuntimeError("the resolved config does not survive being written")
    return text
