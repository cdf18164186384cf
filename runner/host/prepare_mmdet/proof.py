"""Proves a config before any GPU is taken: its parts are built, its model runs once, its data files are there."""

from __future__ import annotations

import contextlib
import copy
import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .datasets import leaf_dataset
from .errors import BadSpecError, did_you_mean, first_line
from .options import accepted_arguments
from .pretrained import leave_out

KNOWN_DEFECTS = {
    "'SSDHead' object has no attribute 'loss_cls'": "mmdet 3.3.0 cannot evaluate SSD as it is: "
    "give the preset a module of its own with a subclass of SSDHead that says `loss_cls = None`, and model.bbox_head.type its name",
}
# From 900 places on DINO can choose its 900 queries; on the few boxes of one image, nothing shows that more would.
PROOF_SIDE, LARGEST_PROOF_SIDE, PROOF_BOXES = 224, 640, 20
WITHOUT_MASK = "This model learns masks, and %s: take a preset without masks, or annotate polygons."

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.registry import Registry
    from torch.nn import Module


def prove(cfg: Config, classes: Sequence[str]) -> Module:
    """Build everything that needs no data, run the model once, and return it. A BadSpecError says what refuses."""
    from mmengine.logging import MMLogger

    # At its own level it tells how every single parameter is initialized and optimized.
    MMLogger.get_current_instance().setLevel("ERROR")
    model = proof_model(cfg)
    check_heads(model, len(classes))
    check_pass(model, proof_side(cfg))
    check_optimizer(model, cfg)
    for name in ("train_dataloader", "val_dataloader"):
        check_dataset(name + ".dataset", cfg[name]["dataset"])
    for name, hook in list((cfg.get("default_hooks") or {}).items()) + [("custom_hooks", hook) for hook in cfg.get("custom_hooks") or []]:
        if isinstance(hook, dict):
            check_hook(name, hook)
    return model


def proof_model(cfg: Config) -> Module:
    """The model on the CPU, with new weights: a head that was never initialized may propose boxes of negative size."""
    from mmdet.registry import MODELS
    from mmengine.model import revert_sync_batchnorm

    bare = copy.deepcopy(cfg)
    leave_out(bare)
    proposals = (bare.model.get("test_cfg") or {}).get("rpn")
    if proposals:
        proposals["max_per_img"] = PROOF_BOXES
    model = revert_sync_batchnorm(built("model", MODELS, bare.model))
    for name, part in model.named_children():
        if name != "backbone" and hasattr(part, "init_weights"):
            part.init_weights()
    return model


def check_dataset(key: str, dataset: Mapping[str, Any]) -> None:
    """The dataset that reads files is built without reading them; what wraps it, only its pipeline."""
    from mmdet.registry import DATASETS, TRANSFORMS

    if "dataset" in dataset:
        check_dataset(key + ".dataset", dataset["dataset"])
        for step in dataset.get("pipeline") or ():
            built(key + ".pipeline", TRANSFORMS, step)
        return
    accepted, is_open = accepted_arguments(dataset.get("type")) or (set(), True)
    built(key, DATASETS, dict(dataset, lazy_init=True) if is_open or "lazy_init" in accepted else dataset)


def built(key: str, registry: Registry, config: Any) -> Any:
    """The object that a registry makes of a config, or a BadSpecError with the framework's own words."""
    try:
        return registry.build(copy.deepcopy(config))
    except Exception as error:
        raise BadSpecError("MMDetection cannot build the config's %s: %s" % (key, first_line(error)), key) from error


def check_heads(model: Module, count: int) -> None:
    """As mmdet's NumClassCheckHook does when the training already runs."""
    from mmdet.models.dense_heads import RPNHead

    for name, module in model.named_modules():
        is_head = hasattr(module, "num_classes") and not isinstance(module, RPNHead) and not name.startswith(("backbone", "rpn_head"))
        if is_head and module.num_classes != count:
            sentence = "%s is made for %d classes and the dataset has %d." % (name or type(module).__name__, module.num_classes, count)
            raise BadSpecError(sentence, "model.%s.num_classes" % name)


def proof_side(cfg: Config) -> int:
    """The side of the proof's image: the size that the model is tested at, where that is fixed and small; some need no less."""
    sides = [max(step["scale"]) for step in leaf_dataset(cfg.val_dataloader).get("pipeline", ()) if is_fixed(step.get("scale"))]
    return max([PROOF_SIDE, *(side for side in sides if side <= LARGEST_PROOF_SIDE)])


def is_fixed(scale: Any) -> bool:
    """Whether a step of a pipeline names one size."""
    return isinstance(scale, (list, tuple)) and len(scale) == 2 and all(isinstance(side, int) for side in scale)


