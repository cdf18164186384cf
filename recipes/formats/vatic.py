"""VATIC's text dump (turkic dump SLUG): one row per track and frame, frames as images beside it.

Format: cvondrick/vatic cli.py, dumptext, at 7de990a: ``id xmin ymin xmax ymax frame lost occluded generated "label"
["attribute" …]`` with single blanks; frames from 0; corners at 0-based pixel edges, so w = xmax - xmin. Labels and
attributes are not escaped and may hold blanks. Rows of lost boxes are in the file; boxes may leave the image.
"""

from __future__ import annotations

import mmap
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, TypeAlias

from recipes.dataset import NO_FLAGS, Annotation, Attributes, Dataset, Flag, Flags, ImageRecord
from recipes.effort import Effort
from recipes.errors import Defects, FormatError, Where
from recipes.folder import Folder
from recipes.formats import NOT_MINE, Format, Sniff
from recipes.image_sizes import ImageSizes
from recipes.ledger import Ledger
from recipes.parameters import Parameters
from recipes.spool import chunk_size
from recipes.video_frames import VideoFrames, pair_videos

ROW = re.compile(
    rb"(-?\d{1,9}) (-?\d{1,9}(?:\.\d{1,12})?) (-?\d{1,9}(?:\.\d{1,12})?) (-?\d{1,9}(?:\.\d{1,12})?) "
    rb'(-?\d{1,9}(?:\.\d{1,12})?) (\d{1,8}) ([01] [01] [01]) "([^\r\n]+)"[ \t]*\r?\n?'
)
NUMBER = re.compile(rb"-?\d{1,9}(?:\.\d{1,12})?")
COLUMNS = ("track id", "xmin", "ymin", "xmax", "ymax", "frame", "lost", "occluded", "generated")
SHAPE = 'id xmin ymin xmax ymax frame lost occluded generated "label"'
MAX_LINE = 65_536
SNIFFED_LINES = 20
STEP = "read vatic"
NO_IMAGE = "frame without an image"

FLAGS: dict[bytes, Flags] = {
    b"%d %d %d" % bits: frozenset(flag for flag, bit in zip((Flag.LOST, Flag.OCCLUDED, Flag.GENERATED), bits, strict=True) if bit)
    or NO_FLAGS
    for bits in product((0, 1), repeat=3)
}
Words: TypeAlias = dict[bytes, tuple[str, Attributes | None]]
"""Label and attributes by the text they stand in: few are different, so each is taken apart once."""


