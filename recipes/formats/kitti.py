"""KITTI's object detection: training/label_2/<id>.txt beside training/image_2/<id>.png, and testing/image_2 without labels.

    type truncated occluded alpha left top right bottom height width length x y z rotation_y [score]

Source: KITTI's development kit, readme.txt and cpp/evaluate_object.cpp: edges are 0-based pixels and a box's area is
(right - left) x (bottom - top), so edges are continuous as they stand. truncated goes from 0 to 1; occluded is 0 (all to be seen), 1
(partly), 2 (largely) or 3 (unknown). DontCare marks regions that nobody has labelled. -1, -10 and -1000 stand for "not known".
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from recipes.dataset import NO_FLAGS, Annotation, Dataset, Flag, ImageRecord
from recipes.effort import Effort
from recipes.errors import Defects, FormatError, Where
from recipes.folder import Folder
from recipes.formats import NOT_MINE, Format, Sniff
from recipes.parameters import Parameters
from recipes.pictures.image_header import read_size
from recipes.streams.spool import Reading, read_each

STEP = "read kitti"
COLUMNS = (15, 16)
DONT_CARE = "DontCare"
UNLABELLED = "image of a folder without labels, so nobody has annotated it"
LABEL_FOLDERS = {"image_2": "label_2", "image_3": "label_3", "images": "labels"}
MAIN_IMAGES = frozenset({"image_2", "images"})
SPLITS = {"training": "train", "train": "train", "val": "val", "validation": "val", "testing": "test", "test": "test"}
LINE = re.compile(rb"[A-Za-z][\w-]*( -?\d+(\.\d+)?([eE][-+]?\d+)?){14,15}\s*")
SNIFFED_FILES = 8
SNIFFED_BYTES = 4_096
LARGEST_BYTES = 1_000_000
UNKNOWN = {"alpha": -10.0, "dimensions": [-1.0, -1.0, -1.0], "location": [-1000.0, -1000.0, -1000.0], "rotation_y": -10.0}


class KittiOptions(Parameters):
    """classes: their names in the order wanted (alphabetical otherwise)."""

    classes: tuple[str, ...] | None = None


def sniff(folder: Folder) -> Sniff:
    """Text files of which the first hold KITTI's lines of 15 or 16 columns, or nothing."""
    texts = folder.with_suffix(".txt")
    verdicts = [_holds_labels(folder, name) for name in texts[:: max(1, len(texts) // SNIFFED_FILES)]]
    if verdicts.count(True) <= verdicts.count(False):
        return NOT_MINE
    return Sniff(0.95, "text files with KITTI's 15 columns: a type, a box and its place in space")


def _holds_labels(folder: Folder, name: str) -> bool | None:
    """Whether the file holds label lines; None for a blank file, which tells nothing."""
    with folder.path(name).open("rb") as file:
        lines = file.read(SNIFFED_BYTES).split(b"\n")
    lines = [line for line in (lines[:-1] or lines) if line.strip()]
    return all(map(LINE.fullmatch, lines)) if lines else None


def read(folder: Folder, options: KittiOptions, effort: Effort) -> Dataset:
    """Every image by name, training as train and testing as test; FormatError names file and line of each defect.

    Images of a folder without any label are left out: testing, and the other cameras.
    """
    if not folder.images:
        remedy = "Send the images together with the labels."
        raise FormatError("There is no image here: training needs them.", where=Where(str(folder.root)), remedy=remedy)
    defects = Defects()
    _require_images(folder, defects)
    defects.raise_if_any("The dataset", remedy="Send the images together with the labels.")
    spooled = read_each(folder.images, _Reader(folder), effort)
    if not spooled.total:
        raise FormatError("None of the images has a label file.", where=Where(str(folder.root)), remedy="Send the labels, too.")
    splits = tuple(sorted(spooled.splits, key=tuple(SPLITS.values()).index))
    classes = options.classes or tuple(sorted(spooled.labels))
    if foreign := sorted(set(spooled.labels) - set(classes)):
        raise FormatError(f"There are boxes of classes that the option does not list: {', '.join(foreign)[:200]}.")
    return spooled.dataset(classes, splits=splits)


def _require_images(folder: Folder, defects: Defects) -> None:
    image_folders = {labels: images for images, labels in LABEL_FOLDERS.items()}
    for name in folder.with_suffix(".txt"):
        *folders, last = name.removesuffix(".txt").split("/")
        if folders:
            folders[-1] = image_folders.get(folders[-1], folders[-1])
        alike = folder.images.below("/".join([*folders, f"{last}."]))
        if not any(label_name(folder.images[place]) == name for place in alike) and _holds_labels(folder, name):
            defects.add("There is no image for this label file.", Where(name))


def label_name(image: str) -> str:
    """The label file of an image: in label_2 for image_2, in labels for images, else beside it."""
    home, _, name = image.rpartition("/")
    stem = os.path.splitext(name)[0]  # noqa: PTH122 - once per image
    parts = home.split("/") if home else []
    if parts:
        parts[-1] = LABEL_FOLDERS.get(parts[-1], parts[-1])
    return "/".join([*parts, f"{stem}.txt"])


class _Reader:
    """Reads an image with its label file."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def __call__(self, image: str, reading: Reading) -> ImageRecord | None:
        label = label_name(image)
        split = next((SPLITS[part] for part in image.lower().split("/")[:-1] if part in SPLITS), None)
        record = ImageRecord(name_of(image), self._folder.path(image), 0, 0, split=split, source_file=label)
        try:
            with self._folder.path(label).open("rb") as file:
                data = file.read(LARGEST_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            if self._folder.files.below(label.rpartition("/")[0] + "/") and "/" in label:
                reading.defects.add(f"The image has no label file {label}.", Where(image))
            else:
                reading.ledger.drop_image(STEP, UNLABELLED, record)
            return None
        if len(data) > LARGEST_BYTES:
            reading.defects.add(f"The file is larger than {LARGEST_BYTES:,} bytes.", Where(label))
            return None
        annotations = tuple(_kept(data, record, reading))
        width, height = read_size(record.path or "", name=image)
        return ImageRecord(record.name, record.path, width, height, annotations, split, source_file=label)


def name_of(image: str) -> str:
    """The image's name in the dataset: training/image_2/000001.png is training/000001.png."""
    *folders, name = image.split("/")
    return "/".join([*(folder for folder in folders if folder not in MAIN_IMAGES), name])


def _kept(data: bytes, record: ImageRecord, reading: Reading) -> Iterator[Annotation]:
    for number, line in enumerate(data.split(b"\n"), start=1):
        columns = line.split()
        if not columns:
            continue
        annotation = _annotation(columns, Where(record.source_file, number), reading.defects)
        if annotation is None:
            continue
        if annotation.label == DONT_CARE:
            reading.ledger.drop_box(STEP, f"{DONT_CARE}, a region that nobody has labelled", record, annotation)
        else:
            yield annotation


def _annotation(columns: Sequence[bytes], where: Where, defects: Defects) -> Annotation | None:
    if len(columns) not in COLUMNS:
        hint = " (17 or 18 are those of KITTI's tracking)" if len(columns) in {17, 18} else ""
        defects.add(f"The line has {len(columns)} columns instead of 15, or 16 with a score{hint}.", where)
        return None
    try:
        label = columns[0].decode()
        values = [float(column) for column in columns[1:]]
    except ValueError:  # UnicodeDecodeError is one
        defects.add("The line must be a type and then numbers alone.", where)
        return None
    left, top, right, bottom = values[3:7]
    return Annotation(
        label, left, top, right - left, bottom - top, _flags(values[0], values[1]), attributes=_attributes(values), origin=where.line
    )


def _flags(truncated: float, occluded: float) -> frozenset[Flag]:
    flags = [flag for flag, is_set in ((Flag.TRUNCATED, truncated > 0), (Flag.OCCLUDED, occluded in {1, 2})) if is_set]
    return frozenset(flags) if flags else NO_FLAGS


def _attributes(values: Sequence[float]) -> dict[str, object] | None:
    """What KITTI knows beyond class and box, in its own words and units (radians, metres)."""
    known: dict[str, object] = {
        "alpha": values[2],
        "dimensions": list(values[7:10]),
        "location": list(values[10:13]),
        "rotation_y": values[13],
    }
    found = {key: value for key, value in known.items() if value != UNKNOWN[key]}
    if values[0] >= 0:
        found["truncated"] = values[0]
    if values[1] in {0, 1, 2, 3}:
        found["occluded"] = int(values[1])
    if len(values) > 14:
        found["score"] = values[14]
    return found or None


FORMAT = Format("kitti", "KITTI object detection", sniff=sniff, read=read, read_options=KittiOptions)
