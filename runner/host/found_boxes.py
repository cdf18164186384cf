"""Makes what an evaluation found small enough to be sent. One stdlib file for Python >= 3.6, alone on the host.

``python found_boxes.py DIRECTORY``: of DIRECTORY/found.bbox.json, or of what a training's last validation left in its work_dir (COCO
results: [{"image_id", "category_id", "bbox", "score"}, ...]), the boxes from LEAST_SCORE become DIRECTORY/results/found.json:
{"least_score", "boxes": [[image id, category id, x, y, w, h, score], ...]}. An evaluation writes every box it is a thousandth sure of, so
the file is read piece by piece, and removed at the end where nobody but us asked for it. Without such a file, and where MOST_BOXES are
exceeded, nothing is made; stdout says which, and nothing else.
"""

import json
import math
import os
import sys

OURS, OF_TRAINING = "found.bbox.json", os.path.join("work_dir", "val.bbox.json")
TARGET = os.path.join("results", "found.json")
LEAST_SCORE = 0.3
MOST_BOXES = 200 * 1000
PIECE = 1 << 20
LONGEST_RECORD = 1 << 16


def records(path):
    """The objects of a JSON list of flat objects."""
    rest = ""
    with open(path, encoding="utf-8") as file:
        for piece in iter(lambda: file.read(PIECE), ""):
            parts = (rest + piece).split("}")
            rest = parts.pop()
            if len(rest) > LONGEST_RECORD:
                raise ValueError("it is no list of flat objects")
            for part in parts:
                yield json.loads(part.lstrip("[, \r\n\t") + "}")
    if rest.strip() not in ("]", "[]"):
        raise ValueError("it ends before its end")


def kept(path):
    """The boxes that are sure enough, as they are sent; None where these are too many."""
    boxes = []
    for record in records(path):
        score, corners = float(record["score"]), [float(each) for each in record["bbox"]]
        if score >= LEAST_SCORE and len(corners) == 4 and all(map(math.isfinite, corners)):
            if len(boxes) == MOST_BOXES:
                return None
            whole = [int(record["image_id"]), int(record["category_id"])]
            boxes.append(whole + [round(each, 1) for each in corners] + [round(score, 3)])
    return boxes


def main():
    directory = sys.argv[1]
    target = os.path.join(directory, TARGET)
    sources = [path for path in (os.path.join(directory, name) for name in (OURS, OF_TRAINING)) if os.path.isfile(path)]
    if not sources:
        if not os.path.exists(target):
            print("nothing was found to make smaller")
        return
    source = sources[0]
    boxes = kept(source)
    if boxes is None:
        print("more than %d boxes are surer than %g" % (MOST_BOXES, LEAST_SCORE))
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target + ".new", "w", encoding="utf-8") as file:
            json.dump({"least_score": LEAST_SCORE, "boxes": boxes}, file, separators=(",", ":"))
        os.replace(target + ".new", target)
    if source.endswith(OURS):
        os.remove(source)


if __name__ == "__main__":
    main()
