"""Reads TFRecord files in two steps: where each record lies, then the records, by several processes.

Rows of plain values are kept on disk; images are not, they stay where they are in their file. What takes the whole dataset to know
(whose name is there twice, from which number classes count) is settled between reading and drawing.
"""

from __future__ import annotations

import marshal
import os
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from recipes.arriving.archive import Limits
from recipes.dataset import Annotation, Dataset, ImageRecord
from recipes.effort import Effort
from recipes.errors import Defects, FormatError, Where
from recipes.folder import Folder
from recipes.ledger import Ledger
from recipes.splitting.split_names import in_usual_order
from recipes.streams.nameless import NamelessFile
from recipes.streams.spool import Reading, Spool, chunk_size
from recipes.tfrecord import examples
from recipes.tfrecord.classes import MOST, Classes, Key, Unresolved, resolve
from recipes.tfrecord.examples import Row, flags_of, parsed
from recipes.tfrecord.expanding import expand, is_compressed
from recipes.tfrecord.framing import RecordIndex
from recipes.tfrecord.label_map import LabelMap
from recipes.tfrecord.layout import VOTT_LABEL_MAP, require_all_shards, split_of

CHUNK_BYTES = 32 * 1024**2
FLOAT32 = 2.0**-24
"""Half of the distance from one float32 to the next, as a share of it."""

_Rows: TypeAlias = list[bytes]
"""The rows of a chunk, each by itself in marshal's form."""


@dataclass(slots=True)
class Files:
    """The TFRecord files: their names, where their records are, their splits. regions: where in expanded a compressed one's content is."""

    names: Sequence[str]
    root: str
    single: bool
    expanded: NamelessFile
    regions: dict[int, tuple[int, int]] = field(default_factory=dict)
    index: RecordIndex = field(default_factory=RecordIndex)
    _open: tuple[int, int] | None = None

    def path(self, file: int) -> str:
        return self.expanded.path if file in self.regions else self.root + self.names[file]

    def split(self, file: int) -> str | None:
        return split_of(self.names[file], single=self.single)

    def where(self, record: int) -> Where:
        return Where(self.names[self.index.files[record]], key=f"record {self.index.number(record)}")

    def stem(self, record: int) -> str:
        """A name for an image without one, but for its suffix."""
        file = PurePosixPath(self.names[self.index.files[record]])
        return f"{file.name.partition('.')[0]}-{self.index.number(record):06d}"

    def read(self, record: int) -> bytes:
        """The bytes of a record; the file of the last one stays open."""
        file = self.index.files[record]
        if self._open is None or self._open[0] != file:
            self.close()
            self._open = file, os.open(self.path(file), os.O_RDONLY)
        return self.index.read(record, self._open[1])

    def close(self) -> None:
        if self._open is not None:
            os.close(self._open[1])
            self._open = None


@dataclass(frozen=True, slots=True)
class _Piece:
    """What the reading of one chunk gives."""

    rows: bytes
    reading: Reading
    keys: set[Key]
    names: array[int]


@dataclass(frozen=True, slots=True)
class Records:
    """Everything that was read. starts: the first record of each chunk, and the end; repeated: hashes of names that are there twice."""

    files: Files
    spool: Spool
    starts: Sequence[int]
    classes: Classes
    names: array[int]
    repeated: array[int]
    images: bool

    def draw(self, chunk: int, ledger: Ledger) -> Iterator[ImageRecord]:
        """The images of a chunk."""
        last = -1
        for record, row in enumerate(_rows(self.spool, chunk), start=self.starts[chunk]):
            file = self.files.index.files[record]
            if file != last:
                path, source, split = Path(self.files.path(file)), self.files.names[file], self.files.split(file)
                last = file
            name = self._unique(row.name, record) if self.repeated else row.name
            yield ImageRecord(
                name, path if self.images else None, row.width, row.height, tuple(self._annotations(row, name, source, ledger)),
                split, source_file=source, origin_is_line=False,
                span=(self.files.index.starts[record] + row.at, row.length) if self.images else None,
            )  # fmt: skip

    def _annotations(self, row: Row, name: str, source: str, ledger: Ledger) -> Iterator[Annotation]:
        of, width, height = self.classes.of, row.width, row.height
        bits = row.flags or (0,) * len(row.corners[0])
        for number, (key, bit, x, y, right, bottom) in enumerate(zip(_keys(row), bits, *row.corners, strict=True), start=1):
            label = of[key]
            if label is None:
                case = str(Where(source, key=f"annotation {number} of {name}"))
                ledger.drop_row("tfrecord", "has no class, so TensorFlow leaves it out, too", case)
                continue
            left, top = pixels(x, width), pixels(y, height)
            w, h = pixels(right, width) - left, pixels(bottom, height) - top
            yield Annotation(label, left, top, w, h, flags_of(bit), origin=number)

    def _unique(self, name: str, record: int) -> str:
        """The name, with the number of its record where another image has the same."""
        if not _holds(self.repeated, hash(name)):
            return name
        path = PurePosixPath(name)
        number = record
        while _holds(self.names, hash(renamed := str(path.with_stem(f"{path.stem}-{number + 1:06d}")))):
            number += len(self.names)
        return renamed


def pixels(share: float, size: int) -> float:
    """A coordinate in pixels: the nearest thousandth where the stored float32 stands for that as well, else exactly what it says.

    So what was drawn on whole pixels, or told with a few decimals, comes back as it was.
    """
    exact = share * size
    if not -1e6 < exact < 1e6:  # not finite, or far from any picture
        return exact
    short = round(exact * 1000) / 1000
    return short if abs(short - exact) <= abs(exact) * FLOAT32 else exact


