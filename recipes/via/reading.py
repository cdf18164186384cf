"""Turns the entries of VIA's documents into images with annotations."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recipes.dataset import NO_FLAGS, Annotation, Flag, Flags, ImageRecord, Polygons
from recipes.errors import FormatError
from recipes.masks.regions import Pictures, area
from recipes.streams.spool import Reading
from recipes.via.documents import Document, Entry, file_names
from recipes.via.naming import Naming
from recipes.via.shapes import POINT, ShapeError, read_shape

STEP = "read via"
FLAGS = "flags"
KNOWN_FLAGS = frozenset(map(str, Flag))
FILE_ATTRIBUTES = "file_attributes"
ROUND = ("circle", "ellipse")


@dataclass(frozen=True)
class Reader:
    """Reads one entry at a time; repeated are hashes of the file names that stand in several documents."""

    pictures: Pictures
    naming: Naming
    repeated: Collection[int]

    def record(self, entry: Entry, reading: Reading) -> ImageRecord:
        """The image of an entry; what is wrong with a region goes to the reading. FormatError where the image is not there."""
        names, own = file_names(entry.filename)
        if not names:
            raise FormatError(f"The filename {entry.filename[:60]!r} is refused.", where=entry.where())
        name, file = self.pictures.find(names, beside=entry.file, split=entry.split, where=entry.where())
        if not own:
            name = file
        elif hash(name) in self.repeated:
            name = f"{entry.split or posixpath.splitext(entry.file)[0]}/{name}"
        path = Path(self.pictures.path(file))
        width, height = self.pictures.size(file, where=entry.where())
        told = str(entry.size)  # -1 where VIA did not know it, and a text in some files
        if told.isdecimal() and told not in ("0", str(path.stat().st_size)):
            reading.counts["size"] += 1
        annotations = tuple(self._annotations(entry, reading))
        if entry.attributes and not annotations:
            reading.counts[FILE_ATTRIBUTES] += 1
        return ImageRecord(name, path, width, height, annotations, entry.split, source_file=entry.file, origin_is_line=entry.is_csv)

    def _annotations(self, entry: Entry, reading: Reading) -> Iterable[Annotation]:
        of_file = {key: value for key, value in entry.attributes.items() if value not in ("", None)}
        for origin, shape, attributes in entry.regions:
            labels = self.naming.labels(attributes)
            is_point = shape.get("name") == POINT
            if is_point or not labels:
                reason = "a point, which has no extent" if is_point else "region without a class"
                reading.ledger.drop_row(STEP, reason, str(entry.where(origin)))
                continue
            try:
                (x, y, w, h), outline = read_shape(shape, closed=entry.closed)
            except ShapeError as error:
                reading.defects.add(str(error), entry.where(origin))
                continue
            if shape["name"] != "rect":
                reading.counts["round" if shape["name"] in ROUND else str(shape["name"])] += 1
            if len(labels) > 1:
                reading.counts["several classes"] += 1
            others = self.naming.others(attributes)
            flags = _flags(others)
            if of_file:
                others[FILE_ATTRIBUTES] = of_file
            mask, mask_area = (Polygons((outline,)), area(outline)) if outline else (None, None)
            for label in labels:
                yield Annotation(label, x, y, w, h, flags, None, mask, mask_area, others or None, origin)


def _flags(attributes: dict[str, object]) -> Flags:
    """Takes out the checkbox that this format's writer ticks for flags."""
    ticked = attributes.get(FLAGS)
    if not isinstance(ticked, dict) or not ticked or not all(value is True and flag in KNOWN_FLAGS for flag, value in ticked.items()):
        return NO_FLAGS
    del attributes[FLAGS]
    return frozenset(map(Flag, ticked))


def repeated_names(documents: Sequence[Document]) -> frozenset[int]:
    """Hashes of the names that stand in several documents."""
    counts = Counter(name for document in documents for name in document.names) if len(documents) > 1 else {}
    return frozenset(name for name, count in counts.items() if count > 1)


def sentences(counts: Mapping[str, int]) -> list[str]:
    """What a person should know of the reading, from its counts."""
    words = {
        "size": "{} images have another size in bytes than when they were annotated.",
        "several classes": "{} regions have several classes ticked: there is a box for each.",
        "round": "{} circles and ellipses have masks of 64 points.",
        "polyline": "{} polylines are taken for closed outlines.",
        FILE_ATTRIBUTES: "{} images without a region have attributes of their own, which are left out.",
    }
    return [sentence.format(f"{counts[key]:,}") for key, sentence in words.items() if counts.get(key)]
