"""Checks the image files of a dataset: are they whole and upright, is one content there twice, does a file belong to nothing."""

from __future__ import annotations

import hashlib
from array import array
from pathlib import Path

from recipes.checks.check import Finding, Findings, Kind
from recipes.checks.leaks import Contents
from recipes.dataset import ImageRecord
from recipes.folder import Folder
from recipes.pictures.image_header import Ends, decodes, is_whole, orientation, read_ends


class FileInspector:
    """An observer that looks at the file of every image; full decodes each pixel instead of looking for the end."""

    def __init__(self, folder: Folder, *, full: bool = False) -> None:
        self._folder = folder
        self._prefix = f"{folder.root}/"
        self._full = full
        self._found = Findings()
        self._seen = array("Q")
        self._ends: Ends | None = None
        self._contents = Contents(self._key, digest)

    def __call__(self, record: ImageRecord) -> None:
        """Check the file of one image. Images inside a larger file were checked as they were read."""
        if record.path is None or record.span is not None or record.copy_of is not None:
            return
        path = str(record.path)
        place = self._folder.images.find(path.removeprefix(self._prefix))
        if place is not None:
            self._seen.append(place)
        try:
            ends = self._ends = read_ends(path)
            if not (decodes(record.path) if self._full else is_whole(record.path, ends)):
                self._found.add(Kind.TRUNCATED_IMAGE, record.name)
            elif orientation(ends.head) > 1:
                self._found.add(Kind.ROTATED_IMAGE, record.name)
            self._contents(record)
        except OSError as error:
            self._found.add(Kind.UNREADABLE_IMAGE, f"{record.name}: {error.strerror}")

    def _key(self, _: ImageRecord) -> bytes | None:
        """Size and end of the file: equal contents have them alike, and other compressed images hardly ever."""
        return self._ends.size_bytes.to_bytes(8) + self._ends.tail if self._ends else None

    def fresh(self) -> FileInspector:
        """One that has seen nothing."""
        return FileInspector(self._folder, full=self._full)

    def merge(self, other: FileInspector) -> None:
        """Take in what another has found in the following images."""
        self._found.merge(other._found)
        self._seen.extend(other._seen)
        self._contents.merge(other._contents)

    def __getstate__(self) -> dict[str, object]:
        """Without the folder: whoever merges has it."""
        return self.__dict__ | {"_folder": None, "_ends": None}

    def findings(self) -> tuple[Finding, ...]:
        """All that was found; call it once, at the end."""
        seen = bytearray(len(self._folder.images))
        for place in self._seen:
            seen[place] = 1
        for place, name in enumerate(self._folder.images):
            if not seen[place]:
                self._found.add(Kind.ORPHAN_IMAGE, name)
        return self._found.all() + self._contents.findings()


def file_contents() -> Contents:
    """Finds equal contents by looking at the files."""
    return Contents(_key, digest)


def _key(record: ImageRecord) -> bytes | None:
    if record.path is None or record.span is not None:
        return None
    ends = read_ends(str(record.path))
    return ends.size_bytes.to_bytes(8) + ends.tail


def digest(path: str) -> str | None:
    """Of a whole file; None where it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()
    except OSError:
        return None
