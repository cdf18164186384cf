"""One COCO annotation file, read in a pass: its categories, and images and annotations on disk, brought together by image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipes.coco.batches import plain_rows
from recipes.coco.entries import UNREAD, ImageEntry, place, read_annotation, read_classes, read_image
from recipes.coco.identities import Once, Places
from recipes.coco.layout import AnnotationFile
from recipes.dataset import Annotation
from recipes.effort import Effort
from recipes.errors import Defects, FormatError, Where
from recipes.streams.grouping import Grouping
from recipes.streams.json_sections import sections
from recipes.streams.spool import chunk_size, unpacked_flags, unpacked_mask

SECTIONS = ("images", "annotations", "categories")
BYTES_PER_IMAGE = 100
"""The least that an image with its annotations takes in a file: a guess at how many there are, before they are counted."""


@dataclass(frozen=True, slots=True)
class CocoDocument:
    """A checked file; images and annotations lie in chunks, the numbers of images count from 0 in the file's order."""

    name: str
    split: str | None
    total: int
    classes: dict[int, str]
    images: Grouping
    annotations: Grouping
    notes: tuple[str, ...]

    @property
    def chunks(self) -> int:
        """How many there are."""
        return -(-self.total // self.images.size)

    def images_of(self, chunk: int) -> list[ImageEntry]:
        """The images of a chunk, in order."""
        return [ImageEntry(*row) for rows in self.images.chunk(chunk).values() for row in rows]

    def annotations_of(self, chunk: int) -> Iterator[tuple[Annotation, ...]]:
        """The annotations of each image of a chunk, in the order of the images and of the file."""
        rows, classes = self.annotations.chunk(chunk), self.classes
        first = chunk * self.images.size
        for image in range(first, min(first + self.images.size, self.total)):
            yield tuple(
                Annotation(
                    classes[category], x, y, w, h, unpacked_flags(bits), track, mask and unpacked_mask(mask), area, attributes, identity
                )
                for category, x, y, w, h, bits, track, mask, area, attributes, identity in rows.get(image, ())
            )


def read_document(path: Path, file: AnnotationFile, effort: Effort, defects: Defects) -> CocoDocument:
    """Read and check one file; what is wrong with its entries goes to defects, each named by its id or place.

    FormatError where it is no JSON, or one of its lists is missing.
    """
    reader = _Reader(path, file, effort, defects)
    reader.read()
    return reader.document()


class _Reader:
    """What is known while a file is read."""

    def __init__(self, path: Path, file: AnnotationFile, effort: Effort, defects: Defects) -> None:
        self._path, self._file, self._effort, self._defects = path, file, effort, defects
        size = chunk_size(path.stat().st_size // BYTES_PER_IMAGE)
        self._images, self._annotations = Grouping(size, effort.scratch), Grouping(size, effort.scratch)
        self._places, self._once = Places(), Once()
        self._categories: list[Any] = []
        self._used_categories: dict[int, int] = {}
        self._refused: set[int] = set()
        self._unread: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()

    def read(self) -> None:
        """Annotations that come before the images are passed over, and read in a second pass."""
        again = False
        for key, batch in self._batches():
            if key == "annotations" and "images" not in self._counts:
                again = True
            elif key in SECTIONS:
                self._take(key, batch)
        for key in ("images", "categories"):  # image_info_test.json has no annotations
            if key not in self._counts:
                raise FormatError(f"The list {key!r} is missing.", where=Where(self._file.name, key=key))
        if again:
            for key, batch in self._batches():
                if key == "annotations":
                    self._take(key, batch)

    def _batches(self) -> Iterator[tuple[str, list[Any]]]:
        for key, batch in sections(self._path, self._file.name):
            if key in SECTIONS and not isinstance(batch, list):
                raise FormatError(f"The list {key!r} is missing.", where=Where(self._file.name, key=key))
            if key in SECTIONS:
                yield key, batch

    def _take(self, key: str, batch: list[Any]) -> None:
        first = self._counts[key]
        self._counts[key] += len(batch)
        if key == "categories":
            self._categories += batch
        elif key == "images" or not self._take_plain(batch):
            take = self._take_image if key == "images" else self._take_annotation
            for number, entry in enumerate(batch, start=first):
                problem = take(entry)
                if problem:
                    self._defects.add(problem, place(self._file.name, key[:-1], number, entry))
        self._effort.progress(self._counts[key], 0, f"reading {key}")

    def _take_image(self, entry: Any) -> str:
        image = read_image(entry)
        if isinstance(image, str):
            if isinstance(entry, dict) and isinstance(entry.get("id"), int):
                self._refused.add(entry["id"])
            return image
        number = len(self._places)
        if not self._places.add(image.id):
            return f"The image id {image.id} is used twice."
        self._images.add(number, (image.id, image.file_name, image.width, image.height, image.video, image.frame))
        return ""

    def _take_plain(self, batch: list[Any]) -> bool:
        """Take a batch of plain boxes of known images; False, and nothing taken, where it is not one."""
        found = plain_rows(batch)
        if found is None:
            return False
        places = list(map(self._places.get, found[0]))
        if None in places:
            return False
        rows = found[1]
        self._annotations.extend(zip((place for place in places if place is not None), rows, strict=True))
        identities = [row[-1] for row in rows]
        self._once.extend(identities)
        self._used_categories = dict(zip((row[0] for row in rows), identities, strict=True)) | self._used_categories
        return True

    def _take_annotation(self, entry: Any) -> str:
        found = read_annotation(entry)
        if isinstance(found, str):
            return found
        image, row = found
        number = self._places.get(image)
        if number is None:  # a refused image was told already
            return "" if image in self._refused else f"The image_id {image} is no image of this file."
        self._annotations.add(number, row)
        self._once.add(row[-1])
        self._used_categories.setdefault(row[0], row[-1])
        if not entry.keys().isdisjoint(UNREAD):
            self._unread.update(key for key in UNREAD if entry.get(key))
        return ""

    def document(self) -> CocoDocument:
        """What was read, once its defects that only the whole shows are told."""
        name = self._file.name
        for identity in self._once.repeated():
            self._defects.add("The annotation's id is used twice.", Where(name, key=f"annotation {identity}"))
        classes = read_classes(self._categories, name, self._defects)
        told = {entry["id"] for entry in self._categories if isinstance(entry, dict) and isinstance(entry.get("id"), int)}
        for category, identity in self._used_categories.items():
            if category not in classes and category not in told:
                message = f"The category_id {category} is no category of this file."
                self._defects.add(message, Where(name, key=f"annotation {identity}"))
        self._images.settle()
        self._annotations.settle()
        notes = tuple(f"{name}: {key} of {count:,} annotations are not read." for key, count in self._unread.items())
        return CocoDocument(name, self._file.split, len(self._places), classes, self._images, self._annotations, notes)
