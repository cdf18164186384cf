"""YOLO's label files: a line for each object, numbers as parts of the image's width and height.

    class  centre-x  centre-y  width  height        a box
    class  x y x y x y …                            an outline, three points or more (the box is its bounds; so are oriented boxes)

Source: ultralytics/data/utils.py, verify_image_label and img2label_paths; darknet's src/data.c, read_boxes and
fill_truth_detection. The box is continuous: its centre and size are those of the area it covers, so
x = (cx - w / 2) x image width. An empty file means that nothing is in the image; a missing one means the same.
"""

from __future__ import annotations

import math
import os
from codecs import BOM_UTF8
from collections.abc import Sequence
from typing import Literal, TypeAlias

from recipes.dataset import Annotation, Polygons
from recipes.errors import Defects, Where

LARGEST_BYTES = 16_000_000
PIECE = 65_536
IMAGE_FOLDERS = ("images", "JPEGImages")  # the second is darknet's, for VOC
LABELS = "labels"
BOX_COLUMNS = 5
MOST_COLUMNS = 100_000
LARGEST_PART = 2.0  # of the image; beyond that it is in pixels
SixthColumn: TypeAlias = Literal["refused", "confidence", "track"]


def label_names(image: str) -> tuple[str, ...]:
    """Where an image's label file may be: in labels/ for the last images/ (or JPEGImages/) of its name, else beside it."""
    stem = os.path.splitext(image)[0]  # noqa: PTH122 - once per image
    beside = f"{stem}.txt"
    for folder in IMAGE_FOLDERS:
        head, found, tail = f"/{beside}".rpartition(f"/{folder}/")
        if found:
            return f"{head}/{LABELS}/{tail}"[1:], beside
    return (beside,)


