"""Leaves out boxes by what their annotation says about them: lost, occluded, difficult, truncated …"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from recipes.dataset import Annotation, Dataset, Flag, ImageRecord
from recipes.effort import Effort
from recipes.parameters import Parameters
from recipes.transforms import Transform, edit_boxes


class DropFlagged(Parameters):
    """flags: a box with any of these goes."""

    flags: Annotated[tuple[Flag, ...], Field(min_length=1)]

    def describe(self) -> str:
        return f"leave out boxes that are {' or '.join(self.flags)}"


def apply(dataset: Dataset, parameters: DropFlagged, _: Effort) -> Dataset:
    """The dataset without the boxes that carry one of the flags; the first flag in the parameters' order is the reason."""
    unwanted = frozenset(parameters.flags)

    def edit(_: ImageRecord, annotation: Annotation) -> Annotation | str:
        if not annotation.flags & unwanted:
            return annotation
        return next(flag.value for flag in parameters.flags if flag in annotation.flags)

    return edit_boxes(dataset, TRANSFORM.name, edit)


TRANSFORM = Transform("drop_flagged", DropFlagged, apply)
