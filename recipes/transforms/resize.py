"""Scales images with their boxes and masks to one size, or until they fit into one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from recipes.dataset import Dataset, ImageRecord
from recipes.effort import Effort
from recipes.ledger import Ledger
from recipes.masks.moving import moved
from recipes.parameters import Parameters
from recipes.pictures.image_header import MAX_PIXELS
from recipes.pictures.pixels import BLACK, Crop, Edit
from recipes.pictures.pixels import Resize as ResizeEdit
from recipes.transforms import Transform, edit_images

Side = Annotated[int, Field(ge=1, le=65_500)]  # what a JPEG can hold
Channel = Annotated[int, Field(ge=0, le=255)]


class Resize(Parameters):
    """width and height, or longest (the longer side): what to scale to, in pixels.

    fit: stretch (exactly that size), inside (as large as fits, shape kept), or pad (inside, then filled up evenly to that size).
    enlarge: smaller images are scaled up, too; otherwise they keep their size. fill: the colour around, red, green, blue.
    """

    width: Side | None = None
    height: Side | None = None
    longest: Side | None = None
    fit: Literal["stretch", "inside", "pad"] = "inside"
    enlarge: bool = False
    fill: tuple[Channel, Channel, Channel] = BLACK

    @model_validator(mode="after")
    def _one_size(self) -> Resize:
        if (self.width is None) != (self.height is None) or (self.width is None) == (self.longest is None):
            raise ValueError("give width and height, or longest")
        if self.longest is not None and self.fit == "stretch":
            raise ValueError("longest keeps the shape, so it cannot stretch")
        if self.frame[0] * self.frame[1] > MAX_PIXELS:
            raise ValueError(f"an image has {MAX_PIXELS:,} pixels at most")
        return self

    @property
    def frame(self) -> tuple[int, int]:
        """The size that is asked for."""
        return self.width or self.longest or 1, self.height or self.longest or 1

    def describe(self) -> str:
        width, height = self.frame
        how = {"stretch": "exactly", "inside": "at most", "pad": "exactly, shape kept,"}[self.fit]
        small = "" if self.enlarge else "; smaller ones are not enlarged"
        return f"scale images to {how} {width} x {height} pixels{small}"


def apply(dataset: Dataset, parameters: Resize, _: Effort) -> Dataset:
    """The dataset with its images scaled; an image that has the size already is not touched."""

    def resize(record: ImageRecord, _: Ledger) -> tuple[ImageRecord]:
        edits = _edits(record.width, record.height, parameters)
        return (moved(record, *edits) if edits else record,)

    return edit_images(dataset, resize)


def _edits(width: int, height: int, parameters: Resize) -> list[Edit]:
    frame = parameters.frame
    if parameters.fit == "stretch":
        size = frame if parameters.enlarge else (min(width, frame[0]), min(height, frame[1]))
    else:
        scale = min(frame[0] / width, frame[1] / height)
        scale = scale if parameters.enlarge else min(1.0, scale)
        size = max(1, round(width * scale)), max(1, round(height * scale))
    edits: list[Edit] = [] if size == (width, height) else [ResizeEdit(*size)]
    if parameters.fit == "pad" and size != frame:
        edits.append(Crop((size[0] - frame[0]) // 2, (size[1] - frame[1]) // 2, *frame, parameters.fill))
    return edits


TRANSFORM = Transform("resize", Resize, apply)
