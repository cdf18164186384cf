"""The verb ``prepare`` for what is done with a trained model: it is evaluated, predicts, or is exported.

All of it starts from the config that the training was frozen with, and from the first whole checkpoint of those asked for.
"""

import copy
import os

from .checkpoints import finished_epochs, newest_whole, require_fit
from .config import frozen_text, parsed, walk
from .datasets import FOREIGN, PLAIN, leaf_of, metrics, own_class, own_types, set_files, set_names
from .errors import BadSpecError
from .identity import flags_of, identify, numbers
from .options import apply_options, raw_options
from .own_code import use_own_code
from .proof import built_model, check_dataset, register
from .request import USING, check_framework, check_request
from .schedule import takes_classwise
from .splits import chosen_split

# cityscapesscripts/helpers/labels.py: the classes with instances.
CITYSCAPES = ("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")
TEST = "tools/test.py"
PUBLISHERS = ("tools/model_converters/publish_model.py", "tools/publish_model.py")
BATCHES_SINCE = (2, 4, 0)
# What our predict program lays in an attempt's directory (predicting.py).
LISTING, PICTURES = "predicting.json", "predicting/"
# What in_trained_order.py lays there.
ORDERED = "annotations_in_trained_order.json"


def is_use(request):
    """Whether it is no training that is asked for."""
    spec = request.get("spec")
    return isinstance(spec, dict) and spec.get("kind", "train") != "train"


def prepare_use(request):
    """A PrepareRequest of a kind other than train to a Prepared (runner/frameworks/base.py)."""
    check_request(request, USING)
    spec, trained, classes = request["spec"], request["trained"], list(request["trained_classes"])
    if not trained or not classes:
        raise BadSpecError("The run whose model is asked for was never prepared, so its config is not known.", "model")
    checkout = request["code_folder"]
    found = identify({"code": checkout})
    version = numbers(found["mmdet"])
    check_framework(spec["preset"], version)
    check_wanted(spec, request.get("dataset"), classes, version)
    values = dict(trained.get("values") or {}, kind=spec["kind"], classes=classes, version=".".join(map(str, version)))
    path, checkpoint, refused = newest_whole(request["checkpoints"], resumable=False)
    own = use_own_code(request)
    cfg = trained_config(trained["config"])
    require_fit(built_model(cfg), checkpoint, "")
    values.update(tool_of(spec, checkout))
    batch = trained["batch"]
    if spec["kind"] != "export":
        batch = set_data(cfg, request, values, version, own)
    apply_options(cfg, raw_options((spec.get("overrides") or {}).get("options", ())), "overrides.options")
    return {
        "config": frozen_text(cfg), "epochs": trained["epochs"], "batch": batch, "lr": trained["lr"], "checkpoint": path,
        "checkpoint_epoch": finished_epochs(checkpoint), "refused": refused, "values": values, "revision": found["revision"],
    }  # fmt: skip


def check_wanted(spec, dataset, classes, version):
    """Refuse what could never work."""
    kind = spec["kind"]
    if kind == "export" and version[0] == 1:
        raise BadSpecError("MMDetection 1.x publishes no models; fetch the checkpoint as it is.", "kind")
    if kind == "eval" and not dataset:
        raise BadSpecError("An evaluation needs a dataset with annotations.", "dataset")
    if kind == "predict" and not dataset and not spec.get("files"):
        raise BadSpecError("There is nothing to predict on: name a dataset, or give pictures or a video.", "dataset")
    if kind != "eval" and spec.get("gpus", 1) > 1:
        raise BadSpecError("To %s takes one GPU; leave --gpus out." % kind, "gpus")
    if kind == "eval" and sorted(dataset["classes"]) != sorted(classes):
        sentence = "The model knows the classes %s, and %s has %s. Convert the dataset with a recipe that renames or drops classes."
        name = dataset.get("name") or "the dataset"
        raise BadSpecError(sentence % (", ".join(classes), name, ", ".join(dataset["classes"])), "dataset.classes")
    if "cityscapes" in (spec.get("results") or ()):
        check_cityscapes(spec["results"], classes, version)


def check_cityscapes(results, classes, version):
    """Refuse Cityscapes' result files where CityscapesDataset cannot write them."""
    unknown = [name for name in classes if name not in CITYSCAPES]
    if unknown:
        sentence = "Cityscapes has no class %s; its result files know: %s." % (", ".join(unknown), ", ".join(CITYSCAPES))
        raise BadSpecError(sentence, "results")
    if version[0] == 1:
        raise BadSpecError("MMDetection 1.x writes no Cityscapes result files.", "results")
    if "coco" in results:
        raise BadSpecError("test.py writes either COCO's result files or Cityscapes' in one go; ask for one of them.", "results")


