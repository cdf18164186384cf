"""``python in_trained_order.py in_trained_order.json``: a COCO listing whose categories stand in the order a model was trained in.

MMDetection 3.x numbers labels in the order of a file's categories, whatever its config says (CocoDataset and CocoMetric ask
pycocotools for the ids of the class names, which answers in that order): in another order, names would be swapped silently.
Standard library only, Python 3.6 or newer.
"""

import json
import sys

TARGET = "annotations_in_trained_order.json"


def main():
    """The request: {"listing": file, "classes": [...]}; the listing names the same classes. Writes TARGET."""
    with open(sys.argv[1], encoding="utf-8") as file:
        request = json.load(file)
    with open(request["listing"], encoding="utf-8") as file:
        content = json.load(file)
    by_name = {category["name"]: category for category in content["categories"]}
    missing = [name for name in request["classes"] if name not in by_name]
    if missing:
        sys.exit("%s has no category %s." % (request["listing"], ", ".join(missing)))
    content["categories"] = [by_name[name] for name in request["classes"]]
    with open(TARGET, "w", encoding="utf-8") as file:
        json.dump(content, file)


if __name__ == "__main__":
    main()
