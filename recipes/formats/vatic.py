"""VATIC's dumps (turkic dump SLUG) as text, XML or JSON, with the frames of the video as images beside them.

Sources: cvondrick/vatic cli.py at 7de990a. Frames count from 0; corners are 0-based pixel edges, so w = xmax - xmin. Rows of lost
boxes are in the file; boxes may leave the image. Its Pascal dump is read as VOC. A pickle can run any program while it is
opened, so none is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recipes.dataset import Dataset, Feature, ImageRecord
from recipes.effort import Effort
from recipes.errors import Defects, FormatError, Where
from recipes.folder import Folder, suffix
from recipes.formats import NOT_MINE, Format, Sniff
from recipes.ledger import Ledger
from recipes.observing import Audience
from recipes.parameters import NoParameters, Parameters
from recipes.pictures.image_sizes import ImageSizes
from recipes.pictures.video_frames import VideoFrames, pair_videos
from recipes.streams.spool import chunk_size
from recipes.vatic.markup import looks_like_markup, read_markup
from recipes.vatic.rows import Rows, boxes, gather, leave_out, require_images
from recipes.vatic.text import SHAPE, looks_like_text, read_text
from recipes.vatic.tracks import looks_like_tracks, read_tracks
from recipes.vatic.writing import VaticWriter

SNIFFED_FILES = 20
PICKLES = (".pkl", ".pickle", ".p")
PICKLED = b"vision.annotations"
KINDS = {".txt": (looks_like_text, read_text), ".xml": (looks_like_markup, read_markup), ".json": (looks_like_tracks, read_tracks)}


class VaticOptions(Parameters):
    """offset: the number in the image name of frame 0 (auto: 0, or 1 where the images start at 1 and all fit).

    missing_frames: refuse rows whose frame has no image, or drop them and say so.
    """

    offset: int | Literal["auto"] = "auto"
    missing_frames: Literal["refuse", "drop"] = "refuse"


@dataclass(frozen=True, slots=True)
class Video:
    """One annotation file with its frames: rows, images by frame number, and where its sizes begin."""

    name: str
    rows: Rows
    frames: VideoFrames
    first_size: int


def sniff(folder: Folder) -> Sniff:
    """A file whose beginning is that of a dump."""
    names = _annotation_files(folder, SNIFFED_FILES)
    if names:
        return Sniff(0.95, f"{names[0]} is a VATIC dump")
    pickles = _pickles(folder)
    return Sniff(0.95, f"{pickles[0]} is a VATIC pickle") if pickles else NOT_MINE


def _annotation_files(folder: Folder, most: int | None = None) -> tuple[str, ...]:
    """The files that are dumps by their first lines, among the first so many of each kind."""
    names = (name for ending in KINDS for name in folder.with_suffix(ending)[:most])
    return tuple(sorted(name for name in names if KINDS[suffix(name)][0](folder.path(name))))


def _pickles(folder: Folder) -> list[str]:
    return [name for name in folder.with_suffix(*PICKLES) if PICKLED in _head(folder.path(name))]


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)


def read(folder: Folder, options: VaticOptions, effort: Effort) -> Dataset:
    """Every frame with its boxes, video by video; one FormatError names all broken rows by file and line."""
    names = _annotation_files(folder)
    if not names:
        raise _nothing(folder)
    defects = Defects()
    tables = [gather(name, KINDS[suffix(name)][1](folder.path(name), name, defects), effort, defects) for name in names]
    defects.raise_if_any("The annotation", remedy=f"A row of the text dump is {SHAPE}.")
    frames, notes = pair_videos(folder, [(rows.name, rows.frames) for rows in tables], offset=options.offset)
    videos = _assemble(tables, frames)
    if options.missing_frames == "refuse":
        for video in videos:
            require_images(video.rows, frozenset(video.frames.frames), defects)
        defects.raise_if_any("The annotation", remedy="Send the missing frames, or leave these rows out with missing_frames=drop.")
    images = [name for video in videos for name in video.frames.images]
    sizes = ImageSizes.read(folder, images, effort)
    size = chunk_size(len(images))
    chunks = [(video, start, start + size) for video in videos for start in range(0, len(video.frames.images), size)]

    def draw(chunk: int, ledger: Ledger) -> Iterator[ImageRecord]:
        return _records(folder, *chunks[chunk], sizes, ledger)

    classes = tuple(dict.fromkeys(label for rows in tables for label in rows.labels))
    return Dataset(classes, draw, len(chunks), len(images), notes=notes)


def _nothing(folder: Folder) -> FormatError:
    pickles = _pickles(folder)
    if pickles:
        remedy = "Dump it again as text: turkic dump SLUG -o fish.txt."
        return FormatError("A pickle can run any program while it is opened, so none is.", where=Where(pickles[0]), remedy=remedy)
    return FormatError("There is no VATIC dump here.", where=Where(str(folder.root)), remedy=f"A row of the text dump is {SHAPE}.")


def _assemble(tables: Sequence[Rows], frames: Sequence[VideoFrames]) -> tuple[Video, ...]:
    videos: list[Video] = []
    first_size = 0
    for rows, paired in zip(tables, frames, strict=True):
        videos.append(Video(rows.name.rpartition(".")[0], rows, paired, first_size))
        first_size += len(paired.images)
    return tuple(videos)


def _records(folder: Folder, video: Video, start: int, stop: int, sizes: ImageSizes, ledger: Ledger) -> Iterator[ImageRecord]:
    """Some frames, one after the other; rows without an image are accounted for with the first of them."""
    if start == 0:
        leave_out(video.rows, frozenset(video.frames.frames), ledger)
    frames = video.frames.frames[start:stop]
    rows = video.rows.of(frames)
    for number, (frame, name) in enumerate(zip(frames, video.frames.images[start:stop], strict=True), start=start):
        width, height = sizes.of(video.first_size + number)
        found = boxes(rows.get(frame, ()))
        yield ImageRecord(name, folder.path(name), width, height, found, None, video.name, frame, video.rows.name)


def write(dataset: Dataset, destination: Path, _: NoParameters, audience: Audience, effort: Effort) -> None:
    """VIDEO.txt with its frames in VIDEO/ for each video; images of no video are the frames of one called images."""
    VaticWriter(destination, audience.ledger).write(audience.images(dataset, effort, phase="writing vatic"))


FORMAT = Format(
    "vatic",
    "VATIC's dump with the frames of its videos",
    sniff=sniff,
    read=read,
    read_options=VaticOptions,
    write=write,
    holds=frozenset(
        {Feature.LOST, Feature.OCCLUDED, Feature.GENERATED, Feature.TRACK, Feature.FRAME, Feature.ATTRIBUTES, Feature.BOXLESS}
    ),
)
