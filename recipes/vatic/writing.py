"""VATIC's text dump, written: a file for each video, its frames in the folder of its name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

from recipes.dataset import Annotation, Flag, ImageRecord
from recipes.errors import Defects, Where
from recipes.ledger import Ledger
from recipes.pictures.video_frames import LAST_NUMBER
from recipes.placing import Folders, place_new

IMAGES = "images"
UNSAFE = re.compile(r"[^\w. -]+")


@dataclass(slots=True)
class _Video:
    """A video that is being written: the next frame of an image that has none, and the next track of a box that has none."""

    next_frame: int = 0
    frames: set[int] = field(default_factory=set)
    untracked: int = 0


class _LastOpened:
    """The one file that is open: there may be more videos than a process may hold files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = ""
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def named(self, name: str) -> IO[str]:
        """The file of a video, to write at its end."""
        if name != self._name:
            self._stack.close()
            self._file = self._stack.enter_context((self._folder / f"{name}.txt").open("a", encoding="utf-8", newline="\n"))
            self._name = name
        return self._file


class VaticWriter:
    """Writes images one after the other. Tracks of boxes without one count down from -1, so that they meet no other."""

    def __init__(self, destination: Path, ledger: Ledger) -> None:
        self._destination, self._ledger = destination, ledger
        self._videos: dict[str, _Video] = {}
        self._folders = Folders()
        self._defects = Defects()
        self._renamed = 0

    def write(self, records: Iterator[ImageRecord]) -> None:
        """Write all; FormatError names every box and frame that cannot be written."""
        with _LastOpened(self._destination) as file:
            for record in records:
                name = UNSAFE.sub("_", record.video or IMAGES).strip(". ") or IMAGES
                video = self._videos.setdefault(name, _Video())
                frame = self._frame(record, video)
                if frame in video.frames:
                    self._defects.add(f"Frame {frame} of {record.video} is there twice.", Where(record.name))
                    continue
                video.frames.add(frame)
                self._place(record, name, frame)
                file.named(name).writelines(self._row(record, box, frame, video) for box in record.annotations)
        self._defects.raise_if_any("The dataset", remedy="Leave them out, or rename their classes.")
        if self._renamed:
            self._ledger.note(f"{self._renamed:,} images are called by the numbers of their frames, as VATIC does.")

    def _frame(self, record: ImageRecord, video: _Video) -> int:
        frame = video.next_frame if record.frame is None or record.video is None else record.frame
        video.next_frame = max(video.next_frame, frame + 1)
        return frame

    def _place(self, record: ImageRecord, name: str, frame: int) -> None:
        """An image keeps the last part of its name where that tells the frame."""
        stem, suffix = os.path.splitext(record.name.rpartition("/")[2])  # noqa: PTH122
        number = LAST_NUMBER.search(stem)
        if number is None or int(number[1]) != frame:
            stem = f"{frame:06d}"
        target = f"{name}/{stem}{suffix}"
        self._renamed += target != record.name
        if record.path is not None:
            place_new(record, str(self._destination / target), self._folders)

    def _row(self, record: ImageRecord, box: Annotation, frame: int, video: _Video) -> str:
        track = box.track
        if track is None:
            video.untracked += 1
            track = -video.untracked
        texts = [box.label, *(name for name, value in (box.attributes or {}).items() if value is True)]
        if any('" "' in text or not text or "\n" in text or "\r" in text for text in texts):
            self._defects.add(f"VATIC cannot write the class or attribute {texts!r:.80}.", record.where(box))
        numbers = " ".join(map(_number, (box.x, box.y, box.x + box.w, box.y + box.h)))
        flags = " ".join("01"[flag in box.flags] for flag in (Flag.LOST, Flag.OCCLUDED, Flag.GENERATED))
        quoted = " ".join(f'"{text}"' for text in texts)
        return f"{track} {numbers} {frame} {flags} {quoted}\n"


def _number(value: float) -> str:
    """Whole as VATIC's own, else to a billionth of a pixel."""
    return f"{value:.9f}".rstrip("0").rstrip(".")
