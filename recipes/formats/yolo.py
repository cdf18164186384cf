"""YOLO: a text file of boxes (or outlines) for each image, with Ultralytics' data.yaml, darknet's obj.data, or a bare class list.

Read: recipes.yolo has the layouts (config, selection, paths) and the lines (labels). Without a data file all images are read,
splits are told by folders called train, val and test, and classes by classes.txt or obj.names, or by the option.
Written: Ultralytics' layout (recipes.yolo.writing).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from codecs import BOM_UTF8
from collections.abc import Iterator
from itertools import pairwise

from recipes.dataset import Annotation, Dataset, Feature, ImageRecord
from recipes.effort import Effort
from recipes.errors import Defects, FormatError, Where
from recipes.folder import Folder
from recipes.formats import NOT_MINE, Format, Sniff
from recipes.parameters import Parameters
from recipes.pictures.image_header import read_size
from recipes.streams.spool import Reading, read_each
from recipes.yolo.classes import classes_of_file, require_alike
from recipes.yolo.config import Config, config_file, read_config
from recipes.yolo.labels import Lines, SixthColumn, label_names, read_label_file
from recipes.yolo.selection import Selection, select, sorted_hashes
from recipes.yolo.writing import YoloWriteOptions, write

CLASS_LISTS = ("classes.txt", "obj.names", "_darknet.labels", "classes.names", "predefined_classes.txt")
OTHER_TEXTS = re.compile(r"(^|/)(readme[^/]*|notes|train|val|valid|test|trainval)\.txt$", re.IGNORECASE)
LABEL_LINE = re.compile(rb"\d+(\.0*)?([ \t]+-?\d*\.?\d+([eE][-+]?\d+)?){4,}[ \t]*")
SNIFFED_FILES = 24
SNIFFED_BYTES = 4_096
UNLABELLED = "images without a label file"


class YoloOptions(Parameters):
    """classes: their names by ascending id, where no file lists them. sixth_column: what a sixth column means."""

    classes: tuple[str, ...] | None = None
    sixth_column: SixthColumn = "refused"


def sniff(folder: Folder) -> Sniff:
    """A data file, or text files of which most hold YOLO's lines."""
    if name := config_file(folder):
        return Sniff(0.95, f"{name} is a YOLO data file")
    texts = [name for name in folder.with_suffix(".txt") if name.rpartition("/")[2] not in CLASS_LISTS]
    verdicts = [_holds_labels(folder, name) for name in texts[:: max(1, len(texts) // SNIFFED_FILES)]]
    if verdicts.count(True) <= verdicts.count(False):
        return NOT_MINE
    return Sniff(0.9 if next(class_lists(folder), None) else 0.8, "text files with a class and a box as parts of the image on each line")


def _holds_labels(folder: Folder, name: str) -> bool | None:
    """Whether the file holds label lines; None for a blank file, which tells nothing."""
    with folder.path(name).open("rb") as file:
        lines = file.read(SNIFFED_BYTES).removeprefix(BOM_UTF8).split(b"\n")
    lines = [line.strip(b"\r") for line in (lines[:-1] or lines) if line.strip()]
    return all(map(LABEL_LINE.fullmatch, lines)) if lines else None


def class_lists(folder: Folder) -> Iterator[str]:
    """The files that list the names of classes."""
    return (name for name in folder.files if name.endswith(CLASS_LISTS) and name.rpartition("/")[2] in CLASS_LISTS)


def read(folder: Folder, options: YoloOptions, effort: Effort) -> Dataset:
    """Every image that the data file names, in its order; FormatError names file and line of each defect."""
    defects = Defects()
    config_name = config_file(folder)
    config = read_config(folder, config_name, defects) if config_name else None
    classes = _classes(folder, config, options, defects)
    if not folder.images:
        defects.add("There is no image here: YOLO's numbers mean nothing without the size of the image.", Where(str(folder.root)))
        defects.raise_if_any("The dataset", remedy="Send the images together with the labels.")
    selection = select(folder, config, defects)
    _require_own_labels(folder, defects)
    defects.raise_if_any("The dataset")
    lines = Lines(classes, keypoint_columns=config.keypoint_columns if config else 0, sixth_column=options.sixth_column)
    spooled = read_each(range(len(selection)), _Reader(selection, lines), effort)
    missing = spooled.counts[UNLABELLED]
    if missing == len(selection):
        where = Where(str(folder.root))
        raise FormatError(f"None of the {missing:,} images has a label file.", where=where, remedy="Send the labels, too.")
    notes = list(selection.notes)
    if missing:
        notes.append(f"{missing:,} of {len(selection):,} images have no label file: they count as images without objects.")
    if config and config.keypoint_columns:
        notes.append("The key points are left out, and the boxes read.")
    return spooled.dataset(classes, splits=[part.split for part in selection.parts if part.split], notes=notes)


def _classes(folder: Folder, config: Config | None, options: YoloOptions, defects: Defects) -> tuple[str, ...]:
    if options.classes is not None:
        return options.classes
    if config and config.classes is not None:
        return config.classes
    found = require_alike(((name, classes_of_file(folder, name, defects)) for name in class_lists(folder)), defects)
    if found is None:
        sentence = "Nothing here names the classes: there is no data.yaml with names, no obj.names and no classes.txt."
        defects.add(f"{sentence} Add one of them, or say classes=[…].", Where(str(folder.root)))
    return found or ()


def _require_own_labels(folder: Folder, defects: Defects) -> None:
    """Every label file has an image, and no two images share one."""
    wanted = sorted_hashes(label_names(image)[0] for image in folder.images)
    shared = {one for one, two in pairwise(wanted) if one == two}
    for image in folder.images if shared else ():
        names = label_names(image)
        if hash(names[0]) in shared and any(name in folder.files for name in names):
            defects.add(f"Another image of this name, with another suffix, has the same label file {names[0]}.", Where(image))
    for name in folder.with_suffix(".txt"):
        place = bisect_left(wanted, hash(name))
        is_wanted = place < len(wanted) and wanted[place] == hash(name)
        if not (is_wanted or _is_other_text(name) or _is_beside(folder, name)) and _holds_labels(folder, name):
            defects.add("There is no image for this label file.", Where(name))


def _is_beside(folder: Folder, name: str) -> bool:
    stem = name.removesuffix(".txt")
    return any(name in label_names(folder.images[place]) for place in folder.images.below(f"{stem}."))


def _is_other_text(name: str) -> bool:
    return name.rpartition("/")[2] in CLASS_LISTS or OTHER_TEXTS.search(name) is not None


class _Reader:
    """Reads image number n of a selection with its label file."""

    def __init__(self, selection: Selection, lines: Lines) -> None:
        self._image = selection.lookup()
        self._root = f"{selection.folder.root}/"
        self._path = selection.folder.path
        self._lines = lines

    def __call__(self, number: int, reading: Reading) -> ImageRecord | None:
        part, image = self._image(number)
        path = self._root + image
        try:
            size = read_size(path, name=image)
        except FormatError as error:
            reading.defects.add_error(error)
            size = (0, 0)
        source = ""
        annotations: tuple[Annotation, ...] = ()
        for name in label_names(image):
            if (data := read_label_file(self._root + name)) is not None:
                source = name
                annotations = self._lines.annotations(data, *size, name, reading.defects)
                break
        else:
            reading.counts[UNLABELLED] += 1
        if not size[0]:
            return None
        return ImageRecord(image[len(part.base) :], self._path(image), *size, annotations, part.split, source_file=source)


FORMAT = Format(
    "yolo",
    "YOLO label files",
    sniff=sniff,
    read=read,
    read_options=YoloOptions,
    write=write,
    write_options=YoloWriteOptions,
    holds=frozenset({Feature.SPLIT, Feature.BOXLESS, Feature.UNUSED_CLASS}),
    usual_splits_only=True,
)
