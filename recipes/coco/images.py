"""Finds the file of an image by the name that an annotation file gives it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePosixPath

from recipes.folder import Folder


class ImageIndex:
    """The images of a folder by the last part of their names."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._by_last_part: dict[str, list[str]] = defaultdict(list)
        for name in folder.images:
            self._by_last_part[name.rpartition("/")[2]].append(name)

    def find(self, file_name: str, *, beside: str, split: str | None) -> Path | str:
        """The image's path, or a sentence that says why there is none.

        The longest agreement of names wins: the whole file_name, else its last part. Among several, the one in a folder
        named for the split, then the one beside the annotation file.
        """
        candidates = self._by_last_part.get(file_name.rpartition("/")[2], [])
        exact = [name for name in candidates if name == file_name or name.endswith(f"/{file_name}")]
        found = exact or candidates
        if len(found) > 1 and split:
            found = [name for name in found if _in_split(name, split)] or found
        if len(found) > 1:
            home = PurePosixPath(beside).parent
            found = [name for name in found if PurePosixPath(name).parent == home] or found
        if not found:
            return "The image is not here."
        if len(found) > 1:
            return f"{len(found)} images have this name, as {found[0]} and {found[1]}."
        return self._folder.path(found[0])


def _in_split(name: str, split: str) -> bool:
    """train2017 and valid are folders of train and val."""
    return any(part.lower().startswith(split) for part in PurePosixPath(name).parts[:-1])
