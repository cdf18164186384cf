"""MMDetection's middle format: annotations/<split>.pkl beside images/ and classes.txt.

Format: MMDetection 2.x, docs/tutorials/customize_dataset.md and tools/dataset_converters/pascal_voc.py: a list of dicts
{filename, width, height, ann: {bboxes, labels, bboxes_ignore, labels_ignore}}; boxes are float32 x1, y1, x2, y2, labels int64 from 0.
Today's boxes are continuous edges; the old script wrote corners that both lie inside (x2 = x + w - 1), which is legacy here.

Boxes to ignore are the difficult ones and crowds. As they stand in arrays of their own, places_ignore keeps their places among the
others and flags_ignore tells which are crowds; MMDetection does not look at these.
The pickles are read by a machine that runs nothing (recipes.mmdet.unpickling).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

from recipes.dataset import Annotation, Dataset, Feature, ImageRecord
from recipes.effort import Effort
from recipes.errors import Defects, FormatError, Where
from recipes.folder import Folder
from recipes.formats import NOT_MINE, Format, Sniff
from recipes.ledger import Ledger
from recipes.mmdet import pickling
from recipes.mmdet.entries import ALL, IGNORED_FLAGS, Entry, Parser, entries_of
from recipes.names import unsafe_path
from recipes.observing import Audience
from recipes.parameters import Parameters
from recipes.pictures.image_header import read_size
from recipes.pictures.image_index import ImageIndex
from recipes.placing import placed
from recipes.streams.spool import Reading, Spool, decoded, encoded, read_each

STEP = "read mmdet"
SUFFIXES = (".pkl", ".pickle")
CLASSES = "classes.txt"
SNIFFED_BYTES = 65_536
LARGEST_CLASSES = 2**20
PIECE = 256


class MmdetOptions(Parameters):
    """classes: their names in the order of the labels (None: classes.txt). legacy: boxes are the old script's, both corners inside."""

    classes: tuple[str, ...] | None = None
    legacy: bool = False


class MmdetOutput(Parameters):
    """legacy: write boxes as MMDetection's own script for VOC does, both corners inside, a pixel short in today's MMDetection."""

    legacy: bool = False


@dataclass(frozen=True, slots=True)
class Entries:
    """The images of the pickles, spooled PIECE by PIECE as they were read."""

    spool: Spool
    total: int


def sniff(folder: Folder) -> Sniff:
    """A pickle that speaks of boxes."""
    for name in folder.with_suffix(*SUFFIXES):
        with folder.path(name).open("rb") as file:
            head = file.read(SNIFFED_BYTES)
        if head.startswith(b"\x80") and b"bboxes" in head and b"filename" in head:
            return Sniff(0.9, f"{name} is a pickle of images with boxes")
    return NOT_MINE


def read(folder: Folder, options: MmdetOptions, effort: Effort) -> Dataset:
    """The images of every pickle in its order; a pickle is a split, called like its file. One FormatError names all defects."""
    names = list(folder.with_suffix(*SUFFIXES))
    if not names:
        raise FormatError("There is no pickle here.", where=Where(str(folder.root)))
    classes = options.classes or _classes(folder, names[0])
    defects = Defects()
    entries = _entries(folder, names, classes, options, effort, defects)
    reader = _Reader(folder, ImageIndex(folder), entries, {})
    try:
        spooled = read_each(range(entries.total), reader.image, effort, phase="reading images")
    except FormatError as error:
        defects.add_error(error)
    defects.raise_if_any("The set of pickles", remedy="Mend them, and send the images together with them.")
    return spooled.dataset(classes)


def _classes(folder: Folder, beside: str) -> tuple[str, ...]:
    """The names in classes.txt, one a line: at the top, else beside the pickles."""
    for name in (CLASSES, f"{beside.rpartition('/')[0]}/{CLASSES}"):
        if name in folder.files:
            with folder.path(name).open("rb") as file:
                lines = file.read(LARGEST_CLASSES).decode("utf-8-sig", errors="replace").split("\n")
            return tuple(line.rstrip("\r") for line in lines if line.strip())
    raise FormatError(
        f"There is no {CLASSES}: the pickle knows classes by number only.",
        where=Where(str(folder.root)),
        remedy=f"Add {CLASSES} with a name on each line, or give the names with classes.",
    )


