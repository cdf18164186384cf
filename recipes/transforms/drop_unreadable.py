"""Leaves out images that cannot be decoded to their last pixel: a training would stop at each of them, one after the other."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from io import BytesIO

from recipes.checks.contents import contents, number_of
from recipes.dataset import Dataset, ImageRecord
from recipes.effort import Effort
from recipes.ledger import Ledger
from recipes.observing import Audience
from recipes.parameters import Parameters
from recipes.transforms import Transform, edit_images

STEP = "drop_unreadable"
_LONGEST_REASON = 120
_DIFFERS = re.compile(r" [(<]")


class DropUnreadable(Parameters):
    """Takes no parameters."""

    def describe(self) -> str:
        return "leave out images that cannot be decoded"


def apply(dataset: Dataset, _: DropUnreadable, effort: Effort) -> Dataset:
    """The dataset without the images that Pillow cannot decode whole; the ledger names each with the reason.

    Every image is decoded once. Images that are made in this recipe (shifted, mirrored …) are refused where they are made.
    """
    damaged: dict[int, str] = {}
    for part in Audience(Ledger()).results(dataset, _damaged, effort, phase="decoding pictures"):
        damaged |= part

    def edit(record: ImageRecord, ledger: Ledger) -> Iterator[ImageRecord]:
        reason = damaged.get(number_of(record.name)) if damaged else None
        if reason is None:
            yield record
        else:
            ledger.drop_image(STEP, reason, record)

    return edit_images(dataset, edit)


def _damaged(records: Iterator[ImageRecord], _: Ledger) -> dict[int, str]:
    return {
        number_of(record.name): reason
        for record in records
        if record.path is not None and not record.edits and (reason := _why_unreadable(record)) is not None
    }


def _why_unreadable(record: ImageRecord) -> str | None:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(BytesIO(contents(record))) as picture:
                picture.load()
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        # Pillow names an object in memory and counts bytes: what differs from image to image would make a reason for each.
        return f"cannot be decoded: {_DIFFERS.split(' '.join(str(error).split()))[0]}"[:_LONGEST_REASON]
    return None


TRANSFORM = Transform(STEP, DropUnreadable, apply)
