"""What a config reads and measures: annotation files, image folders, class names, masks, metrics."""

import inspect
import os

from .config import walk
from .errors import BadSpecError
from .options import accepted_arguments, registered

# MMDetection 1.x takes the names from the class: ours is generated for the run's classes and registered by the launcher.
OWN_CLASS, OWN_MODULE = "SignalboxDataset", "signalbox_dataset"
OWN_TEXT = '''"""The classes of this run, as MMDetection 1.x wants them: on a class of their own."""

from mmdet.datasets import DATASETS, %(base)s


@DATASETS.register_module
class %(name)s(%(base)s):
    CLASSES = %(classes)r
'''
LOADING = ("LoadAnnotations", "LoadPanopticAnnotations")
PLAIN = {"coco": "CocoDataset", "voc": "XMLDataset"}
KEPT = ("CityscapesDataset",)
# What belongs to the data that the base config was written for.
FOREIGN = ("data_root", "seg_prefix", "proposal_file", "classes", "ann_subdir", "img_subdir")


def set_dataset(cfg, dataset, title, major, own_modules):
    """Classes (a tuple even for one), annotation files and image folders; returns the text of a dataset class to register, or ""."""
    check_splits(dataset, title)
    test = "test" if "test" in dataset["splits"] else "val"
    bases = set()
    for key, split in (("train", "train"), ("val", "val"), ("test", test)):
        node = single(cfg["data"].get(key) or cfg["data"]["val"])
        cfg["data"][key] = node
        leaf = leaf_of(node)
        leaf["type"] = type_for(leaf.get("type"), dataset.get("format") or "coco", own_modules)
        bases.add(leaf["type"])
        set_files(leaf, dataset, split)
        set_names(leaf, dataset["classes"], major, own_modules)
    if major > 1 or bases <= set(own_types(bases, own_modules)):
        return ""
    return own_class(sorted(bases - set(own_types(bases, own_modules)))[0], dataset["classes"])


def own_class(base, classes):
    """The text of a dataset class of 1.x with these classes."""
    return OWN_TEXT % {"base": base, "name": OWN_CLASS, "classes": tuple(classes)}


def check_splits(dataset, title):
    """A training needs a train and a val split, and classes."""
    for split in ("train", "val"):
        if split not in dataset["splits"]:
            raise BadSpecError("The dataset %s has no %s split; convert it with a recipe that splits." % (title, split), "dataset.splits")
    if not dataset["classes"]:
        raise BadSpecError("The dataset %s names no classes." % title, "dataset.classes")


def single(node):
    """The first dataset of a list of them: the run has one."""
    return node[0] if isinstance(node, (list, tuple)) else node


def repeats(node):
    """How often an epoch reads each image (RepeatDataset)."""
    times = 1
    while "dataset" in node:
        times *= node.get("times", 1)
        node = node["dataset"]
    return times


def leaf_of(node):
    """The dataset that reads files, below wrappers; of several it becomes the only one."""
    while "dataset" in node or "datasets" in node:
        if "datasets" in node:
            only = single(node["datasets"])
            node.clear()
            node.update(only)
        else:
            node["dataset"] = single(node["dataset"])
            node = node["dataset"]
    return node


def type_for(old, form, own_modules):
    """The dataset class: the preset's own, Cityscapes' own (its result files), else the plain one of the format."""
    if own_types([old], own_modules) or (form == "coco" and old in KEPT):
        return old
    return PLAIN[form]


def own_types(types, own_modules):
    """Those that are defined in the preset's own modules, or below one that is a package."""
    return [each for each in types for target in registered(each) if any(is_below(target, name) for name in own_modules)]


def is_below(target, package):
    """Whether a class is defined in this module, or in one below it."""
    return (inspect.getmodule(target).__name__ + ".").startswith(package + ".")


def set_files(leaf, dataset, split):
    """The annotations and images of a split. XMLDataset reads ``Annotations`` and ``JPEGImages`` below its prefix."""
    accepted, is_open = accepted_arguments(leaf["type"])
    for key in [key for key in leaf if key in FOREIGN or not (is_open or key in accepted or key == "type")]:
        del leaf[key]
    listing, images = dataset["splits"][split]
    prefix = os.path.dirname(images.rstrip("/")) if leaf["type"] == "XMLDataset" else images.rstrip("/")
    leaf.update(ann_file=listing, img_prefix=prefix + "/")


def set_names(leaf, classes, major, own_modules):
    """Class names: an argument since 2.0, a class of their own before."""
    if major > 1:
        leaf["classes"] = tuple(classes)
    elif not own_types([leaf["type"]], own_modules):
        leaf["type"] = OWN_CLASS


def set_classes(model, count):
    """Every number of classes of the model, in heads single or listed.

    A backbone's own stays, a class-agnostic RPN's, and a semantic head's, whose classes are others (HTC's 183 kinds of stuff).
    """
    for path, node in walk(model):
        parts = path.split(".")
        if "backbone" in parts or "semantic_head" in parts:
            continue
        for key in ("num_classes", "num_things_classes"):
            if key in node and not ("rpn_head" in parts and node[key] == 1):
                node[key] = count
        if "num_stuff_classes" in node:
            node["num_stuff_classes"] = 0


def metrics(cfg, form):
    """What evaluations measure: proposals of an RPN, boxes, and masks where the model has a head for them."""
    if form == "voc":
        return ["mAP"]
    if cfg["model"].get("type") == "RPN":
        return ["proposal_fast"]
    return ["bbox", "segm"] if has_masks(cfg) else ["bbox"]


def loading_steps(cfg):
    """The steps of the training's pipelines that load annotations."""
    return [node for _, node in walk(cfg["data"]["train"]) if node.get("type") in LOADING]


def check_stuff(cfg):
    """Refuse a model that learns from maps of stuff besides its objects: a dataset here has none."""
    for step in loading_steps(cfg):
        if step.get("with_seg") or step["type"] != LOADING[0]:
            sentence = "This config learns from maps of stuff (%s), which no dataset here has; choose one without, as htc_without_semantic."
            raise BadSpecError(sentence % ("with_seg" if step.get("with_seg") else step["type"]), "data.train.pipeline")


def has_masks(cfg):
    """Whether the model learns masks: it has a mask head, or its training pipeline loads them."""
    steps = loading_steps(cfg)
    return any(node.get("mask_head") for _, node in walk(cfg["model"])) or any(step.get("with_mask") for step in steps)


def set_masks(cfg, dataset):
    """A model that learns masks is given them; every box must have one."""
    if not has_masks(cfg):
        return
    without = "%d boxes of the dataset have no segmentation" % dataset["unmasked"] if dataset.get("unmasked") else ""
    if dataset.get("format") == "voc":
        without = "the dataset's format has none"
    if without:
        sentence = "This model learns masks, and %s: take a preset without masks, or annotate polygons."
        raise BadSpecError(sentence % without, "dataset")
    for step in loading_steps(cfg):
        step["with_mask"] = True
