"""Paints boxes and their classes into the images, for people to look at."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

from recipes.dataset import Annotation, Dataset, ImageRecord, Polygons
from recipes.effort import Effort
from recipes.ledger import Ledger
from recipes.parameters import Parameters
from recipes.pictures.painting import COLOURS, DASHED, INK
from recipes.pictures.pixels import Mark, Paint
from recipes.transforms import Transform, edit_images


class Draw(Parameters):
    """outlines: polygons are painted, too."""

    outlines: bool = True

    def describe(self) -> str:
        return "paint boxes and classes into the images (to look at; do not train on them)"


def apply(dataset: Dataset, parameters: Draw, _: Effort) -> Dataset:
    """The dataset with its boxes in its pictures, in the colours of their classes; lost and occluded ones are dashed."""
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(dataset.classes)}

    def mark(box: Annotation) -> Mark:
        outlines = box.mask.parts if parameters.outlines and isinstance(box.mask, Polygons) else ()
        colour = colours.get(box.label, INK)
        return Mark(box.x, box.y, box.x + box.w, box.y + box.h, box.label, colour, bool(box.flags & DASHED), outlines)

    def paint(record: ImageRecord, _: Ledger) -> tuple[ImageRecord]:
        largest_first = sorted(record.annotations, key=lambda box: -box.area)
        marks = tuple(mark(box) for box in largest_first if isfinite(box.x + box.y + box.w + box.h))
        return (replace(record, edits=(*record.edits, Paint(marks))) if marks else record,)

    return edit_images(dataset, paint)


TRANSFORM = Transform("draw", Draw, apply)
