"""Pairs annotation files that count frames with the images of those frames, as people send them.

Frames come as 0.jpg, 000000.jpg, frame_000123.jpg, in one folder or nested as turkic extract leaves them (0/0/123.jpg).
The frame's number is the last number in the image's name.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from recipes.errors import Defects, Where
from recipes.folder import Folder

LAST_NUMBER = re.compile(r"(\d{1,9})\D*$")


@dataclass(frozen=True, slots=True)
class VideoFrames:
    """The frames of one video in order: frames[i] is the number of the frame whose image is images[i]."""

    frames: array[int]
    images: tuple[str, ...]


def pair_videos(
    folder: Folder, videos: Sequence[tuple[str, Iterable[int]]], *, offset: int | Literal["auto"]
) -> tuple[tuple[VideoFrames, ...], tuple[str, ...]]:
    """For each (annotation file, annotated frames): its images by frame number; and what was assumed, in sentences.

    With one annotation file all images are its frames. With several, the frames of a/b.txt lie in the folder a/b, or
    in a where a holds no other annotation file. FormatError where this does not lead to exactly one set of frames.
    """
    names = [name for name, _ in videos]
    pairs: list[VideoFrames] = []
    notes: list[str] = []
    defects = Defects()
    for name, annotated in videos:
        images = folder.images if len(names) == 1 else _own_images(folder, name, names)
        if not images:
            defects.add("There are no images for this annotation file.", Where(name))
            continue
        numbers = _numbered(images, name, defects)
        start = _offset(numbers, set(annotated)) if offset == "auto" else offset
        if start:
            first = numbers.get(start, f"image {start}")
            notes.append(f"{name}: the images count from {start}, so {first} is frame 0 (offset=0 reads them otherwise).")
        early = sum(number < start for number in numbers)
        if early:
            notes.append(f"{name}: {early:,} images before frame 0 are left out.")
        ordered = sorted((number - start, image) for number, image in numbers.items() if number >= start)
        frames = array("q", (frame for frame, _ in ordered))
        pairs.append(VideoFrames(frames, tuple(image for _, image in ordered)))
    defects.raise_if_any("The set of frames", remedy="Put the frames of NAME.txt into the folder NAME beside it, one image per frame.")
    return tuple(pairs), tuple(notes)


def _own_images(folder: Folder, name: str, names: Sequence[str]) -> tuple[str, ...]:
    path = PurePosixPath(name)
    beside = f"{path.with_suffix('')}/"
    images = tuple(image for image in folder.images if image.startswith(beside))
    home = str(path.parent)
    alone = home != "." and all(PurePosixPath(home) not in PurePosixPath(other).parents for other in names if other != name)
    if not images and alone:
        images = tuple(image for image in folder.images if image.startswith(f"{home}/"))
    return images


def _numbered(images: Sequence[str], name: str, defects: Defects) -> dict[int, str]:
    numbers: dict[int, str] = {}
    for image in images:
        match = LAST_NUMBER.search(PurePosixPath(image).stem)
        if match is None:
            defects.add(f"The image's name holds no frame number (it belongs to {name}).", Where(image))
        elif int(match[1]) in numbers:
            defects.add(f"Frame {int(match[1])} of {name} is also {numbers[int(match[1])]}.", Where(image))
        else:
            numbers[int(match[1])] = image
    return numbers


def _offset(numbers: Mapping[int, str], annotated: set[int]) -> int:
    """VATIC counts frames from 0; ffmpeg and others count images from 1."""
    if not numbers or min(numbers) != 1:
        return 0
    return 1 if all(frame + 1 in numbers for frame in annotated) else 0
