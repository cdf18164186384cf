"""Leaves out boxes that the border of the image may have cut off."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from recipes.dataset import Annotation, Dataset, ImageRecord
from recipes.effort import Effort
from recipes.masks.moving import at_border
from recipes.parameters import Parameters
from recipes.transforms import Transform, edit_boxes


class DropBorder(Parameters):
    """touching: a box that only touches the border goes, too. margin: pixels from the border that count as the border."""

    touching: bool = True
    margin: Annotated[float, Field(ge=0)] = 0.0

    def describe(self) -> str:
        near = f" (or come within {self.margin:g} pixels of it)" if self.margin else ""
        return f"leave out boxes that {'touch or ' if self.touching else ''}cross the image border{near}"


def apply(dataset: Dataset, parameters: DropBorder, _: Effort) -> Dataset:
    """The dataset without the boxes at the border."""

    def edit(record: ImageRecord, annotation: Annotation) -> Annotation | str:
        if at_border(record, annotation, parameters.margin, touching=parameters.touching):
            return "at the image border"
        return annotation

    return edit_boxes(dataset, TRANSFORM.name, edit)


TRANSFORM = Transform("drop_border", DropBorder, apply)
