"""Checks the image files of a dataset: are they whole, is the same content in two splits, does one belong to nothing."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from recipes.check import Finding, Findings, Kind, content_leaks
from recipes.dataset import ImageRecord
from recipes.folder import Folder
from recipes.image_header import decodes, is_whole


class FileInspector:
    """An observer that looks at the file of every image; full decodes each pixel instead of looking for the end."""

    def __init__(self, folder: Folder, *, full: bool = False) -> None:
        self._folder = folder
        self._is_whole: Callable[[Path], bool] = decodes if full else is_whole
        self._found = Findings()
        self._seen: set[str] = set()
        self._by_size: dict[int, list[tuple[str, str | None, Path]]] = defaultdict(list)
        self._splits: set[str | None] = set()

    def __call__(self, record: ImageRecord) -> None:
        """Check the file of one image."""
        if record.path is None:
            return
        try:
            self._by_size[record.path.stat().st_size].append((record.name, record.split, record.path))
            if not self._is_whole(record.path):
                self._found.add(Kind.TRUNCATED_IMAGE, record.name)
        except OSError as error:
            self._found.add(Kind.UNREADABLE_IMAGE, f"{record.name}: {error.strerror}")
        self._seen.add(str(record.path))
        self._splits.add(record.split)

    def findings(self) -> tuple[Finding, ...]:
        """All that was found; call it once, at the end."""
        for name in self._folder.images:
            if str(self._folder.path(name)) not in self._seen:
                self._found.add(Kind.ORPHAN_IMAGE, name)
        return self._found.all() + self._leaks()

    def _leaks(self) -> tuple[Finding, ...]:
        """Only files of equal size can be equal, so few are ever hashed."""
        if len(self._splits) < 2:
            return ()
        suspects = [image for images in self._by_size.values() if len({split for _, split, _ in images}) > 1 for image in images]
        return content_leaks((name, split, _digest(path)) for name, split, path in suspects)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()
