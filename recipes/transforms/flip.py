"""Mirrors images with their boxes and masks, in place or as copies beside the originals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from recipes.dataset import Dataset, ImageRecord
from recipes.effort import Effort
from recipes.ledger import Ledger
from recipes.masks.moving import moved, variant
from recipes.parameters import Parameters
from recipes.pictures.pixels import Flip as FlipEdit
from recipes.transforms import Transform, edit_images, require_splits


class Flip(Parameters):
    """axis: horizontal (left becomes right) or vertical. keep_original: the mirrored image is a copy beside it.

    splits: only images of these are mirrored; all, where none is named. Classes that mean a side (left hand) are not exchanged.
    """

    axis: Literal["horizontal", "vertical"] = "horizontal"
    keep_original: bool = True
    splits: tuple[str, ...] = ()

    def describe(self) -> str:
        what = "add a mirrored copy of every image" if self.keep_original else "mirror every image"
        where = f" of {' and '.join(self.splits)}" if self.splits else ""
        return f"{what}{where} ({'left to right' if self.axis == 'horizontal' else 'upside down'})"


def apply(dataset: Dataset, parameters: Flip, _: Effort) -> Dataset:
    """The dataset with its images mirrored. A copy follows its original and is called after it: a.jpg, a_flip.jpg."""
    require_splits(dataset, parameters.splits, TRANSFORM.name)
    edit = FlipEdit(parameters.axis)
    ending = "_flip" if parameters.axis == "horizontal" else "_vflip"

    def flip(record: ImageRecord, _: Ledger) -> Iterable[ImageRecord]:
        if parameters.splits and record.split not in parameters.splits:
            return (record,)
        if parameters.keep_original:
            return record, moved(variant(record, ending), edit)
        return (moved(record, edit),)

    return edit_images(dataset, flip, copies=2 if parameters.keep_original else 1)


TRANSFORM = Transform("flip", Flip, apply)