def read_label_file(path: str) -> bytes | None:
    """The bytes of a label file, None where there is none. They end after LARGEST_BYTES + 1."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        data = os.read(handle, PIECE)
        if len(data) == PIECE:
            while len(data) <= LARGEST_BYTES and (more := os.read(handle, LARGEST_BYTES)):
                data += more
        return data
    finally:
        os.close(handle)


class Lines:
    """Reads the lines of label files; keypoint_columns are passed over, a sixth column is read as told."""

    def __init__(self, classes: Sequence[str], *, keypoint_columns: int = 0, sixth_column: SixthColumn = "refused") -> None:
        self._classes = classes
        self._labels = {str(number).encode(): name for number, name in enumerate(classes)}
        self._columns = BOX_COLUMNS + keypoint_columns
        self._sixth = sixth_column

    def annotations(self, data: bytes, width: int, height: int, name: str, defects: Defects) -> tuple[Annotation, ...]:
        """The annotations of a label file, in its order; each line that is not one is a defect."""
        if len(data) > LARGEST_BYTES:
            defects.add(f"The file is larger than {LARGEST_BYTES:,} bytes.", Where(name))
            return ()
        labels, result = self._labels, []
        usual = self._columns == BOX_COLUMNS and b"_" not in data  # 1_000 is a number to float(), and to no other program
        for number, line in enumerate(data.removeprefix(BOM_UTF8).splitlines(), start=1):
            columns = line.split()
            try:
                label = labels[columns[0]]
                x, y, w, h = map(float, columns[1:])
                if not usual or x > LARGEST_PART or y > LARGEST_PART or w > LARGEST_PART or h > LARGEST_PART:
                    raise ValueError
            except (LookupError, ValueError):
                if columns and (odd := self._odd(columns, width, height, Where(name, number), defects)):
                    result.append(odd)
                continue
            w *= width
            h *= height
            result.append(Annotation(label, x * width - w / 2, y * height - h / 2, w, h, origin=number))
        return tuple(result)

    def _odd(self, columns: list[bytes], width: int, height: int, where: Where, defects: Defects) -> Annotation | None:
        """The annotation of a line that is not a plain box, or a defect that says why it is none."""
        if len(columns) > MOST_COLUMNS:
            defects.add(f"The line has {len(columns):,} columns, which is refused.", where)
            return None
        label = self._label(columns[0], where, defects)
        numbers = [_number(column) for column in columns[1:]]
        if None in numbers:
            column = numbers.index(None) + 2
            defects.add(f"Column {column} is not a number: {_shown(columns[column - 1])}.", where)
            return None
        values = [number for number in numbers if number is not None]
        if len(columns) in {BOX_COLUMNS, BOX_COLUMNS + 1, self._columns} and max(values[:4]) > LARGEST_PART:
            sentence = "These look like pixels: centre and size must be parts of the image's width and height, from 0 to 1."
            defects.add(sentence, where)
            return None
        if label is None:
            return None
        if len(columns) == self._columns:
            return _box(label, values, width, height, where)
        if len(columns) == BOX_COLUMNS + 1:
            return self._with_sixth(_box(label, values, width, height, where), values[4], where, defects)
        if len(columns) > BOX_COLUMNS + 1 and len(columns) % 2 and self._columns == BOX_COLUMNS:
            return _outline(label, values, width, height, where, defects)
        wanted = f"{self._columns}, or an outline's 7, 9, 11 …" if self._columns == BOX_COLUMNS else str(self._columns)
        defects.add(f"The line has {len(columns)} columns instead of {wanted}.", where)
        return None

    def _label(self, column: bytes, where: Where, defects: Defects) -> str | None:
        """The class of an id; some programs write ids as 3.0."""
        number = _number(column)
        if number is None or not number.is_integer():
            defects.add(f"The first column must be the id of a class, and is {_shown(column)}.", where)
        elif not 0 <= number < len(self._classes):
            last = len(self._classes) - 1
            defects.add(f"Class {_shown(column)} is not among the {last + 1} classes, whose ids are 0 to {last}.", where)
        else:
            return self._classes[int(number)]
        return None

    def _with_sixth(self, box: Annotation, value: float, where: Where, defects: Defects) -> Annotation | None:
        parts = (box.label, box.x, box.y, box.w, box.h)
        if self._sixth == "confidence":
            return Annotation(*parts, attributes={"confidence": value}, origin=box.origin)
        if self._sixth == "track" and value.is_integer():
            return Annotation(*parts, track=int(value), origin=box.origin)
        if self._sixth == "track":
            defects.add("The sixth column should be a track's number.", where)
        else:
            sentence = "A sixth column is a detection's confidence or a track's number: say which (sixth_column: confidence or track)."
            defects.add(sentence, where)
        return None


def _box(label: str, values: Sequence[float], width: int, height: int, where: Where) -> Annotation:
    w, h = values[2] * width, values[3] * height
    return Annotation(label, values[0] * width - w / 2, values[1] * height - h / 2, w, h, origin=where.line)


def _outline(label: str, values: Sequence[float], width: int, height: int, where: Where, defects: Defects) -> Annotation | None:
    xs, ys = [value * width for value in values[::2]], [value * height for value in values[1::2]]
    if not math.isfinite(sum(xs) + sum(ys)):
        defects.add("The outline has a point that is no number.", where)
        return None
    if max(values) > LARGEST_PART:
        defects.add("The outline looks like pixels: its points must be parts of the image's width and height, from 0 to 1.", where)
        return None
    twice = sum(xs[place - 1] * y - x * ys[place - 1] for place, (x, y) in enumerate(zip(xs, ys, strict=True)))
    mask = Polygons((tuple(value for point in zip(xs, ys, strict=True) for value in point),))
    x, y = min(xs), min(ys)
    return Annotation(label, x, y, max(xs) - x, max(ys) - y, mask=mask, mask_area=abs(twice) / 2, origin=where.line)


def _number(column: bytes) -> float | None:
    try:
        return None if b"_" in column else float(column)
    except ValueError:
        return None


def _shown(column: bytes) -> str:
    return repr(column[:40].decode(errors="replace"))
