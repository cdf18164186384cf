"""The verb ``launch``: the checkout's own train.py or test.py, unmodified, in the attempt's directory.

``data/voc0712.py`` knows the twenty classes of Pascal VOC and no others; they are replaced before the program starts. The reader's
table is made when the module is imported, and holds lower-case names; the evaluation compares names as they are written.
"""

import glob
import json
import os
import runpy
import sys

from .annotations import check_voc
from .datasets import lay
from .errors import BadSpecError
from .revisions import source_digest

TRAIN, TEST = "train.py", "test.py"
BACKGROUND = "__background__"


def launch(plan, arguments):
    """``launch PROGRAM ARGUMENTS``; ``plan`` is m2det.json: {code, sources, source, epochs}."""
    program, checkout = arguments[0], plan["code"]
    if source_digest(checkout) != plan["sources"]:
        raise BadSpecError("The checkout is not what it was when this run was prepared; submit it again", checkout)
    lay(plan["source"])
    enter(checkout, arguments)
    if plan["source"]["kind"] == "VOC":
        check(plan["source"], evaluated=program == TEST)
        name_classes(plan["source"]["classes"])
    if program == TRAIN:
        os.makedirs("weights", exist_ok=True)
    runpy.run_path(os.path.join(checkout, program), run_name="__main__")
    if program == TRAIN:
        tell_final(plan["epochs"])


def enter(checkout, arguments):
    """As ``python <checkout>/<program>`` has it."""
    sys.argv = [os.path.join(checkout, arguments[0]), *arguments[1:]]
    sys.path[0] = checkout


def check(source, evaluated):
    """Every annotation of the set that is used; says which classes cannot be measured."""
    listing, _ = source["sets"]["eval" if evaluated else "train"]
    found = check_voc(source["root"], listing, source["classes"], evaluated)
    absent = [name for name in source["classes"] if name.lower().strip() not in found]
    if evaluated and absent:
        print("signalbox: no box of %s to be found; M2Det counts that as AP 0, which lowers the mean." % ", ".join(absent), flush=True)


def name_classes(classes):
    """Give the reader and the evaluation the dataset's names."""
    import data
    import data.voc0712 as voc

    names = (BACKGROUND, *classes)
    voc.VOC_CLASSES = data.VOC_CLASSES = names
    numbers = {name.lower().strip(): number for number, name in enumerate(names)}
    for default in voc.VOCDetection.__init__.__defaults__:
        if isinstance(default, voc.AnnotationTransform):
            default.class_to_ind = numbers
    voc.voc_eval = measured(voc.voc_eval)


def measured(voc_eval):
    """The evaluation of a class, which fails on one that nothing was found of: that is AP 0."""

    def evaluate(found_in, *arguments, **options):
        if os.path.getsize(found_in) == 0:
            return 0.0, 0.0, 0.0
        return voc_eval(found_in, *arguments, **options)

    return evaluate


def tell_final(epochs):
    """The checkpoint at the end holds all epochs; its name does not say how many."""
    for path in sorted(glob.glob("weights/Final_M2Det_*.pth")):
        line = {"signalbox": "checkpoint", "name": os.path.basename(path), "epoch": epochs, "size_bytes": os.path.getsize(path)}
        print("\n" + json.dumps(line), flush=True)
