"""What people draw regions on and with, in VIA and in VoTT: outlines, and images found by the names these tools give them."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from recipes.errors import FormatError, Where
from recipes.folder import Folder
from recipes.pictures.image_header import read_size
from recipes.pictures.image_index import ImageIndex
from recipes.splitting.split_names import split_in

Outline: TypeAlias = tuple[float, ...]
"""(x, y, x, y, …) in pixels."""
Box: TypeAlias = tuple[float, float, float, float]
"""(x, y, w, h) in pixels."""

LARGEST = 1e7
HEAD_BYTES = 65_536


def finite(value: object) -> float | None:
    """A JSON number as a coordinate; None for anything else."""
    kind = type(value)
    if kind is float or kind is int:  # and not bool, which is an int for isinstance
        number = float(value)  # type: ignore[arg-type]
        if -LARGEST <= number <= LARGEST:
            return number
    return None


def area(outline: Outline) -> float:
    """Square pixels inside an outline that does not cross itself."""
    xs, ys = outline[::2], outline[1::2]
    pairs = zip(xs, ys, (*xs[1:], xs[0]), (*ys[1:], ys[0]), strict=True)
    return abs(math.fsum(x * next_y - next_x * y for x, y, next_x, next_y in pairs)) / 2


def bounds(outline: Outline) -> Box:
    """The smallest box around an outline."""
    xs, ys = outline[::2], outline[1::2]
    left, top = min(xs), min(ys)
    return left, top, max(xs) - left, max(ys) - top


def split_of(name: str, *, alone: bool) -> str | None:
    """train of train/via_region_data.json, and of via_train.json where it is not alone; None where nothing is a split's word."""
    path = PurePosixPath(name)
    words = [*([] if alone else re.split(r"[^a-zA-Z]+", path.stem)), *reversed(path.parts[:-1])]
    return split_in(words)


def head(path: Path) -> bytes:
    """The first bytes of a file, without a byte order mark."""
    with path.open("rb") as file:
        return file.read(HEAD_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()


def home_of(name: str) -> str:
    """The folder of a file, with its '/'; empty for the root."""
    return name[: name.rfind("/") + 1]


@dataclass(frozen=True)
class Pictures:
    """The images that regions were drawn on, as files of a folder."""

    folder: Folder
    index: ImageIndex

    @classmethod
    def of(cls, folder: Folder) -> Pictures:
        """Those of a folder."""
        return cls(folder, ImageIndex(folder))

    def find(self, names: Sequence[str], *, beside: str, split: str | None, where: Where) -> tuple[str, str]:
        """(one of the names, the file that has it): beside the annotation file, else wherever a name leads to one file.

        FormatError where there is none, or several are as likely.
        """
        home = home_of(beside)
        problems: list[str] = []
        for name in names:
            if home + name in self.folder.files:
                return name, home + name
            file, problem = self.index.find(name, beside=beside, split=split)
            if file:
                return name, file
            problems.append(problem)
        raise FormatError(next((problem for problem in problems if problem != problems[-1]), problems[-1]), where=where)

    def size(self, file: str, *, said: tuple[int, int] | None = None, where: Where) -> tuple[int, int]:
        """(width, height) from the image's header. FormatError where the annotation said otherwise."""
        found = read_size(self.path(file), name=file)
        if said is None or said == found:
            return found
        message = f"The annotation says {said[0]} x {said[1]} pixels, the image has {found[0]} x {found[1]}."
        if said[::-1] == found:
            message += " Width and height are swapped."
        raise FormatError(message, where=where)

    def path(self, file: str) -> str:
        """Where a file lies."""
        return f"{self.folder.root}{os.sep}{file}"
