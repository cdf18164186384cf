"""Shift augmentation: copies of every image, moved a little up, down, left and right, with their boxes and masks.

``semantics: reference`` is what M2Det_training_pipeline's generate_dataset.py (commit 02a92eb) does: one set of offsets is drawn for
all images; the originals are not kept; coordinates lose their decimals; a box that touches or crosses the border is left out, never
cut; an image without a box left is still written; copies are called 0000_000, by number of image and of offset. Unlike there the
draw is seeded. Boxes said to be occluded go there, too: the recipe says so with drop_flagged.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate
from math import isfinite
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, model_validator

from recipes.dataset import Annotation, Dataset, ImageRecord
from recipes.effort import Effort
from recipes.ledger import Ledger
from recipes.masks.moving import at_border, cut, moved, variant
from recipes.observing import Audience
from recipes.parameters import Parameters
from recipes.pictures.pixels import BLACK, Colour
from recipes.pictures.pixels import Shift as ShiftEdit
from recipes.transforms import Transform, require_splits, with_boxes

STEP = "shift"
AT_BORDER = "at the image border after the shift"
REFERENCE = {"per": "dataset", "border": "drop", "keep_original": False, "grid": 1}

Offset: TypeAlias = tuple[int, int]
Pixels = Annotated[int, Field(ge=-65_500, le=65_500)]
Channel = Annotated[int, Field(ge=0, le=255)]


class Shift(Parameters):
    """copies: how many of each image, each moved by an offset drawn up to max_dx and max_dy pixels; or offsets: given (dx, dy).

    grid: drawn offsets are multiples of it (16 loses the least in a JPEG). per: draw for each image, or once for the dataset.
    border: drop boxes that touch the border after the shift, or clip them and leave out those of which less than min_visible is
    left. splits: only images of these get copies. semantics: reference changes the defaults to the reference pipeline's.
    """

    semantics: Literal["default", "reference"] = "default"
    offsets: tuple[tuple[Pixels, Pixels], ...] = ()
    copies: Annotated[int, Field(ge=1, le=1000)] = 5
    max_dx: Annotated[int, Field(ge=0, le=65_500)] = 64
    max_dy: Annotated[int, Field(ge=0, le=65_500)] = 64
    grid: Annotated[int, Field(ge=1, le=1024)] = 16
    per: Literal["image", "dataset"] = "image"
    border: Literal["clip", "drop"] = "clip"
    min_visible: Annotated[float, Field(ge=0, le=1)] = 0.25
    keep_original: bool = True
    splits: tuple[str, ...] = ()
    seed: int = 0
    fill: tuple[Channel, Channel, Channel] = BLACK

    @model_validator(mode="before")
    @classmethod
    def _reference_defaults(cls, data: Any) -> Any:
        return REFERENCE | data if isinstance(data, dict) and data.get("semantics") == "reference" else data

    @model_validator(mode="after")
    def _enough_offsets(self) -> Shift:
        if self.offsets or self.semantics == "reference":
            return self
        there = _places(self) - 1
        if there < self.copies:
            raise ValueError(f"max_dx, max_dy and grid leave {there} different offsets for {self.copies} copies")
        return self

    def describe(self) -> str:
        what = f"by {', '.join(map(str, self.offsets))} pixels" if self.offsets else f"by up to ({self.max_dx}, {self.max_dy}) pixels"
        border = "leave out" if self.border == "drop" else "cut"
        where = f" of {' and '.join(self.splits)}" if self.splits else ""
        verb = "add copies to" if self.keep_original else "replace"
        return f"{verb} the images{where}: {len(self.offsets) or self.copies} of each, moved {what}; {border} boxes at the border"


def apply(dataset: Dataset, parameters: Shift, effort: Effort) -> Dataset:
    """The dataset with moved copies after (or, with keep_original false, instead of) each image. Copies know their original."""
    require_splits(dataset, parameters.splits, STEP)
    reference = parameters.semantics == "reference"
    firsts = _first_numbers(dataset, effort) if reference else ()
    common = parameters.offsets or (_drawn(parameters, "") if parameters.per == "dataset" else ())
    change = partial(_after_shift, parameters)

    def draw(chunk: int, ledger: Ledger) -> Iterator[ImageRecord]:
        number = firsts[chunk] if reference else 0
        for record in dataset.draw(chunk, ledger):
            wanted = not parameters.splits or record.split in parameters.splits
            if parameters.keep_original or not wanted:
                yield record
            for place, offset in enumerate(common or _drawn(parameters, record.name)) if wanted else ():
                copy = variant(record, f"_shift{place + 1}")
                if reference:
                    boxes = tuple(map(_in_whole_pixels, copy.annotations))
                    copy = replace(copy, name=_numbered(copy.name, number, place), annotations=boxes)
                yield with_boxes(_moved(copy, offset, parameters.fill), STEP, change, ledger)
            number += 1

    made = len(parameters.offsets) or parameters.copies
    return replace(dataset, draw=draw, total=dataset.total * (made + parameters.keep_original))


def _moved(record: ImageRecord, offset: Offset, fill: Colour) -> ImageRecord:
    return record if offset == (0, 0) else moved(record, ShiftEdit(*offset, fill))


def _after_shift(parameters: Shift, record: ImageRecord, annotation: Annotation) -> Annotation | str:
    if parameters.border == "clip":
        return cut(record, annotation, parameters.min_visible)
    return AT_BORDER if at_border(record, annotation) else annotation


def _in_whole_pixels(annotation: Annotation) -> Annotation:
    if not isfinite(annotation.x + annotation.y + annotation.w + annotation.h):
        return annotation
    left, top = int(annotation.x), int(annotation.y)
    right, bottom = int(annotation.x + annotation.w), int(annotation.y + annotation.h)
    return replace(annotation, x=float(left), y=float(top), w=float(right - left), h=float(bottom - top))


def _numbered(name: str, number: int, place: int) -> str:
    """The reference's name, in the image's folder: its i:04d and j:03d."""
    folder, slash, base = name.rpartition("/")
    _, dot, suffix = base.rpartition(".")
    return f"{folder}{slash}{number:04d}_{place:03d}{dot}{suffix}"


def _first_numbers(dataset: Dataset, effort: Effort) -> Sequence[int]:
    """The number of the first image of every chunk."""

    def count(records: Iterator[ImageRecord], _: Ledger) -> int:
        return sum(1 for _record in records)

    counts = Audience(Ledger()).results(dataset, count, effort, phase="counting")
    return array("Q", accumulate(counts, initial=0))


def _drawn(parameters: Shift, name: str) -> tuple[Offset, ...]:
    """Offsets that depend on the seed and the image's name alone: all different and none (0, 0), but in the reference's semantics."""
    dice = random.Random(f"{parameters.seed}:{name}")  # noqa: S311 - a draw that can be repeated
    across, down, grid = parameters.max_dx // parameters.grid, parameters.max_dy // parameters.grid, parameters.grid
    if parameters.semantics == "reference":
        return tuple((dice.randint(-across, across) * grid, dice.randint(-down, down) * grid) for _ in range(parameters.copies))
    middle = _places(parameters) // 2
    chosen = (place + (place >= middle) for place in dice.sample(range(_places(parameters) - 1), parameters.copies))
    return tuple(((place % (2 * across + 1) - across) * grid, (place // (2 * across + 1) - down) * grid) for place in chosen)


def _places(parameters: Shift) -> int:
    """How many offsets there are to draw from, (0, 0) among them, in the middle."""
    return (2 * (parameters.max_dx // parameters.grid) + 1) * (2 * (parameters.max_dy // parameters.grid) + 1)


TRANSFORM = Transform(STEP, Shift, apply)
