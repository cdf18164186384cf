"""Keeps a part of a dataset, drawn by its seed."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, model_validator

from recipes.checks.contents import number_of
from recipes.dataset import Dataset, ImageRecord
from recipes.effort import Effort
from recipes.ledger import Ledger
from recipes.observing import Audience
from recipes.parameters import Parameters
from recipes.splitting.dealing import BoxCounts, Units, deal
from recipes.transforms import Transform, edit_images

STEP = "sample"
REASON = "not in the sample"
KEPT, LEFT = 0, 1


class Sample(Parameters):
    """count, or share (0 to 1), of the images to keep; or every: keep frames whose number is a multiple of it, and all other images.

    stratify: every class keeps its share. seed: another draw.
    """

    count: Annotated[int, Field(ge=1)] | None = None
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    every: Annotated[int, Field(ge=2)] | None = None
    stratify: bool = False
    seed: int = 0

    @model_validator(mode="after")
    def _one_way(self) -> Sample:
        if sum(value is not None for value in (self.count, self.share, self.every)) != 1:
            raise ValueError("give one of count, share and every")
        if self.every and self.stratify:
            raise ValueError("every keeps frames by their number, so it cannot stratify")
        return self

    def describe(self) -> str:
        if self.every:
            return f"of frames keep those whose number is a multiple of {self.every}"
        what = f"{self.count:,}" if self.count else f"{self.share:.0%} of the"
        return f"keep {what} images{' with the same share of every class' if self.stratify else ''}, drawn with seed {self.seed}"


def apply(dataset: Dataset, parameters: Sample, effort: Effort) -> Dataset:
    """The dataset with the images that were drawn; a first pass learns their names. Too few images are all kept."""
    units = Units.of(()) if parameters.every else _drawn(dataset, parameters, effort)

    def stays(record: ImageRecord) -> bool:
        if parameters.every:
            return record.frame is None or record.frame % parameters.every == 0
        return units.dealt[units.find(number_of(record.name))] == KEPT + 1

    def edit(record: ImageRecord, ledger: Ledger) -> Iterator[ImageRecord]:
        if stays(record):
            yield record
        else:
            ledger.drop_image(STEP, REASON, record)

    return edit_images(dataset, edit)


def _drawn(dataset: Dataset, parameters: Sample, effort: Effort) -> Units:
    """Every image as a unit of one, dealt to those that are kept and those that are not."""
    classes = {name: number for number, name in enumerate(dataset.classes)}

    def look(records: Iterator[ImageRecord], _: Ledger) -> tuple[array[int], BoxCounts]:
        keys, boxes = array("Q"), BoxCounts()
        for record in records:
            keys.append(number_of(record.name))
            if parameters.stratify:
                boxes.add(Counter(classes[a.label] for a in record.annotations if a.label in classes))
        return keys, boxes

    all_keys, all_boxes = array("Q"), BoxCounts()
    for keys, boxes in Audience(Ledger()).results(dataset, look, effort, phase="drawing a sample"):
        all_keys += keys
        all_boxes.merge(boxes)
    units = Units.of(all_keys)
    if parameters.stratify:
        units.count_boxes(all_keys, all_boxes)
    share = parameters.share or min(1.0, (parameters.count or 0) / max(1, len(units.keys)))
    deal(units, {KEPT: share, LEFT: 1 - share}, str(parameters.seed))
    return units


TRANSFORM = Transform(STEP, Sample, apply)
