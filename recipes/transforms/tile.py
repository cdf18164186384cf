"""Cuts large images into tiles, so that small objects stay large enough to be found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Annotated, Literal

from pydantic import Field, model_validator

from recipes.dataset import Annotation, Dataset, ImageRecord
from recipes.effort import Effort
from recipes.ledger import Ledger
from recipes.masks.moving import cut, moved, variant
from recipes.observing import Audience
from recipes.parameters import Parameters
from recipes.pictures.pixels import Crop
from recipes.transforms import Transform, edit_images

STEP = "tile"


class Tile(Parameters):
    """width, height: of a tile, in pixels. overlap: pixels that neighbouring tiles share at least; a tenth of the shorter side by default.

    min_visible: the share of a box's area that must lie in a tile for the box to be in it. empty: keep tiles without a box, or
    drop them.
    """

    width: Annotated[int, Field(ge=16, le=65_500)] = 640
    height: Annotated[int, Field(ge=16, le=65_500)] = 640
    overlap: Annotated[int, Field(ge=0)] | None = None
    min_visible: Annotated[float, Field(ge=0, le=1)] = 0.25
    empty: Literal["keep", "drop"] = "keep"

    @model_validator(mode="after")
    def _move_on(self) -> Tile:
        if 2 * self.shared > min(self.width, self.height):
            raise ValueError("the overlap may be half a tile at most")
        return self

    @property
    def shared(self) -> int:
        """The overlap as it is."""
        return min(self.width, self.height) // 10 if self.overlap is None else self.overlap

    def describe(self) -> str:
        empty = "; tiles without a box are left out" if self.empty == "drop" else ""
        return f"cut images into tiles of {self.width} x {self.height} pixels that overlap by {self.shared}{empty}"


def apply(dataset: Dataset, parameters: Tile, effort: Effort) -> Dataset:
    """The dataset with every larger image replaced by its tiles, row by row: a_y0_x576.jpg has its corner at (576, 0).

    The last tile of a row or column is moved back so that it ends with the image. A box that is visible enough in several tiles is
    in each of them, cut at their borders.
    """

    across, down = (parameters.width, parameters.shared), (parameters.height, parameters.shared)

    def tile(record: ImageRecord, ledger: Ledger) -> Iterator[ImageRecord]:
        if record.width <= parameters.width and record.height <= parameters.height:
            yield record
            return
        placed: set[int] = set()
        for top, left in product(starts(record.height, *down), starts(record.width, *across)):
            piece = _piece(record, left, top, parameters, placed)
            if piece.annotations or parameters.empty == "keep":
                yield piece
            else:
                ledger.drop_image(STEP, "tile without a box", piece)
        for place, annotation in enumerate(record.annotations):
            if place not in placed:
                ledger.drop_box(STEP, f"less than {parameters.min_visible:.0%} inside any tile", record, annotation)

    def count(records: Iterator[ImageRecord], _: Ledger) -> int:
        return sum(len(starts(one.width, *across)) * len(starts(one.height, *down)) for one in records)

    return replace(edit_images(dataset, tile), total=sum(Audience(Ledger()).results(dataset, count, effort, phase="counting tiles")))


def starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin along a side so that they cover it."""
    if length <= tile:
        return [0]
    return [*range(0, length - tile, tile - overlap), length - tile]


def _piece(record: ImageRecord, left: int, top: int, parameters: Tile, placed: set[int]) -> ImageRecord:
    """One tile; the places of the boxes that are in it are added to placed."""
    crop = Crop(left, top, min(parameters.width, record.width), min(parameters.height, record.height))
    near = [(place, box) for place, box in enumerate(record.annotations) if _meets(box, crop)]
    whole = variant(replace(record, annotations=tuple(box for _, box in near)), f"_y{top}_x{left}")
    piece = moved(whole, crop)
    kept: list[Annotation] = []
    for (place, _), annotation in zip(near, piece.annotations, strict=True):
        result = cut(piece, annotation, parameters.min_visible)
        if not isinstance(result, str):
            kept.append(result)
            placed.add(place)
    return replace(piece, annotations=tuple(kept))


def _meets(box: Annotation, crop: Crop) -> bool:
    """Whether any of a box is in a tile; what is no box (not finite) is in none, inverted ones are where their corner is."""
    right, bottom = crop.x + crop.width, crop.y + crop.height
    return box.x < right and box.y < bottom and max(box.x + box.w, box.x) > crop.x and max(box.y + box.h, box.y) > crop.y


TRANSFORM = Transform(STEP, Tile, apply)
