"""The images of COCO documents with the names they have in the dataset, their files, and the sizes their headers tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from recipes.coco.entries import ImageEntry
from recipes.coco.reading import CocoDocument
from recipes.effort import Effort
from recipes.errors import Defects, FormatError, Where
from recipes.folder import Folder
from recipes.pictures.image_header import read_size
from recipes.pictures.image_index import ImageIndex
from recipes.streams.spool import Spool, decoded, encoded

Placed: TypeAlias = tuple[str, str, int, int, str | None, int | None]
"""Name, path (empty where only annotations are read), width, height, video, frame."""


class PlacedImages:
    """Chunks of images on disk."""

    def __init__(self, effort: Effort) -> None:
        self._spool = Spool(effort.scratch)
        self._earlier: set[int] = set()
        self._own: set[int] = set()

    def begin(self) -> None:
        """The chunks that follow are another document's."""
        self._earlier |= self._own
        self._own = set()

    def append(self, images: Sequence[Placed], document: CocoDocument, defects: Defects) -> None:
        """Add a chunk. Names are made unique: train/1.jpg and val/1.jpg may each be called 1.jpg in their own file."""
        self._spool.append(encoded([self._unique(image, document, defects) for image in images]))

    def chunk(self, number: int) -> list[Placed]:
        """The images of a chunk."""
        images: list[Placed] = decoded(self._spool.read(number))
        return images

    def _unique(self, image: Placed, document: CocoDocument, defects: Defects) -> Placed:
        key = hash(image[0])  # eight bytes for each name; 64 bits do not collide here
        if key in self._own:
            defects.add("Two images have this file_name.", Where(document.name, key=image[0]))
        self._own.add(key)
        return (f"{document.split or document.name}/{image[0]}", *image[1:]) if key in self._earlier else image


def place_images(
    folder: Folder, documents: Sequence[CocoDocument], index: ImageIndex | None, effort: Effort, defects: Defects
) -> PlacedImages:
    """Find the file of every image and read its size (index None: take the document's word); defects name documents and ids."""
    result = PlacedImages(effort)
    root = f"{folder.root}/"
    for document in documents:

        result.begin()

        def work(chunk: int, document: CocoDocument = document) -> tuple[list[Placed], Defects]:
            found = Defects()
            images = [_place(root, document, entry, index, found) for entry in document.images_of(chunk)]
            return images, found

        for images, found in effort.ordered(work, document.chunks, phase="reading images", total=document.total):
            defects.merge(found)
            result.append(images, document, defects)
    return result


def _place(root: str, document: CocoDocument, entry: ImageEntry, index: ImageIndex | None, defects: Defects) -> Placed:
    path, (width, height) = "", (entry.width, entry.height)
    problem, where = "", Where()
    if index is not None:
        found, problem = index.find(entry.file_name, beside=document.name, split=document.split)
        if found:
            path = root + found
            try:
                width, height = read_size(path, name=entry.file_name)
            except FormatError as error:
                problem, where = error.message, error.where
            if not problem and entry.width and (entry.width, entry.height) != (width, height):
                problem = f"The annotation says {entry.width} x {entry.height} pixels, the image has {width} x {height}."
                if (entry.height, entry.width) == (width, height):
                    problem += " Width and height are swapped."
    elif not entry.width:
        problem = "The image has no width and height."
    if problem:
        defects.add(problem, where if where.file else Where(document.name, key=f"image {entry.id} ({entry.file_name})"))
    return entry.file_name, path, width, height, entry.video, entry.frame

