"""Whether Pascal VOC annotations are what M2Det's reader and its evaluation take for granted: else they end it after minutes.

data/voc0712.py wants ``difficult`` and whole coordinates of every object, and a known name; data/voc_eval.py ``pose`` and ``truncated``.
"""

import os
from xml.etree import ElementTree

from .errors import BadSpecError, listed

CORNERS = ("xmin", "ymin", "xmax", "ymax")
MOST = 1000


def check_voc(root, listing, classes, evaluated):
    """Refuse what M2Det fails on, naming the first files; returns the classes that have an object. Paths as they are given."""
    known = {name.lower().strip() for name in classes}
    found, defects = set(), []
    images = {os.path.splitext(path)[0] for path in files_below(root + "/JPEGImages")}
    with open(listing, encoding="utf-8") as file:
        stems = [line.strip() for line in file]
    for number, stem in enumerate(stems, 1):
        if len(defects) >= MOST:
            break
        at = "line %d of %s" % (number, os.path.basename(listing))
        if stem not in images:
            defects.append("%s: there is no image %s" % (at, stem or "without a name"))
            continue
        if evaluated and " " in stem:
            defects.append("%s: %r has a blank, which ends the name in files of detections" % (at, stem))
            continue
        try:
            objects = ElementTree.parse("%s/Annotations/%s.xml" % (root, stem)).getroot().iter("object")
            for each in objects:
                name = (each.findtext("name") or "").lower().strip()
                found.add(name)
                defects += ["%s.xml: %s" % (stem, problem) for problem in problems(each, name, known, evaluated)]
        except (OSError, ElementTree.ParseError) as error:
            defects.append("%s.xml: %s" % (stem, error))
    if defects:
        sentence = "M2Det cannot read %d annotations: %s; convert the dataset with a recipe that writes Pascal VOC"
        raise BadSpecError(sentence % (len(defects), listed(defects, 5)), listing)
    return found


def files_below(folder):
    """The paths of all files of a folder, relative to it."""
    return [os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names]


def problems(each, name, known, evaluated):
    """What is wrong with one object. Names need to be known for training only: an evaluation passes over the others."""
    if not evaluated and name not in known:
        yield "the class %r is not among the dataset's" % name
    for tag in ("difficult", "truncated") if evaluated else ("difficult",):
        if not is_whole(each.findtext(tag)):
            yield "an object has no <%s> of 0 or 1" % tag
    if evaluated and each.find("pose") is None:
        yield "an object has no <pose>"
    for corner in CORNERS:
        value = each.findtext("bndbox/" + corner)
        if not is_whole(value):
            yield "%s is %s, and M2Det reads whole numbers only" % (corner, value)


def is_whole(text):
    """Whether ``int()`` reads it."""
    try:
        int(text)
    except (TypeError, ValueError):
        return False
    return True
