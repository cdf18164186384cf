"""Pascal VOC: VOC<year>/Annotations/<id>.xml, JPEGImages/<id>.jpg, ImageSets/Main/<split>.txt.

Format: VOC2007 to VOC2012 development kit. "The top-left pixel in the image has coordinates (1,1)" and both corners belong to the
box (VOCevaldet's area is (xmax-xmin+1)(ymax-ymin+1)), so x = xmin - 1 and w = xmax - xmin + 1, as Detectron2 has it. Many
tools write 0-based edges instead (x = xmin, w = xmax - xmin): base says which, auto finds it out, and a note says what was found.

VATIC's Pascal dump (cvondrick/vatic cli.py, dumppascal) is read with its quirks: <size> holds width and height the wrong way round, and
a frame without objects holds a box of the class not-a-real-object. An object's <part> and <actions> are left out, and that is said.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal

from recipes.dataset import Annotation, Dataset, Draw, Feature, ImageRecord
from recipes.effort import Effort
from recipes.errors import Defects, FormatError, Where
from recipes.folder import Folder
from recipes.formats import NOT_MINE, Format, Sniff
from recipes.ledger import Ledger
from recipes.parameters import Parameters
from recipes.pictures.image_header import read_size
from recipes.splitting.split_names import in_usual_order
from recipes.streams.spool import Reading, Spooled, read_each
from recipes.voc.document import Document, read_document
from recipes.voc.image_sets import ImageSets, read_image_sets
from recipes.voc.layout import ANNOTATIONS, LABEL_MAP, Home, Layout, read_bounded
from recipes.voc.writing import DATABASE, VocOutput, write

STEP = "read voc"
VATIC = "vatic"
PLACEHOLDER = "not-a-real-object"
SNIFFED_FILES = 5
SNIFFED_BYTES = 2048
ROOT = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<annotation(?:\s[^>]*)?>", re.DOTALL)
LARGEST_LABEL_MAP = 2**20
UNANNOTATED = "listed image without an annotation file, so nobody has annotated it"
KNOWN_BASES = frozenset({VATIC, DATABASE})
BASES = {0: "edges of pixels counted from 0", 1: "pixels counted from 1, both corners inside"}
NOTES = {
    "swapped": "{count} annotation files have width and height of the image swapped, as VATIC writes them; their own sizes were taken.",
    "sizeless": "{count} annotation files say that the image has 0 pixels; their own sizes were taken.",
    "misnamed": "{count} annotation files name another image in <filename>; the image called as the annotation file was taken.",
    "unlisted": "{count} images are in no list of ImageSets and so in no split.",
    "parts": "{count} parts of objects (as head or hand) were left out.",
    "actions": "The actions of {count} objects were left out.",
}
REMEDY = "Mend the annotation files, or leave them out."


class VocOptions(Parameters):
    """base: the number of the first pixel (auto: found out from the boxes). images: whether the image files must be there.

    unannotated: images listed in ImageSets without an annotation file: refuse them (but in test), or drop them and say so.
    splits: the lists of ImageSets to use (None: all). classes: their order (None: labelmap.txt, else the alphabet).
    """

    base: Literal["auto", 0, 1] = "auto"
    images: Literal["required", "absent"] = "required"
    unannotated: Literal["refuse", "drop"] = "refuse"
    splits: tuple[str, ...] | None = None
    classes: tuple[str, ...] | None = None


def sniff(folder: Folder) -> Sniff:
    """XML files whose root is <annotation>; surest where they lie in a folder of annotations."""
    if ".xml" not in folder.suffixes:
        return NOT_MINE
    for name in islice((name for name in folder.files if name.endswith((".xml", ".XML"))), SNIFFED_FILES):
        with folder.path(name).open("rb") as file:
            if ROOT.match(file.read(SNIFFED_BYTES)):
                devkit = any(part.lower() in ANNOTATIONS for part in name.split("/")[:-1])
                return Sniff(0.9 if devkit else 0.8, f"{name} is a Pascal VOC annotation")
    return NOT_MINE


def read(folder: Folder, options: VocOptions, effort: Effort) -> Dataset:
    """Every annotation file with its image, in the order of their names; one FormatError with the defects of all."""
    layout = Layout.of(folder)
    if not layout.files:
        raise FormatError("There is no annotation file here.", where=Where(str(folder.root)), remedy="VOC has one XML file for each image.")
    defects = Defects()
    sets = read_image_sets(layout, wanted=options.splits, refuse_unannotated=options.unannotated == "refuse", defects=defects)
    reader = _Reader(layout, sets, options)
    try:
        spooled = read_each(range(len(layout.files) + len(sets.unannotated)), reader.image, effort)
    except FormatError as error:
        defects.add_error(error)
    defects.raise_if_any("The set of annotations", remedy=REMEDY)
    return _dataset(layout, sets, options, spooled)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads numbered annotation files; numbers beyond them are images without one."""

    layout: Layout
    sets: ImageSets
    options: VocOptions

    def image(self, number: int, reading: Reading) -> ImageRecord | None:
        """The image of an annotation file; None where it is left out or defective, which is told."""
        layout = self.layout
        if number >= len(layout.files):
            identifier, path = self.sets.unannotated[number - len(layout.files)]
            reading.ledger.drop_image(STEP, UNANNOTATED, ImageRecord(f"{identifier} of {path}", None, 0, 0))
            return None
        name = layout.files[number]
        document = read_document(f"{layout.folder.root}/{name}", name, reading.defects)
        if document is None:
            return None
        home = layout.home(name)
        image = self._image(document, home, name, reading)
        if image is None:
            return None
        place, called, width, height = image
        boxes = self._boxes(document, name, width, height, reading)
        split = self.sets.split(number) if self.sets.names else home.split
        if split is None and self.sets.names:
            reading.counts["unlisted"] += 1
        return ImageRecord(called, place, width, height, boxes, split, source_file=name)

    def _image(self, document: Document, home: Home, name: str, reading: Reading) -> tuple[Path | None, str, int, int] | None:
        """Path, name and size of a document's image."""
        directory, _, last = name.rpartition("/")
        stem, filename = last[:-4], document.filename.rpartition("/")[2].rpartition("\\")[2]
        vatic = document.database == VATIC
        told = document.size if document.size and all(document.size) else None
        if self.options.images == "absent":
            if told is None:
                reading.defects.add("Neither the annotation nor an image says how large the image is.", Where(name))
                return None
            called = filename if filename.rpartition(".")[0] == stem else f"{stem}.jpg"
            below = directory[len(self.layout.roots.get(home.root, home.root)) :]
            return None, f"{home.prefix}{below}{'/' if below else ''}{called}", *(told[::-1] if vatic else told)
        found = self.layout.image(home, stem, filename)
        if isinstance(found, str):
            reading.defects.add(found, Where(name))
            return None
        file, called = found
        path = self.layout.folder.path(file)
        size = read_size(path, name=file)
        if vatic and told == size[::-1]:
            reading.counts["swapped"] += 1
        elif told is not None and told != size:
            swapped = ": width and height are swapped" if told == size[::-1] else ""
            message = f"The annotation says {told[0]} x {told[1]} pixels, the image {file} has {size[0]} x {size[1]}{swapped}."
            reading.defects.add(message, Where(name))
        reading.counts["sizeless"] += document.size is not None and told is None
        reading.counts["misnamed"] += bool(filename) and filename != file.rpartition("/")[2]
        return path, called, *size

    def _boxes(self, document: Document, name: str, width: int, height: int, reading: Reading) -> tuple[Annotation, ...]:
        """The boxes as VOC defines them, or as the option says; what tells one from the other is counted."""
        counts, objects = reading.counts, document.objects
        base = 0 if self.options.base == 0 else 1
        reading.counts["parts"] += document.parts
        reading.counts["actions"] += document.actions
        counts[document.database if document.database in KNOWN_BASES else "others"] += 1
        if document.database not in KNOWN_BASES:
            for _, left, top, right, bottom, _, _, _ in objects:
                if left <= 1 or top <= 1:
                    counts["zero"] += 0 <= left < 1 or 0 <= top < 1
                    counts["one"] += left == 1 or top == 1
                counts["last"] += right == width or bottom == height
        if any(entry[0] == PLACEHOLDER for entry in objects):
            for entry in objects:
                if entry[0] == PLACEHOLDER:
                    reading.ledger.drop_row(STEP, f"{PLACEHOLDER}, VATIC's word for a frame without an object", str(Where(name, entry[7])))
            objects = [entry for entry in objects if entry[0] != PLACEHOLDER]
        return tuple(
            [
                Annotation(label, x1 - base, y1 - base, x2 - x1 + base, y2 - y1 + base, flags, None, None, None, attributes, line)
                for label, x1, y1, x2, y2, flags, attributes, line in objects
            ]
        )