def trained_config(text):
    """The config of a training, which neither resumes nor loads anything of itself."""
    try:
        cfg = parsed(text)
    except (ValueError, SyntaxError) as error:
        raise BadSpecError("The config of the training cannot be read any more: %s" % error, "trained.config") from error
    # What test.py takes from here it gives to the dataset, and 2.5 to 2.7 even what only the training's hook understands (save_best).
    cfg.update(load_from=None, resume_from=None, evaluation={"interval": 1})
    return cfg


def tool_of(spec, checkout):
    """The program of the checkout that does it, and the flags it knows."""
    if spec["kind"] != "export":
        return {"flags": flags_of(checkout, TEST)}
    tool = next((each for each in PUBLISHERS if os.path.isfile(os.path.join(checkout, each))), None)
    if tool is None:
        raise BadSpecError("The checkout has no %s." % PUBLISHERS[0], "code")
    return {"tool": tool}


def set_data(cfg, request, values, version, own):
    """The test dataset reads what is asked for as the training's evaluation read its own; returns the batch."""
    spec, dataset = request["spec"], request.get("dataset")
    cfg["data"]["test"] = copy.deepcopy(cfg["data"]["val"])
    leaf = leaf_of(cfg["data"]["test"])
    form = (dataset or {}).get("format") or "coco"
    if dataset:
        split = chosen_split(spec, dataset)
        values["split"], (values["listing"], values["images"]) = split, dataset["splits"][split]
    if spec["kind"] == "eval":
        values.update(set_evaluated(leaf, cfg, dataset, values, version, own, form))
    else:
        set_predicted(leaf, spec, values, version, own)
    if version[0] == 1:
        register(values["dataset_class"])
    check_dataset(leaf, "data.test")
    return set_batch(cfg, spec, version)


def set_evaluated(leaf, cfg, dataset, values, version, own, form):
    """The split's annotations, and what is measured on them."""
    if form == "voc" and version < (1, 1):
        raise BadSpecError("test.py of MMDetection 1.0 evaluates COCO annotations only; convert the dataset to COCO.", "dataset.format")
    set_type(leaf, PLAIN[form], values, version, own)
    set_files(leaf, dataset, values["split"])
    if version[0] > 1:
        leaf["classes"] = tuple(values["classes"])
    tasks = metrics(cfg, form)
    # XMLDataset finds each name in its files; COCO's labels follow the order of the listing's categories.
    reordered = form == "coco" and list(dataset["classes"]) != values["classes"]
    if reordered:
        leaf["ann_file"] = ORDERED
    return {"metrics": tasks, "reordered": reordered, "classwise": tasks[0] in ("bbox", "segm") and takes_classwise()}


def set_predicted(leaf, spec, values, version, own):
    """The listing and the folder that our predict program makes, which need no annotations."""
    cityscapes = "cityscapes" in (spec.get("results") or ())
    set_type(leaf, "CityscapesDataset" if cityscapes else "CocoDataset", values, version, own)
    for key in FOREIGN:
        leaf.pop(key, None)
    leaf.update(ann_file=LISTING, img_prefix=PICTURES)
    if version[0] > 1:
        leaf["classes"] = tuple(values["classes"])


def set_type(leaf, plain, values, version, own):
    """The plain class of the format, but for a dataset class of the preset's own; 1.x has it generated with the classes."""
    if own_types([leaf.get("type")], own):
        return
    leaf["type"] = plain
    if version[0] == 1:
        values["dataset_class"] = own_class(plain, values["classes"])
        set_names(leaf, values["classes"], 1, own)


def set_batch(cfg, spec, version):
    """Pictures that go through the model together. 2.x stacks them with DefaultFormatBundle where a single one takes ImageToTensor."""
    batch = (spec.get("overrides") or {}).get("batch") or 1
    if batch == 1:
        return 1
    if version < BATCHES_SINCE:
        sentence = "test.py of MMDetection %s takes one picture at a time (2.4 and later take more); leave --batch out."
        raise BadSpecError(sentence % ".".join(map(str, version)), "overrides.batch")
    cfg["data"]["test"]["samples_per_gpu"] = batch
    for _, node in walk(cfg["data"]["test"]):
        if node.get("type") == "ImageToTensor":
            node.clear()
            node["type"] = "DefaultFormatBundle"
    return batch
