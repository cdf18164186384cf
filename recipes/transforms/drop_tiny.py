"""Leaves out boxes too small to learn from."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from recipes.dataset import Annotation, Dataset, ImageRecord
from recipes.effort import Effort
from recipes.parameters import Parameters
from recipes.transforms import Transform, edit_boxes


class DropTiny(Parameters):
    """min_side: pixels that both sides must reach; min_area: square pixels that the box must reach."""

    min_side: Annotated[float, Field(ge=0)] = 2.0
    min_area: Annotated[float, Field(ge=0)] = 0.0

    def describe(self) -> str:
        area = f" or of less than {self.min_area:g} square pixels" if self.min_area else ""
        return f"leave out boxes with a side under {self.min_side:g} pixels{area}"


def apply(dataset: Dataset, parameters: DropTiny, _: Effort) -> Dataset:
    """The dataset without its tiny boxes."""

    def edit(_: ImageRecord, annotation: Annotation) -> Annotation | str:
        if min(annotation.w, annotation.h) < parameters.min_side:
            return f"side under {parameters.min_side:g} px"
        if annotation.w * annotation.h < parameters.min_area:
            return f"area under {parameters.min_area:g} px²"
        return annotation

    return edit_boxes(dataset, TRANSFORM.name, edit)


TRANSFORM = Transform("drop_tiny", DropTiny, apply)