def _dataset(layout: Layout, sets: ImageSets, options: VocOptions, spooled: Spooled) -> Dataset:
    counts = spooled.counts
    base, why = (options.base, "as told") if options.base != "auto" else _found_base(counts)
    notes = [f"Boxes were read as {BASES[base]}, {why}.", *sets.notes]
    notes += [words.format(count=f"{counts[what]:,}") for what, words in NOTES.items() if counts[what]]
    splits = sets.splits if sets.names else in_usual_order(spooled.splits)
    classes = options.classes or _label_map(layout, spooled.labels) or sorted(sets.classes.union(spooled.labels))
    dataset = spooled.dataset(classes, splits=splits, notes=notes)
    return replace(dataset, draw=_as_edges(dataset.draw)) if options.base == "auto" and base == 0 else dataset


def _found_base(counts: Counter[str]) -> tuple[Literal[0, 1], str]:
    """The number of the first pixel, and what shows it."""
    if counts[VATIC]:
        return 0, "as VATIC writes them"
    if counts["zero"]:
        return 0, f"for {counts['zero']:,} of them begin at 0 (say base=1 where that is wrong)"
    if not counts["others"]:
        return 1, "as Signalbox writes them"
    if counts["one"] and counts["last"]:
        return 1, "for some begin at 1 and some end at the image's width or height"
    return 1, "as VOC defines them, for none begins at 0 (say base=0 where that is wrong)"


