"""The middle model: what every reader yields, every transform changes and every writer takes.

Boxes are 0-based and continuous: (x, y) is the distance of the box's left and top edge from the image's left and top
edge, (w, h) its size, all in pixels, so that a box over a whole image is (0, 0, width, height). COCO has the same
convention; every other format converts at its own door.

A dataset is a row of chunks, each a stream of images. What must be known before the first image (classes, splits, how many) is
in the Dataset; the images come one at a time, in the same order each time, so memory stays flat; and as no chunk needs another,
several processes may draw them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias, TypeVar, dataclass_transform

from recipes.errors import Where
from recipes.ledger import Ledger
from recipes.pictures.pixels import Edit

Value = TypeVar("Value")


@dataclass_transform(frozen_default=True)
def frozen_for_readers(cls: type[Value]) -> type[Value]:
    """A dataclass that types hold to be frozen and that is not: a frozen one takes five times as long to make, and these come
    by the million."""
    return dataclass(slots=True, unsafe_hash=True)(cls)


class Flag(StrEnum):
    """What an annotation says about itself beyond class and box."""

    LOST = "lost"  # outside the view, or not to be seen at all (VATIC's lost, CVAT's outside)
    OCCLUDED = "occluded"
    GENERATED = "generated"  # interpolated between two key frames, not drawn by a person
    DIFFICULT = "difficult"
    TRUNCATED = "truncated"
    CROWD = "crowd"  # one box around many objects


Flags: TypeAlias = frozenset[Flag]
NO_FLAGS: Flags = frozenset()
Attributes: TypeAlias = Mapping[str, object]


class Feature(StrEnum):
    """What a dataset may hold beyond names, sizes, classes and boxes, and not every format can; a flag is one, too."""

    LOST = "lost"
    OCCLUDED = "occluded"
    GENERATED = "generated"
    DIFFICULT = "difficult"
    TRUNCATED = "truncated"
    CROWD = "crowd"
    TRACK = "track"
    FRAME = "frame"  # the image's video and its number in it
    POLYGONS = "polygons"
    RUN_LENGTHS = "run_lengths"
    ATTRIBUTES = "attributes"
    SPLIT = "split"
    BOXLESS = "boxless"  # images without a box
    UNUSED_CLASS = "unused_class"  # classes without a box


@dataclass(frozen=True, slots=True)
class Polygons:
    """A mask as outlines: each part is (x, y, x, y, …) in the box's coordinates; the parts together are one object."""

    parts: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class RunLengths:
    """A mask as COCO run lengths, column by column, starting with zeros; counts is a list, or COCO's compressed text."""

    height: int
    width: int
    counts: tuple[int, ...] | str


Mask: TypeAlias = Polygons | RunLengths


@frozen_for_readers
class Annotation:
    """One object in one image. track is unique within the image's video; origin is its line or id in the source."""

    label: str
    x: float
    y: float
    w: float
    h: float
    flags: Flags = NO_FLAGS
    track: int | None = None
    mask: Mask | None = None
    mask_area: float | None = None
    attributes: Attributes | None = None
    origin: int | None = None

    @property
    def area(self) -> float:
        """Square pixels: the mask's where there is one, else the box's."""
        return self.w * self.h if self.mask_area is None else self.mask_area


@frozen_for_readers
class ImageRecord:
    """One image with its annotations, in the source's order.

    name is the path it has inside the dataset ('/' between parts); path is where its bytes lie now (None where only
    annotations were sent), span which of them (offset, length) where path holds many images; video and frame are set for
    frames of a video. edits are what is still to be done to the pixels: width, height and annotations are those after it. copy_of
    is the name of the image that this one was made from by changing pixels.
    """

    name: str
    path: Path | None
    width: int
    height: int
    annotations: tuple[Annotation, ...] = ()
    split: str | None = None
    video: str | None = None
    frame: int | None = None
    source_file: str = ""
    origin_is_line: bool = True
    span: tuple[int, int] | None = None
    copy_of: str | None = None
    edits: tuple[Edit, ...] = ()

    def where(self, annotation: Annotation | None = None) -> Where:
        """The place a person should look at for this image, or for one annotation of it."""
        if annotation is None or not self.source_file:
            return Where(self.name)
        if self.origin_is_line:
            return Where(self.source_file, annotation.origin, self.name)
        return Where(self.source_file, key=f"annotation {annotation.origin} of {self.name}")


Draw: TypeAlias = Callable[[int, Ledger], Iterator[ImageRecord]]


@dataclass(frozen=True, slots=True)
class Dataset:
    """What is known before the first image, and the images in chunks.

    draw(chunk, ledger) gives the images of a chunk (from 0) and may be called any number of times, in any order and in any
    process; each call tells its ledger what it leaves out. total is the number of images before any were left out, for progress.
    splits is empty where images are in no split yet.
    """

    classes: tuple[str, ...]
    draw: Draw
    chunks: int
    total: int
    splits: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def stream(self, ledger: Ledger) -> Iterator[ImageRecord]:
        """All images, chunk after chunk."""
        for chunk in range(self.chunks):
            yield from self.draw(chunk, ledger)
