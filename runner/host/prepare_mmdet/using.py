"""The verb ``prepare`` for what is done with a trained model: it is evaluated, predicts, or is exported.

All of it starts from the config that the training was frozen with, and from the first whole checkpoint of those asked for.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .checkpoints import finished_epochs, newest_whole
from .config import frozen_text
from .datasets import coco_evaluators, leaf_dataset, measured_tasks
from .errors import BadSpecError, first_line
from .identity import identify
from .options import apply_options, raw_options
from .own_code import lay_down
from .processes import set_processes
from .proof import built
from .request import SCHEMA, USING_SCHEMA, check_request
from .splits import chosen_split

if TYPE_CHECKING:
    from mmengine.config import Config

# cityscapesscripts/helpers/labels.py: the classes with instances, and the ids that its evaluation server knows.
CITYSCAPES = {"person": 24, "rider": 25, "car": 26, "truck": 27, "bus": 28, "train": 31, "motorcycle": 32, "bicycle": 33}
# So often does a log tell how far an evaluation is.
LINES_OF_PROGRESS = 20
RESULTS = "results"
FOUND = "found"
"""What an evaluation found becomes ``found.bbox.json`` (runner/host/found_boxes.py)."""
ORDERED = "annotations_in_trained_order.json"


def is_use(request: Mapping[str, Any]) -> bool:
    """Whether it is no training that is asked for."""
    spec = request.get("spec")
    return isinstance(spec, dict) and spec.get("kind", "train") != "train"


def prepare_use(request: Mapping[str, Any]) -> dict[str, Any]:
    """A PrepareRequest of a kind other than train to a Prepared (runner/frameworks/base.py)."""
    dataset = request.get("dataset")
    check_request(request, dict(USING_SCHEMA, dataset=SCHEMA["dataset"]) if dataset else USING_SCHEMA)
    spec, trained, classes = request["spec"], request["trained"], list(request["trained_classes"])
    if not trained or not classes:
        raise BadSpecError("The run whose model is asked for was never prepared, so its config is not known.", "model")
    values = wanted_of(spec, dataset, classes)
    path, checkpoint, refused = newest_whole(request["checkpoints"], resumable=False)
    lay_down(request.get("code") or {}, request["folder"])
    cfg = trained_config(trained["config"])
    check_fits(cfg, checkpoint)
    tasks, batch = measured_tasks(cfg), trained["batch"]
    if spec["kind"] == "predict":
        batch = spec.get("overrides", {}).get("batch") or cfg.val_dataloader.get("batch_size", 1)
        values.update(check_predicting(cfg, spec, tasks, classes))
    if dataset:
        batch = set_data(cfg, spec, values)
    if spec["kind"] == "eval":
        set_evaluation(cfg, spec, tasks, dataset["images"].get(values["split"], 0))
        values.update(set_processes(cfg, spec.get("gpus", 1)))
    apply_options(cfg, raw_options(spec.get("overrides", {}).get("options", ())), "overrides.options")
    return {
        "config": frozen_text(cfg), "epochs": trained["epochs"], "batch": batch, "lr": trained["lr"], "checkpoint": path,
        "checkpoint_epoch": finished_epochs(checkpoint), "refused": refused, "values": values, "revision": identify({})["revision"],
    }  # fmt: skip


def wanted_of(spec: Mapping[str, Any], dataset: Mapping[str, Any] | None, classes: list[str]) -> dict[str, Any]:
    """What the launch line needs beside the config; refuses what could never work, before any framework loads."""
    kind = spec["kind"]
    values: dict[str, Any] = {"kind": kind, "classes": classes}
    if kind == "eval" and not dataset:
        raise BadSpecError("An evaluation needs a dataset with annotations.", "dataset")
    if kind == "predict" and not dataset and not spec.get("files"):
        raise BadSpecError("There is nothing to predict on: name a dataset, or give pictures or a video.", "dataset")
    if kind != "eval" and spec.get("gpus", 1) > 1:
        raise BadSpecError("To %s takes one GPU; leave --gpus out." % kind, "gpus")
    if dataset:
        values["split"] = chosen_split(spec, dataset)
        values["listing"], values["images"] = dataset["splits"][values["split"]]
    if kind == "eval":
        check_classes(classes, dataset)
        values["reordered"] = list(dataset["classes"]) != classes
    return values


def check_classes(classes: Sequence[str], dataset: Mapping[str, Any]) -> None:
    """The same names; in another order, the launch lays a listing beside that has them in the trained one."""
    differ = {
        "the dataset lacks %s": [name for name in classes if name not in dataset["classes"]],
        "the model does not know %s": [name for name in dataset["classes"] if name not in classes],
    }
    said = [words % ", ".join(names) for words, names in differ.items() if names]
    if said:
        sentence = "The classes of the model and of %s differ: %s. Convert the dataset with a recipe that renames or drops classes."
        raise BadSpecError(sentence % (dataset.get("name") or "the dataset", "; ".join(said)), "dataset.classes")


def trained_config(text: str) -> Config:
    """The config of a training, which neither resumes nor loads anything of itself."""
    from mmdet.utils import register_all_modules
    from mmengine.config import Config

    try:
        cfg = Config.fromstring(text, ".py")
    except Exception as error:
        raise BadSpecError("The config of the training cannot be read any more: %s" % first_line(error), "trained.config") from error
    register_all_modules(init_default_scope=True)
    for key in ("load_from", "resume"):
        cfg.pop(key, None)
    return cfg


def check_fits(cfg: Config, checkpoint: Mapping[str, Any]) -> None:
    """The model can be built and takes over every weight."""
    from mmdet.registry import MODELS

    held = checkpoint["state_dict"]
    for name, value in built("model", MODELS, cfg.model).state_dict().items():
        if name not in held or held[name].shape != value.shape:
            shape = tuple(held[name].shape) if name in held else "nothing"
            sentence = "The checkpoint is of another model: %s is %s there and %s in the config." % (name, shape, tuple(value.shape))
            raise BadSpecError(sentence, "checkpoints")


def check_predicting(cfg: Config, spec: Mapping[str, Any], tasks: Sequence[str], classes: Sequence[str]) -> dict[str, Any]:
    """The pipeline begins with a file, and the result files asked for can be written; returns what these need."""
    loaders = [step["type"] for step in leaf_dataset(cfg.val_dataloader)["pipeline"] if step["type"].endswith("LoadImageFromFile")]
    if not loaders:
        sentence = "The pipeline of val_dataloader does not load pictures with LoadImageFromFile; nothing else can be given to it."
        raise BadSpecError(sentence, "val_dataloader.dataset.pipeline")
    if "cityscapes" not in spec.get("results", ()):
        return {}
    if "segm" not in tasks:
        raise BadSpecError("Cityscapes result files hold masks, and this model finds none.", "results")
    unknown = [name for name in classes if name not in CITYSCAPES]
    if unknown:
        sentence = "Cityscapes has no class %s; its result files know: %s." % (", ".join(unknown), ", ".join(CITYSCAPES))
        raise BadSpecError(sentence, "results")
    return {"cityscapes": CITYSCAPES}


def set_data(cfg: Config, spec: Mapping[str, Any], values: Mapping[str, Any]) -> int:
    """The test loader reads the split as the training's evaluation read its own; returns the batch."""
    cfg.test_dataloader = copy.deepcopy(cfg.val_dataloader)
    leaf_dataset(cfg.test_dataloader).update(
        data_root="", ann_file=ORDERED if values.get("reordered") else values["listing"],
        data_prefix={"img": values["images"].rstrip("/") + "/"}, metainfo={"classes": tuple(values["classes"])},
    )  # fmt: skip
    batch = spec.get("overrides", {}).get("batch") or cfg.val_dataloader.get("batch_size", 1)
    cfg.test_dataloader["batch_size"] = batch
    return int(batch)


def set_evaluation(cfg: Config, spec: Mapping[str, Any], tasks: Sequence[str], images: int) -> None:
    """What the training's own evaluations measured, and of a detector of two stages the recall of its boxes, whatever their class."""
    also = ["proposal"] if "rpn_head" in cfg.model and "bbox" in tasks else []
    listing = leaf_dataset(cfg.test_dataloader)["ann_file"]
    prefix = "%s/coco" % RESULTS if "coco" in spec.get("results", ()) else FOUND
    cfg.test_evaluator = coco_evaluators(cfg.val_evaluator, [*tasks, *also], ann_file=listing, outfile_prefix=prefix)
    batches = math.ceil(images / (cfg.test_dataloader["batch_size"] * max(1, spec.get("gpus", 1))))
    cfg.setdefault("default_hooks", {}).setdefault("logger", {"type": "LoggerHook"})["interval"] = max(1, batches // LINES_OF_PROGRESS)
