"""Proves a config before any GPU is taken: its parts are built, its model runs once, its data files are there."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .errors import BadSpecError, did_you_mean, first_line
from .options import accepted_arguments

PROOF_SIDE = 128
WITHOUT_MASK = (
    "This model learns masks, and %d of %d annotations of %s have no segmentation (the first is annotation %s): "
    "take a preset without masks, or annotate polygons."
)

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.registry import Registry
    from torch.nn import Module


def prove(cfg: Config, classes: Sequence[str]) -> Module:
    """Build everything that needs no data, run the model once, and return it. A BadSpecError says what refuses."""
    from mmdet import registry
    from mmengine.model import revert_sync_batchnorm

    model = revert_sync_batchnorm(built("model", registry.MODELS, cfg.model))
    check_heads(model, len(classes))
    check_pass(model)
    check_optimizer(model, cfg)
    for name in ("train_dataloader", "val_dataloader"):
        built(name + ".dataset", registry.DATASETS, lazy(cfg[name]["dataset"]))
    for name, hook in list((cfg.get("default_hooks") or {}).items()) + [("custom_hooks", hook) for hook in cfg.get("custom_hooks") or []]:
        if isinstance(hook, dict):
            check_hook(name, hook)
    return model


def lazy(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """A dataset's config that reads no file, in its wrappers too."""
    made = dict(dataset)
    if "dataset" in made:
        made["dataset"] = lazy(made["dataset"])
    accepted, is_open = accepted_arguments(made.get("type")) or (set(), False)
    return dict(made, lazy_init=True) if is_open or "lazy_init" in accepted else made


def built(key: str, registry: Registry, config: Any) -> Any:
    """The object that a registry makes of a config, or a BadSpecError with the framework's own words."""
    try:
        return registry.build(copy.deepcopy(config))
    except Exception as error:
        raise BadSpecError("MMDetection cannot build the config's %s: %s" % (key, first_line(error)), key) from error


def check_heads(model: Module, count: int) -> None:
    """As mmdet's NumClassCheckHook does when the training already runs."""
    for name, module in model.named_modules():
        is_head = hasattr(module, "num_classes") and not name.endswith("rpn_head") and not name.startswith("backbone")
        if is_head and module.num_classes != count:
            sentence = "%s is made for %d classes and the dataset has %d." % (name or type(module).__name__, module.num_classes, count)
            raise BadSpecError(sentence, "model.%s.num_classes" % name)


def check_pass(model: Module) -> None:
    """One small grey image through the whole model, which it leaves in evaluation mode."""
    import torch
    from mmdet.structures import DetDataSample

    height, width = shape = (PROOF_SIDE, PROOF_SIDE)
    sizes = {"img_shape": shape, "ori_shape": shape, "pad_shape": shape, "batch_input_shape": shape, "scale_factor": (1.0, 1.0)}
    model.eval()
    try:
        with torch.no_grad():
            model(torch.zeros(1, 3, height, width), [DetDataSample(metainfo=dict(sizes, img_id=0, img_path=""))], mode="predict")
    except Exception as error:
        raise BadSpecError("The model's parts do not fit together: %s" % first_line(error), "model") from error


def check_optimizer(model: Module, cfg: Config) -> None:
    """Build the optimizer for this model's parameters."""
    from mmengine.optim import build_optim_wrapper

    try:
        build_optim_wrapper(model, copy.deepcopy(cfg.optim_wrapper))
    except Exception as error:
        raise BadSpecError("MMDetection cannot build the config's optim_wrapper: %s" % first_line(error), "optim_wrapper") from error


def check_hook(name: str, hook: Mapping[str, Any]) -> None:
    """A hook's type and arguments, without making it: some ask for a running training."""
    accepted = accepted_arguments(hook.get("type", ""))
    if accepted is None:
        raise BadSpecError("The hook %s has an unknown type %r." % (name, hook.get("type")), name)
    names, is_open = accepted
    for key in sorted(set(hook) - names - {"type", "priority"}) if not is_open else ():
        raise BadSpecError("The hook %s (%s) takes no %r%s." % (name, hook["type"], key, did_you_mean(key, names)), name)


def check_files(folder: str, dataset: Mapping[str, Any], *, masks: bool) -> None:
    """Where the data tree lies beside, its annotation files must be there and list the classes in this order.

    mmdet numbers labels in the order of the file's categories: in another order, names are swapped silently.
    """
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
            raise BadSpecError(WITHOUT_MASK % (len(bare), len(content["annotations"]), listing, bare[0]), listing)
