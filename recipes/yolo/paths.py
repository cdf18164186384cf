"""Finds what a data file calls by a path of the machine it was made on.

Ultralytics takes paths from data.yaml's ``path``, lists from the working folder, darknet everything from the working folder;
exports say ``../train/images`` for train/images, or /home/somebody/data/train. So a path is first taken as it stands, then with
its leading parts taken off one by one; the longest that is there wins.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from recipes.folder import Folder

MOST_PARTS = 16


class Paths:
    """The files of a folder, found by written paths; bases are the relative folders that they may start from."""

    def __init__(self, folder: Folder, bases: Sequence[str]) -> None:
        self._folder = folder
        self._bases = tuple(dict.fromkeys(bases))
        self._homes: dict[str, str] = {}

    def file(self, written: str) -> str | None:
        """The relative name of a file, None where there is none."""
        return next((name for name in self._candidates(written) if name in self._folder.files), None)

    def images_below(self, written: str) -> tuple[str, range] | None:
        """A folder with images, as the prefix of their names, and their places among the folder's images; None where there is none."""
        for name in self._candidates(written):
            prefix = "" if name == "." else f"{name}/"
            if places := self._folder.images.below(prefix):
                return prefix, places
        return None

    def image(self, written: str) -> int | None:
        """The place of an image among the folder's images, None where it is not there."""
        home, _, name = written.rpartition("/")
        images = self._folder.images
        if home in self._homes and (place := images.find(self._homes[home] + name)) is not None:
            return place
        for candidate in self._candidates(written):
            if (place := images.find(candidate)) is not None:
                self._homes[home] = candidate.removesuffix(name)
                return place
        return None

    def _candidates(self, written: str) -> Iterator[str]:
        path = posixpath.normpath(written.replace("\\", "/"))
        if not path.startswith("/"):
            whole = (posixpath.normpath(posixpath.join(base, path)) for base in self._bases)
            yield from (name for name in whole if not name.startswith(".."))
        parts = [part for part in path.split("/") if part not in {"", ".", ".."}][-MOST_PARTS:]
        for start in range(len(parts)):
            for base in self._bases:
                yield posixpath.join(base, *parts[start:])
