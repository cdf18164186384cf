"""Cuts boxes and masks at the border of the image."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from recipes.dataset import Annotation, Dataset, ImageRecord
from recipes.effort import Effort
from recipes.masks.moving import cut
from recipes.parameters import Parameters
from recipes.transforms import Transform, edit_boxes


class Clip(Parameters):
    """min_visible: the share of a box's area, 0 to 1, that must lie inside the image for the box to stay."""

    min_visible: Annotated[float, Field(ge=0, le=1)] = 0.0

    def describe(self) -> str:
        share = f", and leave out those less than {self.min_visible:.0%} inside" if self.min_visible else ""
        return f"cut boxes at the image border{share}"


def apply(dataset: Dataset, parameters: Clip, _: Effort) -> Dataset:
    """The dataset with every box inside its image; a box of which nothing is left is left out."""

    def edit(record: ImageRecord, annotation: Annotation) -> Annotation | str:
        return cut(record, annotation, parameters.min_visible)

    return edit_boxes(dataset, TRANSFORM.name, edit)


TRANSFORM = Transform("clip", Clip, apply)
