"""What a training would stumble over in the records, found before it starts: no files, torn files, boxes that stop it, unknown classes."""

from __future__ import annotations

import glob
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .errors import BadSpecError, first_line
from .labels import read

MOST_TOLD = 5
SCAN_S = 60.0
TOLERANCE = 1e-6
"""How far beyond 0 and 1 a coordinate may lie; the float32 of a box at the very border is no mistake."""


def check(request: Mapping[str, Any]) -> dict[str, Any]:
    """The verb ``check``: {"labels", "label_map", "splits": {name: glob}, "pipelines"} to {"records", "notes"}, in the working directory.

    BadSpecError where the label map is another than the one prepared for, or the records cannot be trained on.
    """
    labels = read(request["label_map"])
    if labels != request["labels"]:
        raise BadSpecError("The dataset's label map (%s) is not the one that was prepared for (%s)." % (labels, request["labels"]),
                           request["label_map"])
    count, notes = 0, []
    for split, pattern in request["splits"].items():
        paths = matching(pattern)
        if split == "train" and len(paths) < request["pipelines"]:
            raise BadSpecError("%d hosts need at least as many record files, and %s matches %d; write more shards." %
                               (request["pipelines"], pattern, len(paths)), pattern)
        seen, unknown = scan(paths, labels)
        count += seen
        if unknown:
            said = ", ".join("%r (%d)" % each for each in unknown.most_common(MOST_TOLD))
            notes.append("%s holds boxes of classes that the label map lacks; they are ignored: %s." % (pattern, said))
            print(notes[-1], file=sys.stderr)
    return {"records": count, "notes": notes}


def matching(pattern: str, folder: str = "") -> list[str]:
    """The files of a glob; BadSpecError where there is none, which TensorFlow would tell only once it has begun."""
    paths = sorted(glob.glob(os.path.join(glob.escape(folder), pattern) if folder else pattern))
    if not paths:
        raise BadSpecError("No record file matches %s." % pattern, pattern)
    return paths


def scan(paths: Sequence[str], labels: Mapping[str, int], seconds: float = SCAN_S) -> tuple[int, Counter[str]]:
    """(records looked at, boxes of unknown classes); looks for so many seconds at most. BadSpecError names the first wrong boxes."""
    deadline, seen = time.monotonic() + seconds, 0
    defects: list[str] = []
    unknown: Counter[str] = Counter()
    for path, number, example in ((each, *found) for each in paths for found in examples(each)):
        seen += 1
        name = b"".join(example["image/filename"].bytes_list.value).decode("utf-8", "replace") or "without a name"
        defects += ["%s, record %d (%s): %s" % (path, number, name, wrong) for wrong in wrong_boxes(example)]
        texts = (text.decode("utf-8", "replace") for text in example["image/object/class/text"].bytes_list.value)
        unknown.update(text for text in texts if text not in labels)
        if time.monotonic() > deadline:
            break
    if defects:
        more = " and %d more" % (len(defects) - MOST_TOLD) if len(defects) > MOST_TOLD else ""
        raise BadSpecError("Boxes would stop the training: %s%s. A recipe with the step clip mends them." %
                           ("; ".join(defects[:MOST_TOLD]), more), paths[0])
    return seen, unknown


def examples(path: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """(number from 1, its features) of every record in a file."""
    import tensorflow as tf

    number = 0
    try:
        for number, record in enumerate(tf.data.TFRecordDataset(path).as_numpy_iterator(), 1):
            yield number, tf.train.Example.FromString(record).features.feature
    except (tf.errors.OpError, ValueError, TypeError) as error:
        raise BadSpecError("%s is torn or no TFRecord, after %d records: %s" % (path, number, first_line(error)), path) from error
    except Exception as error:  # google.protobuf.message.DecodeError, whose home differs
        raise BadSpecError("%s, record %d, is no tf.train.Example: %s" % (path, number, first_line(error)), path) from error


def wrong_boxes(example: Mapping[str, Any]) -> list[str]:
    """What is wrong with the boxes of a record, in words."""
    sides = [list(example["image/object/bbox/%s" % side].float_list.value) for side in ("xmin", "ymin", "xmax", "ymax")]
    if len({len(values) for values in sides}) > 1:
        return ["xmin, ymin, xmax and ymax are not equally many"]
    found = []
    for index, box in enumerate(zip(*sides)):  # noqa: B905 - equally many, and Python 3.9 knows no strict
        said = "box %d, from (%.6g, %.6g) to (%.6g, %.6g)," % ((index + 1, *box))
        if not all(map(math.isfinite, box)):
            found.append(said + " is not finite")
        elif box[2] <= box[0] or box[3] <= box[1]:
            found.append(said + " is inverted or empty")
        elif min(box) < -TOLERANCE or max(box) > 1 + TOLERANCE:
            found.append(said + " lies beyond the image")
    return found
