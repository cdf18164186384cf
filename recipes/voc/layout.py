"""Which files of a folder are VOC annotations, and which image belongs to each.

The devkit has VOC<year>/Annotations/<id>.xml and VOC<year>/JPEGImages/<id>.jpg, and several years may lie side by side;
labelImg writes each file beside its image; other tools have folders called annotations, labels, xml and images.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from dataclasses import dataclass, field

from recipes.folder import Folder
from recipes.splitting.split_names import split_in
from recipes.streams.file_names import FileNames

ANNOTATIONS = frozenset({"annotations", "annotation", "labels", "xml", "xmls"})
LABEL_MAP = "labelmap.txt"
IMAGES = ("JPEGImages", "images", "Images", "imgs", "img", "image")


@dataclass(frozen=True, slots=True)
class Home:
    """What the annotation files of one folder have in common.

    root is the path before the folder of annotations (empty, or ending in '/'). In each of sources, as (folder, length of its beginning
    that is no part of an image's name), their images may lie. prefix is put before that name; split is what the folder is called.
    """

    root: str
    sources: tuple[tuple[str, int], ...]
    prefix: str
    split: str | None


@dataclass(slots=True)
class Layout:
    """The annotation files of a folder in order, and where their images are."""

    folder: Folder
    files: FileNames
    roots: dict[str, str]
    _prefixes: dict[str, str]
    _image_folders: frozenset[str]
    _homes: dict[str, Home] = field(default_factory=dict)
    _next: int = 0

    @classmethod
    def of(cls, folder: Folder) -> Layout:
        """Annotation files are those in folders called Annotations (and the like) where there are such, else all XML files.

        roots gives, for each root, the folder of its annotation files.
        """
        found = folder.with_suffix(".xml")
        names = found if isinstance(found, FileNames) else FileNames(found)  # a second copy would be felt
        folders = dict.fromkeys(name.rpartition("/")[0] for name in names)
        told = {name: _divided(name) for name in folders}
        if any(divided is not None for divided in told.values()):
            kept = {name: divided for name, divided in told.items() if divided is not None}
            if len(kept) < len(folders):
                names = FileNames(name for name in names if name.rpartition("/")[0] in kept)
            roots = {root: f"{root}{called}/" for root, called, _ in kept.values()}
        else:
            roots = {"": ""}
        images = frozenset(name.rpartition("/")[0] for name in folder.images)
        return cls(folder, names, roots, _told_apart(roots), images)

    def home(self, name: str) -> Home:
        """What holds for the folder of an annotation file."""
        directory = name.rpartition("/")[0]
        if directory not in self._homes:
            self._homes[directory] = self._find_home(directory)
        return self._homes[directory]

    def image(self, home: Home, stem: str, filename: str) -> tuple[str, str] | str:
        """(the image's file, its name in the dataset), or a sentence that says why there is none.

        The image called as the annotation file wins over the one that <filename> tells: copies keep the old <filename>.
        """
        for directory, cut in home.sources:
            found = self._called(f"{directory}/{stem}" if directory else stem)
            if len(found) > 1:
                found = [name for name in found if name.endswith(f"/{filename}") or name == filename] or found
            if len(found) > 1:
                return f"Two images have the name of this file: {found[0]} and {found[1]}."
            if found:
                return found[0], home.prefix + found[0][cut:]
        for directory, cut in home.sources:
            candidate = f"{directory}/{filename}" if directory else filename
            if filename and candidate in self.folder.images:
                return candidate, home.prefix + candidate[cut:]
        told = f", nor one called {filename}" if filename else ""
        return f"The image is not here: none is called {stem} with an image's suffix{told}."

    def _called(self, path: str) -> list[str]:
        """The images of that path with any suffix."""
        images, start, found = self.folder.images, path + ".", []
        place = self._next if self._is_place(self._next, start) else bisect_left(images, start)
        while place < len(images) and (name := images[place]).startswith(start):
            place += 1
            if name.rfind(".") == len(path):
                found.append(name)
        self._next = place
        return found

    def _is_place(self, place: int, start: str) -> bool:
        """Whether the images that begin so would begin there: files come in order, so it is mostly the place after the last."""
        images = self.folder.images
        return place < len(images) and images[place].startswith(start) and (place == 0 or images[place - 1] < start)

    def _find_home(self, directory: str) -> Home:
        divided = _divided(directory)
        root, below = (divided[0], divided[2]) if divided else ("", directory)
        places = [(f"{root}{images}", below) for images in IMAGES] if divided else []
        sources = [(_joined(start, below), len(start) + 1) for start, below in places]
        sources += [(directory, 0 if not divided else len(directory) + 1), (_joined(root.rstrip("/"), below), len(root))]
        if len(self._image_folders) == 1 and len(self.roots) == 1:
            (only,) = self._image_folders
            sources.append((only, len(only) + 1 if only else 0))
        present = {place: cut for place, cut in reversed(sources) if place in self._image_folders}
        return Home(root, tuple(reversed(present.items())), self._prefixes.get(root, ""), split_in(reversed(directory.split("/"))))


def read_bounded(folder: Folder, name: str, largest: int) -> bytes | None:
    """The bytes of a file; None where there are more than largest."""
    with folder.path(name).open("rb") as file:
        data = file.read(largest + 1)
    return data if len(data) <= largest else None


def _joined(start: str, below: str) -> str:
    return "/".join(part for part in (start, below) if part)


def _divided(directory: str) -> tuple[str, str, str] | None:
    """Root, the folder of annotations, and what is below it; None where no part of the path is called so."""
    parts = directory.split("/")
    for place in range(len(parts) - 1, -1, -1):
        if parts[place].lower() in ANNOTATIONS:
            return "".join(f"{part}/" for part in parts[:place]), parts[place], "/".join(parts[place + 1 :])
    return None


def _told_apart(roots: dict[str, str]) -> dict[str, str]:
    """What is put before the names of a root's images where there are several: the root without what all have in common."""
    if len(roots) < 2:
        return {}
    common = os.path.commonpath([root.rstrip("/") for root in roots])
    return {root: root.removeprefix(f"{common}/") for root in roots}
