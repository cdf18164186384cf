"""Stands in for M2Det's Pascal VOC evaluation: its cache, the tags it wants, and its failure on a class without any detection.

AP is the share of boxes that were found: enough where nothing is found twice.
"""

import os
import pickle
import xml.etree.ElementTree as ET

CORNERS = ("xmin", "ymin", "xmax", "ymax")


def voc_eval(detpath, annopath, imagesetfile, classname, cachedir, ovthresh=0.5, use_07_metric=False):
    if not os.path.isdir(cachedir):
        os.mkdir(cachedir)
    cachefile = os.path.join(cachedir, "annots.pkl")
    with open(imagesetfile) as file:
        names = [line.strip() for line in file]
    if not os.path.isfile(cachefile):
        recs = {name: parse_rec(annopath.format(name)) for name in names}
        print("Reading annotation for 1/{:d}".format(len(names)))
        print("Saving cached annotations to {:s}".format(cachefile))
        with open(cachefile, "wb") as file:
            pickle.dump(recs, file)
    else:
        with open(cachefile, "rb") as file:
            recs = pickle.load(file)
    truth = [(name, obj["bbox"]) for name in names for obj in recs[name] if obj["name"] == classname]
    with open(detpath) as file:
        found = [line.split(" ") for line in file]
    if not found:
        raise IndexError("too many indices for array: array is 1-dimensional, but 2 were indexed")
    for each in found:
        recs[each[0]]
    hits = [box for box in truth if any(box[0] == each[0] and overlap(box[1], [float(v) for v in each[2:]]) > ovthresh for each in found)]
    ap = len(hits) / float(len(truth)) if truth else 0.0
    return ap, ap, ap


def parse_rec(filename):
    found = []
    for obj in ET.parse(filename).findall("object"):
        one = {"name": obj.find("name").text, "pose": obj.find("pose").text, "truncated": int(obj.find("truncated").text)}
        one["difficult"] = int(obj.find("difficult").text)
        one["bbox"] = [int(obj.find("bndbox").find(each).text) for each in CORNERS]
        found.append(one)
    return found


def overlap(a, b):
    wide, high = min(a[2], b[2]) - max(a[0], b[0]) + 1, min(a[3], b[3]) - max(a[1], b[1]) + 1
    inside = max(0, wide) * max(0, high)
    return inside / float((a[2] - a[0] + 1) * (a[3] - a[1] + 1) + (b[2] - b[0] + 1) * (b[3] - b[1] + 1) - inside)
