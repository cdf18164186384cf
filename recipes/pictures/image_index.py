"""Finds the file of an image by the name that an annotation file gives it."""

from __future__ import annotations

from functools import cached_property
from pathlib import PurePosixPath

from recipes.folder import Folder
from recipes.streams.file_names import FileNames

ABSENT = "The image is not here."
FEW_FOLDERS = 8


class ImageIndex:
    """The images of a folder by the last part of their names. Nothing is held for each image where there are few folders."""

    def __init__(self, folder: Folder) -> None:
        self._images = folder.images
        self._folders = tuple(dict.fromkeys(name.rpartition("/")[0] for name in folder.images))

    @cached_property
    def _by_last_part(self) -> FileNames:
        """last part, NUL, number of the folder."""
        numbers = {folder: number for number, folder in enumerate(self._folders)}
        parts = (name.rpartition("/") for name in self._images)
        return FileNames(sorted(f"{last}\0{numbers[folder]}" for folder, _, last in parts))

    def find(self, file_name: str, *, beside: str, split: str | None) -> tuple[str, str]:
        """(the image's name in the folder, "") or ("", a sentence that says why there is none).

        The longest agreement of names wins: the whole file_name, else its last part. Among several, the one in a folder
        named for the split, then the one beside the annotation file.
        """
        if len(self._folders) == 1:
            folder = self._folders[0]
            name = f"{folder}/{file_name.rpartition('/')[2]}" if folder else file_name.rpartition("/")[2]
            return (name, "") if name in self._images else ("", ABSENT)
        candidates = self._named(file_name.rpartition("/")[2])
        found = candidates
        if len(found) > 1:
            found = [name for name in candidates if name == file_name or name.endswith(f"/{file_name}")] or candidates
        if len(found) > 1 and split:
            found = [name for name in found if _in_split(name, split)] or found
        if len(found) > 1:
            home = PurePosixPath(beside).parent
            found = [name for name in found if PurePosixPath(name).parent == home] or found
        if not found:
            return "", ABSENT
        if len(found) > 1:
            return "", f"{len(found)} images have this name, as {found[0]} and {found[1]}."
        return found[0], ""

    def _named(self, last: str) -> list[str]:
        """The images whose last part is that, in order."""
        if len(self._folders) <= FEW_FOLDERS:
            names = (f"{folder}/{last}" if folder else last for folder in self._folders)
            return sorted(name for name in names if name in self._images)
        index = self._by_last_part
        folders = (self._folders[int(index[place].rpartition("\0")[2])] for place in index.below(f"{last}\0"))
        return sorted(f"{folder}/{last}" if folder else last for folder in folders)


def _in_split(name: str, split: str) -> bool:
    """train2017 and valid are folders of train and val."""
    return any(part.lower().startswith(split) for part in PurePosixPath(name).parts[:-1])