def _as_edges(draw: Draw) -> Draw:
    """The boxes of a draw that were taken for 1-based, as 0-based edges."""

    def edges(chunk: int, ledger: Ledger) -> Iterator[ImageRecord]:
        for image in draw(chunk, ledger):
            boxes = tuple(replace(box, x=box.x + 1, y=box.y + 1, w=box.w - 1, h=box.h - 1) for box in image.annotations)
            yield replace(image, annotations=boxes)

    return edges


def _label_map(layout: Layout, labels: Sequence[str]) -> list[str]:
    """The classes of labelmap.txt (CVAT's: ``name:colour:parts:actions`` a line); background is one only where it has a box."""
    classes: dict[str, None] = {}
    for root in layout.roots:
        name = f"{root}{LABEL_MAP}"
        if name not in layout.folder.files:
            continue
        data = read_bounded(layout.folder, name, LARGEST_LABEL_MAP) or b""
        for line in data.decode("utf-8-sig", errors="replace").splitlines():
            label = line.rsplit(":", 3)[0].strip()
            if label and not line.startswith("# ") and (label != "background" or label in labels):
                classes[label] = None
    return list(classes)


FORMAT = Format(
    "voc", "Pascal VOC", sniff=sniff, read=read, read_options=VocOptions, write=write, write_options=VocOutput,
    holds=frozenset({
        Feature.OCCLUDED, Feature.DIFFICULT, Feature.TRUNCATED, Feature.ATTRIBUTES, Feature.SPLIT, Feature.BOXLESS, Feature.UNUSED_CLASS,
    }),
)  # fmt: skip