def read(folder: Folder, names: Sequence[str], label_map: LabelMap | None, effort: Effort, *, images: bool) -> Dataset:
    """The dataset of some files; FormatError with every defect."""
    files = _indexed(folder, names, effort, single=label_map is not None and label_map.name.endswith(VOTT_LABEL_MAP))
    starts = _chunks(files.index)
    spool, all_read, keys, hashes = Spool(effort.scratch), Reading(), set[Key](), array("q")
    pieces = effort.ordered(
        lambda chunk: _read_chunk(files, range(starts[chunk], starts[chunk + 1]), images=images),
        len(starts) - 1, phase="reading records", total=len(files.index),
    )  # fmt: skip
    for piece in pieces:
        spool.append(piece.rows)
        all_read.merge(piece.reading)
        keys |= piece.keys
        if len(keys) > MOST:
            raise FormatError(f"There are more than {MOST:,} classes.", where=files.where(starts[len(spool) - 1]))
        hashes.extend(piece.names)
    files.close()
    all_read.defects.raise_if_any(f"The set of {len(files.index):,} records")
    classes = resolve(keys, label_map)
    if isinstance(classes, Unresolved):
        raise _unresolved(classes, files, spool, starts)
    ordered = array("q", sorted(hashes))
    repeated = array("q", sorted({one for one, other in pairwise(ordered) if one == other}))
    records = Records(files, spool, starts, classes, ordered, repeated, images)
    found = {files.split(file) for file in range(len(names))}
    splits = in_usual_order(split for split in found if split)
    notes = (*classes.notes, *_notes(all_read, repeated=len(repeated)))
    return Dataset(classes.names, records.draw, len(starts) - 1, len(files.index), splits, notes)


def _indexed(folder: Folder, names: Sequence[str], effort: Effort, *, single: bool) -> Files:
    files, defects = Files(names, f"{folder.root}/", single, NamelessFile(effort.scratch)), Defects()
    require_all_shards(names, defects)
    for number, name in enumerate(names):
        try:
            if is_compressed(folder.path(name)):
                files.regions[number] = expand(folder.path(name), name, files.expanded, Limits())
            files.index.add_file(files.path(number), name, defects, files.regions.get(number))
        except FormatError as error:
            defects.add_error(error)
        except OSError as error:
            defects.add(f"The file cannot be read: {error.strerror}.", Where(name))
        effort.progress(number + 1, len(names), "finding records")
    defects.raise_if_any(f"The set of {len(names):,} TFRecord files", remedy="Send it again." if defects.count == 1 else "")
    return files


def _chunks(index: RecordIndex) -> list[int]:
    """Where chunks begin, and the end: none of too many records, none of too many bytes."""
    size, starts, held = chunk_size(len(index)), [0], 0
    for record, length in enumerate(index.lengths):
        held += length
        if record > starts[-1] and (record - starts[-1] == size or held > CHUNK_BYTES):
            starts.append(record)
            held = length
    return [*starts, len(index)] if len(index) else [0]


def _read_chunk(files: Files, records: range, *, images: bool) -> _Piece:
    reading, rows, keys, names = Reading(), _Rows(), set[Key](), array("q")
    for record in records:
        try:
            row = parsed(files.read(record), reading, fallback=partial(files.stem, record), images=images)
        except FormatError as error:
            reading.defects.add(error.message, files.where(record))
            continue
        keys.update(_keys(row))
        names.append(hash(row.name))
        rows.append(marshal.dumps(tuple(row)))
    return _Piece(marshal.dumps(rows), reading, keys, names)


def _rows(spool: Spool, chunk: int) -> Iterator[Row]:
    rows: _Rows = marshal.loads(spool.read(chunk))  # noqa: S302 - our own bytes
    return (Row(*marshal.loads(row)) for row in rows)  # noqa: S302


def _keys(row: Row) -> Iterator[Key]:
    count = len(row.corners[0])
    return zip(row.texts or (b"",) * count, row.labels or (None,) * count, strict=True)


def _holds(ordered: array[int], value: int) -> bool:
    place = bisect_left(ordered, value)
    return place < len(ordered) and ordered[place] == value


def _unresolved(found: Unresolved, files: Files, spool: Spool, starts: Sequence[int]) -> FormatError:
    """What keeps some objects from having a class, each reason with its first record."""
    left, defects = dict(found.reasons), Defects()
    for chunk in range(len(starts) - 1):
        for record, row in enumerate(_rows(spool, chunk), start=starts[chunk]):
            for key in _keys(row):
                if key in left:
                    defects.add(left.pop(key), files.where(record))
            if not left:
                break
    try:
        defects.raise_if_any("The set of classes", remedy="Send the label map (.pbtxt) that belongs to these files.")
    except FormatError as error:
        return error
    raise AssertionError("every key comes from a row")


def _notes(reading: Reading, *, repeated: int) -> Iterator[str]:
    counts = reading.counts
    if counts[examples.RENAMED]:
        yield f"{counts[examples.RENAMED]:,} images had no name that can be a file's, and got another."
    if repeated:
        yield f"{repeated:,} file names stood for several images; these got the number of their record."
    if counts[examples.TURNED]:
        yield f"{counts[examples.TURNED]:,} images are to be turned as their EXIF data say, which TensorFlow does not do."
    for key, count in sorted(counts.items()):
        if key.startswith(examples.UNREAD):
            yield f"{key.removeprefix(examples.UNREAD)} of {count:,} images is not read."
