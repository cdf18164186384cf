"""Proves a config before any GPU is taken: its model and pipelines are built, its dataset classes and data files are there."""

import copy
import json
import os

from .config import walk
from .datasets import leaf_of
from .errors import BadSpecError, did_you_mean, first_line
from .options import accepted_arguments, registered, registries

FRAMEWORKS_WORDS = "MMDetection cannot build the config's %s: %s"


def prove(cfg, classes, own_text, major):
    """Build everything that needs no data and return the model. A BadSpecError says what refuses, in the framework's own words."""
    if own_text:
        register(own_text)
    model = built_model(cfg)
    check_heads(model, len(classes) + (1 if major == 1 else 0))
    for key in ("train", "val", "test"):
        check_dataset(leaf_of(copy.deepcopy(cfg["data"][key])), "data.%s" % key)
    check_optimizer(cfg, model)
    return model


def register(own_text):
    """The generated dataset class, known to MMDetection as it will be at the launch."""
    from .datasets import OWN_CLASS

    if not registered(OWN_CLASS):
        exec(compile(own_text, "signalbox_dataset.py", "exec"), {"__name__": "signalbox_dataset"})


def built_model(cfg):
    """The detector, without the weights of an ImageNet backbone: 1.x would download them while it builds."""
    from mmdet.models import build_detector

    model = copy.deepcopy(cfg["model"])
    for _, node in walk(model):
        if "pretrained" in node:
            node["pretrained"] = None
    sections = {key: as_config(cfg[key]) for key in ("train_cfg", "test_cfg") if cfg.get(key) is not None}
    try:
        return build_detector(as_config(model), **sections)
    except Exception as error:
        raise BadSpecError(FRAMEWORKS_WORDS % ("model", first_line(error) + nearest_type(cfg["model"])), "model") from error


def as_config(value):
    """A dictionary with dots, as models read it."""
    from mmcv import Config

    return Config({"it": copy.deepcopy(value)})._cfg_dict["it"]


def nearest_type(node):
    """A hint for a type that is registered nowhere."""
    known = known_types()
    for path, part in walk(node):
        name = part.get("type")
        if isinstance(name, str) and name not in known and did_you_mean(name, known):
            return "; %s.type is %r%s" % (path or "model", name, did_you_mean(name, known))
    return ""


def known_types():
    """Every name that MMDetection's registries hold."""
    return {name for held in registries() for name in held}


def check_heads(model, count):
    """As mmdet's NumClassCheckHook does when the training already runs (2.9 and later)."""
    for name, module in model.named_modules():
        parts = name.split(".")
        made_for = getattr(module, "num_classes", None)
        if made_for is None or "backbone" in parts or "semantic_head" in parts or "rpn_head" in parts or parts[-1].startswith("loss"):
            continue
        if isinstance(made_for, int) and made_for != count:
            sentence = "%s is made for %d classes and the dataset needs %d." % (name or type(module).__name__, made_for, count)
            raise BadSpecError(sentence, "model.%s.num_classes" % name)


def check_dataset(leaf, where):
    """A dataset's class, its arguments and its pipeline."""
    from mmdet.datasets.pipelines import Compose

    name = leaf.get("type")
    if not registered(name):
        raise BadSpecError("There is no dataset class %r%s." % (name, did_you_mean(str(name), known_types())), where + ".type")
    accepted, is_open = accepted_arguments(name)
    for key in sorted(set(leaf) - accepted - {"type"}) if not is_open else ():
        raise BadSpecError("The dataset class %s takes no %r%s." % (name, key, did_you_mean(key, accepted)), where)
    try:
        Compose([as_config(step) for step in leaf["pipeline"]])
    except Exception as error:
        said = first_line(error) + nearest_type({"pipeline": leaf["pipeline"]})
        raise BadSpecError(FRAMEWORKS_WORDS % (where + ".pipeline", said), where + ".pipeline") from error


def check_optimizer(cfg, model):
    """Build the optimizer for this model's parameters, where this mmcv offers that (0.5.2 and later)."""
    import mmcv.runner

    build = getattr(mmcv.runner, "build_optimizer", None)
    if build is None:
        return
    try:
        build(model, as_config(cfg["optimizer"]))
    except Exception as error:
        raise BadSpecError(FRAMEWORKS_WORDS % ("optimizer", first_line(error)), "optimizer") from error


def check_files(folder, dataset):
    """Where the data tree lies beside, its annotation files must be there and list the classes in this order.

    mmdet numbers labels in the order of the file's categories (1.x: of all of them): in another order, names are swapped silently.
    """
    if not os.path.isdir(os.path.join(folder, "data")):
        return
    for split, (listing, images) in sorted(dataset["splits"].items()):
        for path in (listing, images):
            if not os.path.exists(os.path.join(folder, path)):
                raise BadSpecError("The %s split of the dataset lacks %s." % (split, path), path)
        if (dataset.get("format") or "coco") == "coco":
            check_categories(os.path.join(folder, listing), listing, dataset["classes"])


def check_categories(path, listing, classes):
    """The categories of a COCO listing are the classes, in their order."""
    try:
        with open(path, encoding="utf-8") as file:
            names = [category["name"] for category in json.load(file)["categories"]]
    except (ValueError, KeyError, TypeError) as error:
        raise BadSpecError("%s is not a COCO annotation file: %s" % (listing, first_line(error)), listing) from error
    if names != list(classes):
        raise BadSpecError("%s lists the categories %s, the dataset says %s." % (listing, names, list(classes)), listing)
