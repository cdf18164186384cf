"""Where M2Det looks for a dataset, and how an attempt's ``data/`` is shown there: by links, in the attempt's own directory.

VOC: ``<VOCroot>/VOC<year>/{Annotations/<id>.xml, JPEGImages/<id>.jpg, ImageSets/Main/<set>.txt}``; the year has to be a number, below
2010 for the metric of eleven points. COCO: ``<COCOroot>/annotations/instances_<set><year>.json`` and
``images/<set><year>/COCO_<set><year>_<id of 12 digits>.jpg``, with a cache below HOME; a set called test is never evaluated.
Either reads a file by its content, whatever its suffix says.
"""

import json
import os
import re

from .annotations import files_below
from .errors import BadSpecError, listed

VOC_ROOT, COCO_ROOT, RESULTS = "VOCdevkit", "coco", "results"
HOME = "home"
LISTS = "ImageSets/Main/"
YEAR_OF_OTHERS = "2012"
FORMATS = {"voc": "VOC", "coco": "COCO"}


def source_of(dataset, train, evaluated):
    """What a launch needs to know of a dataset; ``train`` and ``evaluated`` name splits, either may be None."""
    kind = FORMATS.get(dataset["format"])
    if kind is None:
        sentence = "M2Det reads Pascal VOC and COCO, and the dataset %s is %s." % (dataset["name"], dataset["format"])
        raise BadSpecError(sentence, "dataset.format")
    source = {"kind": kind, "classes": list(dataset["classes"]), "sets": {}}
    for part, split in (("train", train), ("eval", evaluated)):
        if split is None:
            continue
        if split not in dataset["splits"]:
            known = ", ".join(sorted(dataset["splits"])) or "none"
            raise BadSpecError("The dataset %s has no %s split; it has: %s." % (dataset["name"], split, known), "dataset.splits")
        source["sets"][part] = list(dataset["splits"][split])
    return dict(source, **voc_folder(dataset, source["sets"])) if kind == "VOC" else source


def voc_folder(dataset, sets):
    """The folder that holds all of a VOC dataset, and the year it is shown as."""
    roots = {listing.partition(LISTS)[0].rstrip("/") for listing, _ in sets.values()}
    if len(roots) != 1:
        raise BadSpecError("The splits of %s lie in several VOC folders: %s." % (dataset["name"], listed(sorted(roots))), "dataset.splits")
    root = roots.pop()
    year = re.fullmatch(r"VOC(\d{1,4})", os.path.basename(root))
    return {"root": root, "year": year.group(1) if year else YEAR_OF_OTHERS}


def set_dataset(cfg, source):
    """Point a config at the dataset; returns sentences for people."""
    sets = {part: set_name(source, part) for part in source["sets"]}
    year = source.get("year", "")
    shown = {"%s_sets" % part: [(year, name)] for part, name in sets.items()}
    everything = {"train_sets": [], "eval_sets": [], "test_sets": []}
    cfg["dataset"] = {kind: dict(everything, **(shown if kind == source["kind"] else {})) for kind in ("VOC", "COCO")}
    cfg["VOCroot"], cfg["COCOroot"] = VOC_ROOT + "/", COCO_ROOT + "/"
    if source["kind"] == "VOC" and "eval" in sets and os.path.basename(source["root"]) != "VOC" + year:
        return ["%s is shown to M2Det as VOC%s, for it needs a year." % (os.path.basename(source["root"]) or "The dataset", year)]
    return []


def set_name(source, part):
    """What the set of a part is called; for COCO never test, which M2Det does not evaluate."""
    return os.path.basename(source["sets"][part][0])[: -len(".txt")] if source["kind"] == "VOC" else part


def lay(source):
    """Show the dataset in the working directory where the config says it is."""
    os.makedirs(RESULTS, exist_ok=True)
    if source["kind"] == "VOC":
        lay_voc(source)
    else:
        for part in source["sets"]:
            lay_coco(source, part)


def lay_voc(source):
    """One link, or where images are not called ``.jpg`` one for each."""
    tree = "%s/VOC%s" % (VOC_ROOT, source["year"])
    images = source["root"] + "/JPEGImages"
    names = files_below(images)
    if all(name.endswith(".jpg") for name in names):
        link(source["root"], tree)
        return
    for folder in ("Annotations", "ImageSets"):
        link("%s/%s" % (source["root"], folder), "%s/%s" % (tree, folder))
    for name in names:
        link("%s/%s" % (images, name), "%s/JPEGImages/%s.jpg" % (tree, os.path.splitext(name)[0]))


def lay_coco(source, part):
    """The annotation file and an image for each of its records, by the names that M2Det makes up; and its cache."""
    annotations, images = source["sets"][part]
    with open(annotations, encoding="utf-8") as file:
        content = json.load(file)
    names = [category["name"] for category in content["categories"]]
    if names != source["classes"]:
        sentence = "The file lists the categories %s and the model has the classes %s, in this order."
        raise BadSpecError(sentence % (listed(names), listed(source["classes"])), annotations)
    link(annotations, "%s/annotations/instances_%s.json" % (COCO_ROOT, part))
    for image in content["images"]:
        place = "%s/images/%s/COCO_%s_%s.jpg" % (COCO_ROOT, part, part, str(image["id"]).zfill(12))
        link(os.path.join(images, image["file_name"]), place)
    # A cache of another dataset, at the person's own home, would be taken for this one's.
    os.makedirs(HOME + "/data/coco_cache", exist_ok=True)
    os.environ.setdefault("TORCH_HOME", os.path.join(os.path.expanduser("~"), ".cache", "torch"))
    os.environ["HOME"] = os.path.abspath(HOME)


def link(target, place):
    """A relative link, in place of one that is there already."""
    os.makedirs(os.path.dirname(place), exist_ok=True)
    if os.path.islink(place):
        os.remove(place)
    os.symlink(os.path.relpath(target, os.path.dirname(place)), place)
