"""How large the boxes of a dataset are: counted as images go by, in a fixed amount of memory, for a plot."""

from __future__ import annotations

import functools
import math
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recipes.dataset import ImageRecord

STEPS_PER_OCTAVE = 4
LARGEST_SIDE = 1 << 13
SIDES = 2 + STEPS_PER_OCTAVE * 13
"""Classes of a side: below a pixel, four for each doubling, and the last for 8,192 pixels and more."""
SMALL, MEDIUM = 32**2, 96**2
"""Square pixels. COCO's small areas are below the first, its medium ones below the second (pycocotools, cocoeval.py, setDetParams)."""
SHARES = tuple(2 ** (half / 2) for half in range(-16, 1))
"""Edges of the classes of √(box area / image area): half octaves from 1/256 to 1."""


@dataclass(frozen=True, slots=True)
class BoxSizes:
    """The boxes of a dataset by size, all finite numbers: plain JSON values of at most some kilobytes.

    cells are (class of width, class of height, boxes) in pixels rounded down (see edge), those without a box left out. small, medium and
    large count COCO's areas (the mask's where there is one). shares counts boxes by the side of a square of their area in
    relation to the image's: shares[n] is what lies below SHARES[n] and not below the one before; the last is what is larger than the image.
    """

    cells: tuple[tuple[int, int, int], ...]
    small: int
    medium: int
    large: int
    shares: tuple[int, ...]

    @property
    def boxes(self) -> int:
        """How many were counted."""
        return self.small + self.medium + self.large


class BoxSizeTally:
    """An observer that counts boxes by their size."""

    def __init__(self) -> None:
        self._cells: Counter[int] = Counter()
        self._areas = [0, 0, 0]
        self._shares = [0] * (len(SHARES) + 1)

    def __call__(self, record: ImageRecord) -> None:
        """Count the boxes of one image."""
        if not record.annotations:
            return
        sides, cells, areas, shares = _sides(), self._cells, self._areas, self._shares
        limits = _share_limits(record.width * record.height)
        for annotation in record.annotations:
            w, h = annotation.w, annotation.h
            column = sides[int(w)] if 0 <= w < LARGEST_SIDE else SIDES - 1 if w > 0 else 0
            row = sides[int(h)] if 0 <= h < LARGEST_SIDE else SIDES - 1 if h > 0 else 0
            cells[column * SIDES + row] += 1
            area = annotation.area
            areas[0 if area < SMALL else 1 if area < MEDIUM else 2] += 1
            shares[bisect_right(limits, w * h)] += 1

    def fresh(self) -> BoxSizeTally:
        """One that has counted nothing."""
        return BoxSizeTally()

    def merge(self, other: BoxSizeTally) -> None:
        """Add what another has counted."""
        self._cells.update(other._cells)
        self._areas = [mine + theirs for mine, theirs in zip(self._areas, other._areas, strict=True)]
        self._shares = [mine + theirs for mine, theirs in zip(self._shares, other._shares, strict=True)]

    def value(self) -> BoxSizes:
        """What was counted so far."""
        cells = tuple((*divmod(place, SIDES), count) for place, count in sorted(self._cells.items()))
        small, medium, large = self._areas
        return BoxSizes(cells, small, medium, large, tuple(self._shares))


def edge(number: int) -> float:
    """The pixels at which a class of sides begins: 0 for the first, then 1, 1.19, 1.41 … 4,096 and on."""
    return 2 ** ((number - 1) / STEPS_PER_OCTAVE) if number else 0.0


@functools.cache
def _sides() -> bytes:
    """The class of every whole number of pixels: a look-up is several times faster than a logarithm."""
    return bytes([0, *(1 + int(STEPS_PER_OCTAVE * math.log2(side)) for side in range(1, LARGEST_SIDE))])


@functools.lru_cache(maxsize=64)
def _share_limits(area: int) -> tuple[float, ...]:
    return tuple(area * share * share for share in SHARES)