def _entries(
    folder: Folder, names: Sequence[str], classes: Sequence[str], options: MmdetOptions, effort: Effort, defects: Defects
) -> Entries:
    parsers = (Parser(name, classes, 1 if options.legacy else 0, defects) for name in names)
    found = (entry for parser in parsers for entry in parser.entries(folder))
    spool, total = Spool(effort.scratch), 0
    while piece := list(islice(found, PIECE)):
        spool.append(encoded(piece))
        total += len(piece)
    return Entries(spool, total)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Makes numbered entries images; held is the piece that is at hand."""

    folder: Folder
    index: ImageIndex
    entries: Entries
    held: dict[int, list[Entry]]

    def image(self, number: int, reading: Reading) -> ImageRecord | None:
        """The image of an entry; None where its file is missing or of another size, which is told."""
        piece = number // PIECE
        if piece not in self.held:
            self.held.clear()
            self.held[piece] = decoded(self.entries.spool.read(piece))
        name, width, height, boxes, split, pickle = self.held[piece][number % PIECE]
        where = Where(pickle, key=name)
        file, problem = self.index.find(name, beside=pickle, split=split)
        if problem:
            reading.defects.add(problem, where)
            return None
        path = self.folder.path(file)
        size = read_size(path, name=file)
        if size != (width, height):
            swapped = ": width and height are swapped" if size == (height, width) else ""
            reading.defects.add(f"The annotation says {width} x {height} pixels, the image has {size[0]} x {size[1]}{swapped}.", where)
        if boxes is None:
            reading.ledger.drop_image(STEP, "image without ann, so nobody has annotated it", ImageRecord(name, None, 0, 0))
            return None
        annotations = tuple(
            Annotation(label, x, y, w, h, IGNORED_FLAGS[why], origin=place)
            for place, (label, x, y, w, h, why) in enumerate(boxes)
        )
        return ImageRecord(name, path, width, height, annotations, split, source_file=pickle, origin_is_line=False)


def write(dataset: Dataset, destination: Path, options: MmdetOutput, audience: Audience, effort: Effort) -> None:
    """A pickle for each split, images linked under images/, the classes in classes.txt. FormatError where those cannot hold a name."""
    defects = Defects()
    for label in dataset.classes:
        if not label.strip() or "\n" in label or "\r" in label:
            defects.add(f"The class cannot stand on a line of {CLASSES}.", Where(key=repr(label)))
    for split in dataset.splits:
        if unsafe_path(split) or "/" in split or split == ALL:
            defects.add("The split cannot be the name of a pickle.", Where(key=repr(split)))
    defects.raise_if_any("What would be written", remedy="Rename what is named here.")
    annotations = destination / "annotations"
    annotations.mkdir()
    (destination / CLASSES).write_text("".join(f"{label}\n" for label in dataset.classes), encoding="utf-8", newline="\n")
    labels = {label: number for number, label in enumerate(dataset.classes)}
    images = f"{destination / 'images'}/"
    rounded = 0

    def work(records: Iterator[ImageRecord], _: Ledger) -> tuple[dict[str | None, list[bytes]], int]:
        return entries_of(placed(records, images), labels, short=1 if options.legacy else 0)

    with ExitStack() as stack:
        files = {split: _open(annotations, split, stack) for split in dataset.splits}
        for pieces, count in audience.results(dataset, work, effort, phase="writing mmdet"):
            rounded += count
            for found, entries in pieces.items():
                name = found or ALL
                if name not in files:
                    files[name] = _open(annotations, name, stack)
                files[name].writelines(entries)
        for file in files.values():
            file.write(pickling.END)
    if rounded:
        audience.ledger.note(f"{rounded:,} boxes were rounded to 32 bits, as MMDetection keeps them.")


def _open(folder: Path, split: str, stack: ExitStack) -> IO[bytes]:
    file = stack.enter_context((folder / f"{split}.pkl").open("xb"))
    file.write(pickling.START)
    return file


FORMAT = Format(
    "mmdet", "MMDetection's pickles", sniff=sniff, read=read, read_options=MmdetOptions, write=write, write_options=MmdetOutput,
    holds=frozenset({Feature.DIFFICULT, Feature.CROWD, Feature.SPLIT, Feature.BOXLESS, Feature.UNUSED_CLASS}),
)  # fmt: skip
