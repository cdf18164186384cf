"""The quick way for annotations that are no more than boxes: a whole batch is looked at column by column.

It takes a third of the time of looking at one after the other, and judges nothing differently: a batch that is not plainly right is
left to the slow way, which names what is wrong.
"""

from __future__ import annotations

from itertools import chain, repeat
from typing import Any

from recipes.coco.entries import LARGEST, LARGEST_ID, NUMBERS
from recipes.streams.grouping import Row

PLAIN_KEYS = frozenset({"id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation"})
INTEGERS = {int}


def plain_rows(batch: list[Any]) -> tuple[list[int], list[Row]] | None:
    """The image ids and rows of a batch of plain boxes (see entries.AnnotationEntry); None where any may be more, or wrong."""
    if not batch or set(map(type, batch)) != {dict} or any(entry.keys() != PLAIN_KEYS for entry in batch):
        return None
    if any(entry["segmentation"] or entry["iscrowd"] != 0 for entry in batch):
        return None
    images, categories, identities = ([entry[key] for entry in batch] for key in ("image_id", "category_id", "id"))
    for column in (images, categories, identities):
        if set(map(type, column)) != INTEGERS or min(column) <= -LARGEST_ID or max(column) >= LARGEST_ID:
            return None
    boxes = [entry["bbox"] for entry in batch]
    if set(map(type, boxes)) != {list} or set(map(len, boxes)) != {4}:
        return None
    flat = list(chain.from_iterable(boxes))
    if not NUMBERS.issuperset(map(type, flat)) or min(flat) <= -LARGEST or max(flat) >= LARGEST:
        return None
    values = list(map(float, flat))
    widths, heights = values[2::4], values[3::4]
    if min(widths) < 0 or min(heights) < 0:
        return None
    nothing = repeat(None)
    rows = zip(categories, values[0::4], values[1::4], widths, heights, repeat(0), nothing, nothing, nothing, nothing, identities)
    return images, list(rows)
