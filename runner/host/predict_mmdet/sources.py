"""What is predicted on: the pictures of a COCO listing, given pictures, and the frames of given videos, one at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, Callable, NamedTuple, Optional

import cv2
import numpy

# Bytes; file systems end at 255, and numbers, class names and extensions follow.
LONGEST_NAME = 150


class Source(NamedTuple):
    """A file: a picture or a video. ``image_id`` is a listing's own; pictures and frames that were given are counted from 1."""

    name: str
    path: str
    image_id: Optional[int] = None


class Frame(NamedTuple):
    """A picture, height x width x 3 in BGR, or frame ``number`` (from 1) of a video."""

    name: str
    image_id: int
    pixels: numpy.ndarray
    video: Optional["Video"] = None
    number: int = 0


class Video(NamedTuple):
    """A video file as it says it is; ``frames`` is 0 where it does not say."""

    name: str
    fps: float
    frames: int


Loader = Callable[[str], Optional[numpy.ndarray]]
LeaveOut = Callable[[str, str], None]


def sources_of(request: Mapping[str, Any]) -> list[Source]:
    """The pictures of the listing, then the given files in their order."""
    found = [Source(item["name"], item["path"]) for item in request["files"]]
    if not request["listing"]:
        return found
    with open(request["listing"], encoding="utf-8") as file:
        images = json.load(file)["images"]
    return [Source(item["file_name"], os.path.join(request["images"], item["file_name"]), item["id"]) for item in images] + found


def frames_of(sources: list[Source], load: Loader, leave_out: LeaveOut) -> Iterator[Frame]:
    """Every picture and frame that can be read; what cannot is left out by name, with the reason."""
    count = 0
    for source in sources:
        for frame in _frames(source, load, leave_out):
            count += 1
            yield frame if source.image_id is not None else frame._replace(image_id=count)


def _frames(source: Source, load: Loader, leave_out: LeaveOut) -> Iterator[Frame]:
    if not os.path.isfile(source.path):
        leave_out(source.name, "the file is not there")
    elif cv2.haveImageReader(source.path):
        pixels = _loaded(source.path, load)
        if pixels is None:
            leave_out(source.name, "it cannot be decoded")
        else:
            yield Frame(source.name, source.image_id or 0, pixels)
    elif source.image_id is None and is_video(source.path):
        yield from _video(source, leave_out)
    else:
        leave_out(source.name, "it is no picture" if source.image_id is not None else "it is neither a picture nor a video")


def _loaded(path: str, load: Loader) -> numpy.ndarray | None:
    try:
        return load(path)
    except (cv2.error, OSError, ValueError, SyntaxError):  # SyntaxError: how Pillow, one of mmcv's decoders, calls a broken PNG
        return None


def is_video(path: str) -> bool:
    """By its first bytes: ISO media (MP4, MOV), Matroska (MKV, WebM), AVI, Ogg, MPEG.

    The library is handed nothing else: it would take a text for a playlist, and open what that names.
    """
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        head = file.read(12)
    iso, riff = head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide"), head[:4] == b"RIFF" and head[8:] == b"AVI "
    return iso or riff or head[:4] in (b"\x1aE\xdf\xa3", b"OggS", b"\0\0\1\xba", b"\0\0\1\xb3")


def _video(source: Source, leave_out: LeaveOut) -> Iterator[Frame]:
    capture = cv2.VideoCapture(source.path)
    number = 0
    try:
        fps, frames = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
        video = Video(source.name, fps if 0 < fps <= 240 else 25.0, int(frames) if 0 < frames < 2**31 else 0)
        while True:
            there, pixels = capture.read()
            if not there:
                break
            number += 1
            yield Frame(source.name, number, pixels, video, number)
    finally:
        capture.release()
    if not number:
        leave_out(source.name, "no frame of the video can be decoded")


def total_of(sources: list[Source]) -> int | None:
    """How many pictures there will be; None where a video does not say how many frames it has."""
    total = 0
    for source in sources:
        frames = 1.0
        if source.image_id is None and is_video(source.path):
            capture = cv2.VideoCapture(source.path)
            frames = capture.get(cv2.CAP_PROP_FRAME_COUNT)
            capture.release()
            if not 0 < frames < 2**31:
                return None
        total += int(frames)
    return total


class Names:
    """File names for what is made of each picture: its own without folders and extension, made unique and safe for any system."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def of(self, frame: Frame) -> str:
        """The name for one picture or frame."""
        stem = os.path.splitext(frame.name)[0].strip("/").replace("/", "_")
        stem = "".join(letter if letter.isalnum() or letter in "-_. " else "_" for letter in stem).lstrip(". ")
        stem = stem.encode()[:LONGEST_NAME].decode(errors="ignore") or "picture"
        wanted = name = stem + ("_%06d" % frame.number if frame.video else "")
        repeated = 1
        while name in self._used:
            repeated += 1
            name = "%s_%d" % (wanted, repeated)
        self._used.add(name)
        return name
