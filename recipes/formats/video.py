"""Video files without annotations: every so many frames become images, encoded as JPEG.

OpenCV decodes. A frame's number counts from 0 in the order in which they come out, as VATIC and ffmpeg count; so it is the same
number whatever ``every`` says.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from recipes.dataset import Dataset, ImageRecord
from recipes.effort import Effort
from recipes.errors import Defects, FormatError, Where
from recipes.folder import Folder
from recipes.formats import NOT_MINE, Format, Sniff
from recipes.ledger import Ledger
from recipes.parameters import Parameters
from recipes.streams.nameless import NamelessFile
from recipes.streams.spool import chunk_size

SUFFIXES = (".mp4", ".m4v", ".avi", ".mov", ".mkv", ".webm", ".mpg", ".mpeg")
ONLY_FILES = "protocol_whitelist;file"
"""A file may be a playlist that names addresses; nothing is fetched."""


class VideoOptions(Parameters):
    """every: one frame of so many is taken. first, last: the frames to begin and to end with. quality: of the JPEGs, 1 to 100."""

    every: Annotated[int, Field(ge=1, le=1_000_000)] = 10
    first: Annotated[int, Field(ge=0)] = 0
    last: Annotated[int, Field(ge=0)] | None = None
    quality: Annotated[int, Field(ge=1, le=100)] = 95


@dataclass(frozen=True, slots=True)
class _Frame:
    video: str
    number: int
    width: int
    height: int
    span: tuple[int, int]


def sniff(folder: Folder) -> Sniff:
    """Video files, and no image."""
    videos = folder.with_suffix(*SUFFIXES)
    if not videos or folder.images:
        return NOT_MINE
    return Sniff(0.2, f"{videos[0]} is a video, and there are no images")


def read(folder: Folder, options: VideoOptions, effort: Effort) -> Dataset:
    """The frames of every video, by name and number; FormatError names each that holds no frame that can be decoded."""
    videos = folder.with_suffix(*SUFFIXES)
    if not videos:
        raise FormatError("There is no video in this folder.", where=Where(str(folder.root)))
    store, defects, notes = NamelessFile(effort.scratch), Defects(), []
    frames: list[_Frame] = []
    for done, name in enumerate(videos):
        effort.progress(done, len(videos), "reading videos")
        taken, seen = _take(folder.path(name), name, options, store)
        if not taken:
            defects.add(f"No frame of the video can be taken ({seen:,} can be decoded).", Where(name))
        frames += taken
        notes.append(f"{name}: {len(taken):,} of {seen:,} frames are taken, one in {options.every}.")
    defects.raise_if_any("The set of videos", remedy="Send it again, or ask for other frames (first, last, every).")
    size = chunk_size(len(frames))

    def draw(chunk: int, _: Ledger) -> Iterator[ImageRecord]:
        path = Path(store.path)
        for frame in frames[chunk * size : (chunk + 1) * size]:
            name = f"{frame.video}/{frame.number:06d}.jpg"
            yield ImageRecord(
                name, path, frame.width, frame.height, video=frame.video, frame=frame.number, source_file=frame.video, span=frame.span
            )

    return Dataset((), draw, -(-len(frames) // size), len(frames), notes=tuple(notes))


def _take(path: Path, name: str, options: VideoOptions, store: NamelessFile) -> tuple[list[_Frame], int]:
    """The wanted frames of one video, and how many were looked at."""
    os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", ONLY_FILES)
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    import cv2

    taken: list[_Frame] = []
    number = 0
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        while (options.last is None or number <= options.last) and capture.grab():
            if number >= options.first and (number - options.first) % options.every == 0:
                picture: Any
                whole, picture = capture.retrieve()
                encoded, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, options.quality]) if whole else (False, None)
                if encoded and data is not None:
                    height, width = picture.shape[:2]
                    taken.append(_Frame(name, number, width, height, (store.append(data.tobytes()), data.nbytes)))
            number += 1
    finally:
        capture.release()
    return taken, number


FORMAT = Format("video", "video files, a frame of so many", sniff=sniff, read=read, read_options=VideoOptions)
