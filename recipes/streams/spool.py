"""Images with their annotations on disk, in chunks: read once, drawn any number of times, in memory one chunk at a time.

A chunk is marshal's form of plain tuples: written and read four times as fast as pickled records. The file has no name, so it
is gone with the last process that holds it, whatever ends that process.
"""

from __future__ import annotations

import marshal
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from recipes.dataset import NO_FLAGS, Annotation, Dataset, Flag, Flags, ImageRecord, Mask, Polygons, RunLengths
from recipes.effort import Effort
from recipes.errors import Defects, FormatError
from recipes.ledger import Ledger
from recipes.streams.nameless import NamelessFile

LARGEST_CHUNK = 256
SMALLEST_CHUNK = 8
CHUNKS_WANTED = 16
_BIT = {flag: 1 << place for place, flag in enumerate(Flag)}
_FLAGS: dict[int, Flags] = {0: NO_FLAGS}
Item = TypeVar("Item")


def chunk_size(total: int) -> int:
    """How many images make a chunk: enough chunks for several processes, and none that is large."""
    return max(SMALLEST_CHUNK, min(LARGEST_CHUNK, total // CHUNKS_WANTED))


def encoded(value: Any) -> bytes:
    """Plain values (numbers, texts, None, tuples, lists, dicts) as bytes."""
    return marshal.dumps(value)


def decoded(data: bytes) -> Any:
    """Values that this program has encoded."""
    return marshal.loads(data)  # noqa: S302 - from a nameless file of our own


class Spool:
    """Pieces of bytes in a nameless file, by number."""

    def __init__(self, directory: Path | None = None) -> None:
        self._file = NamelessFile(directory)
        self._ends = array("Q", (0,))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def append(self, data: bytes) -> None:
        """Add a piece."""
        self._file.append(data)
        self._ends.append(self._file.size)

    def read(self, number: int) -> bytes:
        """A piece as it was added. Safe from any number of processes at once."""
        start = self._ends[number]
        return self._file.read(start, self._ends[number + 1] - start)


@dataclass(slots=True)
class Reading:
    """What the reading of some files has found besides images: defects, what was left out, and counts of anything."""

    defects: Defects = field(default_factory=Defects)
    ledger: Ledger = field(default_factory=Ledger)
    counts: Counter[str] = field(default_factory=Counter)

    def merge(self, other: Reading) -> None:
        """Take in what the reading of the following files has found."""
        self.defects.merge(other.defects)
        self.counts.update(other.counts)


@dataclass(frozen=True, slots=True)
class Spooled:
    """Images that were read: labels and splits in the order of their first appearance, counts as the reading counted."""

    spool: Spool
    total: int
    labels: tuple[str, ...]
    splits: tuple[str, ...]
    counts: Counter[str]

    def draw(self, chunk: int, ledger: Ledger) -> Iterator[ImageRecord]:
        """The images of a chunk; what reading left out of it is told to the ledger."""
        images, left_out = decoded(self.spool.read(chunk))
        ledger.restore(left_out)
        return map(_unpacked, images)

    def dataset(self, classes: Sequence[str], *, splits: Sequence[str] | None = None, notes: Sequence[str] = ()) -> Dataset:
        """The dataset of these images."""
        found = self.splits if splits is None else tuple(splits)
        return Dataset(tuple(classes), self.draw, len(self.spool), self.total, found, tuple(notes))


def read_each(
    items: Sequence[Item],
    parse: Callable[[Item, Reading], ImageRecord | None],
    effort: Effort,
    *,
    subject: str = "The annotation",
    remedy: str = "",
    phase: str = "reading",
) -> Spooled:
    """Read one image for each item (a file name, as a rule), in the order of the items, by several processes.

    parse returns the image, or None for one that is left out (and accounted for) or defective; a FormatError it raises
    counts as a defect. FormatError with all defects of all items at the end.
    """
    size = chunk_size(len(items))

    def work(chunk: int) -> tuple[bytes, Reading, int, dict[str, None], dict[str, None]]:
        reading = Reading()
        records = [record for item in items[chunk * size : (chunk + 1) * size] if (record := _parsed(parse, item, reading)) is not None]
        labels = dict.fromkeys(annotation.label for record in records for annotation in record.annotations)
        splits = dict.fromkeys(record.split for record in records if record.split is not None)
        data = encoded((packed(records), reading.ledger.state()))
        reading.ledger = Ledger()
        return data, reading, len(records), labels, splits

    spool, all_read, total = Spool(effort.scratch), Reading(), 0
    all_labels: dict[str, None] = {}
    all_splits: dict[str, None] = {}
    for data, reading, images, labels, splits in effort.ordered(work, -(-len(items) // size), phase=phase, total=len(items)):
        spool.append(data)
        all_read.merge(reading)
        total += images
        all_labels |= labels
        all_splits |= splits
    all_read.defects.raise_if_any(subject, remedy=remedy)
    return Spooled(spool, total, tuple(all_labels), tuple(all_splits), all_read.counts)


def _parsed(parse: Callable[[Item, Reading], ImageRecord | None], item: Item, reading: Reading) -> ImageRecord | None:
    try:
        return parse(item, reading)
    except FormatError as error:
        reading.defects.add_error(error)
        return None


def packed(records: Iterable[ImageRecord]) -> list[tuple[Any, ...]]:
    """Images as plain tuples, for marshal. Images with edits are refused: readers make none."""
    return [_packed(record) for record in records]


def _packed(record: ImageRecord) -> tuple[Any, ...]:
    assert not record.edits
    annotations = [
        (
            a.label, a.x, a.y, a.w, a.h,
            packed_flags(a.flags) if a.flags else 0,
            a.track,
            None if a.mask is None else packed_mask(a.mask),
            a.mask_area,
            None if a.attributes is None else dict(a.attributes),
            a.origin,
        )
        for a in record.annotations
    ]  # fmt: skip
    return (
        record.name, None if record.path is None else str(record.path), record.width, record.height, annotations, record.split,
        record.video, record.frame, record.source_file, record.origin_is_line, record.span, record.copy_of,
    )  # fmt: skip


def _unpacked(image: tuple[Any, ...]) -> ImageRecord:
    name, path, width, height, annotations, *rest = image
    boxes = tuple(
        Annotation(label, x, y, w, h, unpacked_flags(bits), track, mask and unpacked_mask(mask), area, attributes, origin)
        for label, x, y, w, h, bits, track, mask, area, attributes, origin in annotations
    )
    return ImageRecord(name, None if path is None else Path(path), width, height, boxes, *rest)


def packed_flags(flags: Flags) -> int:
    """Flags as the bits of a number."""
    return sum(_BIT[flag] for flag in flags)


def unpacked_flags(bits: int) -> Flags:
    """Flags from the bits of a number; the same set each time."""
    if bits not in _FLAGS:
        _FLAGS[bits] = frozenset(flag for flag, bit in _BIT.items() if bits & bit)
    return _FLAGS[bits]


def packed_mask(mask: Mask) -> tuple[Any, ...]:
    """A mask as plain values."""
    match mask:
        case Polygons(parts):
            return ("p", parts)
        case RunLengths(height, width, counts):
            return ("r", height, width, counts)


def unpacked_mask(mask: tuple[Any, ...]) -> Mask:
    """A mask from its plain values."""
    return Polygons(mask[1]) if mask[0] == "p" else RunLengths(*mask[1:])