def check_pass(model: Module, side: int) -> None:
    """One black image through the whole model, which it leaves in evaluation mode."""
    import numpy
    import torch
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    shape = (side, side)
    known = {"img_shape": shape, "ori_shape": shape, "pad_shape": shape, "batch_input_shape": shape, "scale_factor": (1.0, 1.0)}
    known.update(img_id=0, img_path="", border=numpy.zeros(4, dtype=numpy.float32))
    nothing = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long))
    image, sample = torch.zeros(1, 3, side, side), DetDataSample(metainfo=known, gt_instances=nothing)
    model.eval()
    with torch.no_grad():
        try:
            # Weights that learned nothing may find boxes of no size, at which some heads stop; what counts is that the parts fit.
            with contextlib.suppress(RuntimeError, IndexError, ValueError):
                model(image, [sample], mode="predict")
                return
            model(image, [sample], mode="tensor")
        except Exception as error:
            raise BadSpecError("The model's parts do not fit together: %s" % explained(error), "model") from error


def explained(error: Exception) -> str:
    """What the framework said, and for a defect of its own what helps."""
    said = first_line(error)
    return next(("%s; %s" % (said, advice) for sign, advice in KNOWN_DEFECTS.items() if sign in said), said)


def check_optimizer(model: Module, cfg: Config) -> None:
    """Build the optimizer for this model's parameters."""
    from mmengine.optim import build_optim_wrapper

    try:
        build_optim_wrapper(model, copy.deepcopy(cfg.optim_wrapper))
    except Exception as error:
        raise BadSpecError("MMDetection cannot build the config's optim_wrapper: %s" % first_line(error), "optim_wrapper") from error


def checkpoint_bytes(model: Module, cfg: Config) -> int:
    """How large a checkpoint of a training will be: its weights, the averaged ones where a hook keeps them, and what the optimizer
    remembers of each parameter (two numbers of Adam's kind, one of SGD's where that has momentum)."""
    optimizer = cfg.optim_wrapper.get("optimizer") or {}
    remembered = 2 if "adam" in str(optimizer.get("type", "")).lower() else 1 if optimizer.get("momentum") else 0
    weights = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    learned = sum(value.numel() * value.element_size() for value in model.parameters() if value.requires_grad)
    averaged = any("EMA" in str(hook.get("type", "")) for hook in cfg.get("custom_hooks") or [])
    return int(weights * (1 + averaged) + learned * remembered)


def check_hook(name: str, hook: Mapping[str, Any]) -> None:
    """A hook's type and arguments, without making it: some ask for a running training."""
    accepted = accepted_arguments(hook.get("type", ""))
    if accepted is None:
        raise BadSpecError("The hook %s has an unknown type %r." % (name, hook.get("type")), name)
    names, is_open = accepted
    for key in sorted(set(hook) - names - {"type", "priority"}) if not is_open else ():
        raise BadSpecError("The hook %s (%s) takes no %r%s." % (name, hook["type"], key, did_you_mean(key, names)), name)


def check_files(folder: str, dataset: Mapping[str, Any], *, masks: bool) -> None:
    """Every box has a mask where the model learns ``masks``. Where the data tree lies beside, its annotation files must be there and list
    the classes in this order.

    mmdet numbers labels in the order of the file's categories: in another order, names are swapped silently.
    """
    if masks and dataset.get("unmasked"):
        raise BadSpecError(WITHOUT_MASK % ("%d boxes of the dataset have no segmentation" % dataset["unmasked"]), "dataset")
    if not os.path.isdir(os.path.join(folder, "data")):
        return
    for split, (listing, images) in sorted(dataset["splits"].items()):
        for path in (listing, images):
            if not os.path.exists(os.path.join(folder, path)):
                raise BadSpecError("The %s split of the dataset lacks %s." % (split, path), path)
        try:
            with open(os.path.join(folder, listing), encoding="utf-8") as file:
                content = json.load(file)
            names = [category["name"] for category in content["categories"]]
            bare = [item["id"] for item in content["annotations"] if not item.get("segmentation")]
        except (ValueError, KeyError, TypeError) as error:
            raise BadSpecError("%s is not a COCO annotation file: %s" % (listing, first_line(error)), listing) from error
        if names != list(dataset["classes"]):
            raise BadSpecError("%s lists the categories %s, the dataset says %s." % (listing, names, list(dataset["classes"])), listing)
        if masks and bare:
            said = "%d of %d annotations of %s have no segmentation (the first is annotation %s)"
            raise BadSpecError(WITHOUT_MASK % (said % (len(bare), len(content["annotations"]), listing, bare[0])), listing)