class VaticOptions(Parameters):
    """offset: the number in the image name of frame 0 (auto: 0, or 1 where the images start at 1 and all fit).

    missing_frames: refuse rows whose frame has no image, or drop them and say so.
    """

    offset: int | Literal["auto"] = "auto"
    missing_frames: Literal["refuse", "drop"] = "refuse"


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one annotation file, checked: where each starts, and its line, in the order of frames."""

    name: str
    frames: array[int]
    offsets: array[int]
    lines: array[int]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Video:
    """One annotation file with its frames: rows, images by frame number, and where its sizes begin."""

    name: str
    rows: Rows
    frames: VideoFrames
    first_size: int


def sniff(folder: Folder) -> Sniff:
    """A text file whose first lines are mostly rows of this format (a broken one may be among them)."""
    names = annotation_files(folder)
    if not names:
        return NOT_MINE
    return Sniff(0.95, f"{names[0]} holds rows of a VATIC text dump")


def annotation_files(folder: Folder) -> tuple[str, ...]:
    """The text files that are VATIC dumps by their first lines."""
    return tuple(name for name in folder.with_suffix(".txt") if _looks_like_rows(folder, name))


def _looks_like_rows(folder: Folder, name: str) -> bool:
    with folder.path(name).open("rb") as file:
        lines = [line for line in (file.readline(MAX_LINE) for _ in range(SNIFFED_LINES)) if line.strip()]
    matching = sum(ROW.fullmatch(line) is not None for line in lines)
    return matching > 0 and 2 * matching >= len(lines)


def read(folder: Folder, options: VaticOptions, effort: Effort) -> Dataset:
    """Every frame with its boxes, video by video; one FormatError names all broken rows by file and line."""
    names = annotation_files(folder)
    if not names:
        raise FormatError("There is no VATIC text dump here.", where=Where(str(folder.root)), remedy=f"A row is {SHAPE}.")
    defects = Defects()
    tables = [_read_rows(folder, name, defects) for name in names]
    defects.raise_if_any("The annotation", remedy=f"A row is {SHAPE}.")
    frames, notes = pair_videos(folder, [(rows.name, rows.frames) for rows in tables], offset=options.offset)
    videos = _assemble(tables, frames)
    if options.missing_frames == "refuse":
        _require_images(videos)
    images = [name for video in videos for name in video.frames.images]
    sizes = ImageSizes.read(folder, images, effort)
    size = chunk_size(len(images))
    chunks = [(video, start, start + size) for video in videos for start in range(0, len(video.frames.images), size)]

    def draw(chunk: int, ledger: Ledger) -> Iterator[ImageRecord]:
        return _records(folder, *chunks[chunk], sizes, ledger)

    classes = tuple(dict.fromkeys(label for rows in tables for label in rows.labels))
    return Dataset(classes, draw, len(chunks), len(images), notes=notes)


def _assemble(tables: Sequence[Rows], frames: Sequence[VideoFrames]) -> tuple[Video, ...]:
    videos: list[Video] = []
    first_size = 0
    for rows, paired in zip(tables, frames, strict=True):
        videos.append(Video(rows.name.rpartition(".")[0], rows, paired, first_size))
        first_size += len(paired.images)
    return tuple(videos)


def _read_rows(folder: Folder, name: str, defects: Defects) -> Rows:
    """The first pass: check every row, remember where it stands, and order the rows by frame."""
    frames, tracks, offsets = array("q"), array("q"), array("q")
    numbers = array("q")
    quoted: dict[bytes, int] = {}
    offset = 0
    with folder.path(name).open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE), b""), start=1):
            match = ROW.fullmatch(line)
            problem = _problem(match) if match else _diagnosis(line)
            if problem:
                defects.add(problem, Where(name, number))
            elif match:
                frames.append(int(match[6]))
                tracks.append(int(match[1]))
                offsets.append(offset)
                numbers.append(number)
                quoted.setdefault(match[8], number)
            offset += len(line)
    order = sorted(range(len(frames)), key=frames.__getitem__)
    _find_duplicates(name, order, frames, tracks, numbers, defects)
    return Rows(
        name,
        array("q", (frames[row] for row in order)),
        array("q", (offsets[row] for row in order)),
        array("q", (numbers[row] for row in order)),
        tuple(dict.fromkeys(_label(text, Where(name, line), defects) for text, line in quoted.items())),
    )


def _problem(match: re.Match[bytes]) -> str:
    """What is wrong with a row that has the right shape; empty where nothing is."""
    if float(match[4]) < float(match[2]):
        return f"The box is inverted: xmax {match[4].decode()} is left of xmin {match[2].decode()}."
    if float(match[5]) < float(match[3]):
        return f"The box is inverted: ymax {match[5].decode()} is above ymin {match[3].decode()}."
    return ""


def _diagnosis(line: bytes) -> str:
    """Why a line is no row, in a sentence; empty for an empty line."""
    if not line.strip():
        return ""
    if len(line) >= MAX_LINE:
        return f"The line is longer than {MAX_LINE:,} bytes."
    head, quote, _ = line.partition(b'"')
    columns = head.split()
    if len(columns) < len(COLUMNS):
        return f"The row has {len(columns)} of the {len(COLUMNS)} numbers that come before the label."
    for title, value in zip(COLUMNS, columns, strict=False):
        if not NUMBER.fullmatch(value):
            return f"The {title} is {_shown(value)}, which is no number."
        if title in {"lost", "occluded", "generated"} and value not in {b"0", b"1"}:
            return f"The {title} flag is {_shown(value)}; it must be 0 or 1."
        if title in {"track id", "frame"} and not value.lstrip(b"-").isdigit():
            return f"The {title} is {_shown(value)}; it must be a whole number."
        if title == "frame" and value.startswith(b"-"):
            return f"The frame is {_shown(value)}; frames count from 0."
    if len(columns) > len(COLUMNS) or not quote:
        return "The label is not in double quotes."
    return f"The row is not of the shape {SHAPE} with single blanks."


def _shown(value: bytes) -> str:
    return repr(value[:40].decode(errors="replace"))


def _find_duplicates(name: str, order: list[int], frames: array[int], tracks: array[int], lines: array[int], defects: Defects) -> None:
    """Two rows for one track in one frame contradict each other."""
    frame = None
    seen: dict[int, int] = {}
    for row in order:
        if frames[row] != frame:
            frame, seen = frames[row], {}
        if tracks[row] in seen:
            message = f"Track {tracks[row]} has frame {frame} twice, first in line {seen[tracks[row]]}."
            defects.add(message, Where(name, lines[row]))
        else:
            seen[tracks[row]] = lines[row]


def _texts(quoted: bytes) -> list[bytes]:
    """Label and attributes from what stands between the first and the last quote of the row."""
    return quoted.split(b'" "')


def _label(quoted: bytes, where: Where, defects: Defects) -> str:
    try:
        quoted.decode()
    except UnicodeDecodeError:
        defects.add(f"The label or an attribute is not UTF-8 text: {_shown(quoted)}.", where)
    return _texts(quoted)[0].decode(errors="replace")


def _require_images(videos: Sequence[Video]) -> None:
    defects = Defects()
    for video in videos:
        present = frozenset(video.frames.frames)
        for frame, line in zip(video.rows.frames, video.rows.lines, strict=True):
            if frame not in present:
                defects.add(f"Frame {frame} has no image.", Where(video.rows.name, line))
    defects.raise_if_any("The annotation", remedy="Send the missing frames, or leave these rows out with missing_frames=drop.")


def _records(folder: Folder, video: Video, start: int, stop: int, sizes: ImageSizes, ledger: Ledger) -> Iterator[ImageRecord]:
    """The second pass: some frames, one after the other, each row parsed where it stands in the file."""
    rows, frames, images = video.rows, video.frames.frames[start:stop], video.frames.images[start:stop]
    row = bisect_right(rows.frames, video.frames.frames[start - 1]) if start else 0
    words: Words = {}
    with folder.path(rows.name).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        for number, (frame, name) in enumerate(zip(frames, images, strict=True), start=start):
            row = _skip(rows, row, frame, ledger)
            end = row
            while end < len(rows.frames) and rows.frames[end] == frame:
                end += 1
            boxes = tuple(_annotation(text, rows.offsets[i], rows.lines[i], words) for i in range(row, end))
            row = end
            width, height = sizes.of(video.first_size + number)
            yield ImageRecord(name, folder.path(name), width, height, boxes, video=video.name, frame=frame, source_file=rows.name)
        if stop >= len(video.frames.images):
            _skip(rows, row, None, ledger)


def _skip(rows: Rows, row: int, frame: int | None, ledger: Ledger) -> int:
    """Account for the rows before a frame (before the end, for None): their frames have no image."""
    while row < len(rows.frames) and (frame is None or rows.frames[row] < frame):
        ledger.drop_row(STEP, NO_IMAGE, str(Where(rows.name, rows.lines[row], f"frame {rows.frames[row]}")))
        row += 1
    return row


def _annotation(text: mmap.mmap, offset: int, line: int, words: Words) -> Annotation:
    match = ROW.match(text, offset)
    if match is None:
        raise FormatError("The annotation file changed while it was read.", where=Where(line=line))
    track, left, top, right, bottom, _, flags, quoted = match.groups()
    if quoted not in words:
        words[quoted] = _words(quoted)
    label, attributes = words[quoted]
    x, y = float(left), float(top)
    return Annotation(
        label, x, y, float(right) - x, float(bottom) - y, FLAGS[flags], int(track), None, None, attributes, line
    )  # fmt: skip


def _words(quoted: bytes) -> tuple[str, Attributes | None]:
    """VATIC's attributes are words that hold for the box: each becomes a true one of that name."""
    label, *attributes = (text.decode() for text in _texts(quoted))
    return label, dict.fromkeys(attributes, True) if attributes else None


FORMAT = Format("vatic", "VATIC text dump with video frames", sniff=sniff, read=read, read_options=VaticOptions)
