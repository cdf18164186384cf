"""``predict``: lays pictures out, runs the checkout's own test.py on them, and makes of its results what people get (``results/``).

The request: {program, classes, listing, images, files: [{name, path}], score, results, drawn}; ``program`` is the argv of test.py, which
leaves predictions.pkl and, where it can (2.x), drawings in the folder ``drawn``.
"""

import json
import os
import pickle
import shutil
import subprocess

RESULTS, PICKLE = "results", "predictions.pkl"
SHOWN, MOST_NAMED = 10, 100
LONGEST_REASON = 300


def predict(request):
    """The exit code: test.py's own where that failed. A sentence where not one picture could be read."""
    from .sources import lay_out

    if "cityscapes" in request["results"]:
        os.makedirs("%s/cityscapes" % RESULTS, exist_ok=True)
    pictures, left_out = lay_out(request)
    for item in left_out:
        print("left out: %(name)s: %(why)s" % item, flush=True)
    if not pictures:
        first = ", ".join("%(name)s (%(why)s)" % item for item in left_out[:3]) or "there was none"
        return "failed to load image: %s" % first[:LONGEST_REASON]
    say(signalbox="step", phase="predicting", done=0, total=len(pictures))
    code = subprocess.call(request["program"])
    if code:
        return 128 - code if code < 0 else code
    with open(PICKLE, "rb") as file:
        found = [detections(result) for result in pickle.load(file)]
    if len(found) != len(pictures):
        return "test.py answered for %d pictures of %d." % (len(found), len(pictures))
    summary = made_of(request, pictures, found)
    summary.update(left_out=left_out[:MOST_NAMED], left_out_count=len(left_out))
    if "pickle" in request["results"]:
        shutil.copyfile(PICKLE, "%s/%s" % (RESULTS, PICKLE))
    say(signalbox="step", phase="predicting", done=len(pictures), total=len(pictures))
    say(signalbox="result", summary=summary)
    return 0


def say(**values):
    """One line of ours in the log, whose first key is ``signalbox``."""
    print(json.dumps(values, ensure_ascii=True, separators=(",", ":")), flush=True)


def detections(result):
    """(label, score, box, mask or None) of a picture's result, best first. A result is a list of arrays (boxes and score) by class, of
    a model with masks a pair of it and the run lengths by class; Mask Scoring R-CNN's masks come with scores of their own."""
    if isinstance(result, dict):
        result = result["ins_results"]
    boxes, masks = result if isinstance(result, tuple) else (result, None)
    if isinstance(masks, tuple):
        masks = masks[0]
    found = []
    for label, rows in enumerate(boxes):
        for at, row in enumerate(rows):
            values = [float(value) for value in row]
            found.append((label, values[4], values[:4], masks[label][at] if masks else None))
    return sorted(found, key=lambda item: -item[1])


def made_of(request, pictures, found):
    """Boxes as JSON, drawings and videos; returns the sum of it."""
    from .drawing import Drawings

    classes, least = request["classes"], request["score"]
    drawings, counts, best = Drawings(request), dict.fromkeys(classes, 0), []
    with open("%s/predictions.json" % RESULTS, "w", encoding="utf-8") as file:
        before = "[\n"
        for picture, items in zip(pictures, found):  # noqa: B905 - strict came with Python 3.10
            for item in items:
                file.write(before + json.dumps(entry(picture, item, classes), ensure_ascii=False))
                before = ",\n"
            seen = [item for item in items if item[1] >= least]
            for item in seen:
                counts[classes[item[0]]] += 1
            path = drawings.add(picture, seen)
            if path:
                best.append({"picture": path, "boxes": len(seen), "score": round(seen[0][1], 4) if seen else 0.0})
        file.write(("" if before.startswith(",") else "[") + "\n]\n")
    drawings.finish()
    frames = sum(1 for picture in pictures if picture.video)
    return {
        "images": len(pictures), "frames": frames, "boxes": sum(counts.values()), "score": least, "per_class": counts,
        "shown": sorted(best, key=lambda item: -item["score"])[:SHOWN],
    }  # fmt: skip


def entry(picture, item, classes):
    """A line of predictions.json: a COCO result (x, y, width, height) with the names that people know."""
    label, score, (x1, y1, x2, y2), _ = item
    told = {
        "image_id": picture.image_id, "category_id": label + 1, "bbox": [round(side, 2) for side in (x1, y1, x2 - x1, y2 - y1)],
        "score": round(score, 4), "file_name": picture.name, "category": classes[label],
    }  # fmt: skip
    return dict(told, frame=picture.number) if picture.video else told
