"""Which box of an image became which: the boxes of one image in two versions are paired, and what changed is told apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

Box: TypeAlias = tuple[str, float, float, float, float]
"""Label, and x, y, w, h in pixels."""
_Cell: TypeAlias = tuple[str | int, ...]

EQUAL_PX = 0.01
"""What formats with few decimals lose."""
MOVED_IOU = 0.5
RELABELLED_IOU = 0.9
MOST_PAIRS = 250_000
"""Pairs of boxes of one image that are looked at: 500 that changed against 500."""


@dataclass(frozen=True, slots=True)
class BoxChanges:
    """The boxes of one image: how many are the same, pairs that moved or got another class, and those without a partner."""

    same: int
    moved: tuple[tuple[Box, Box], ...]
    relabelled: tuple[tuple[Box, Box], ...]
    removed: tuple[Box, ...]
    added: tuple[Box, ...]


def paired(old: Sequence[Box], new: Sequence[Box]) -> BoxChanges:
    """Pair the boxes of an image.

    Those alike to a hundredth of a pixel are the same. Of the rest, the pairs that overlap most come first: with one class and an IoU
    of at least a half they moved, with two classes and at least 0.9 they got another class. Where too many changed to look at every
    pair, they count as removed and added.
    """
    same, before, after = _without_equal(old, new)
    moved: list[tuple[Box, Box]] = []
    relabelled: list[tuple[Box, Box]] = []
    if len(before) * len(after) <= MOST_PAIRS:
        taken: set[int] = set()
        given: set[int] = set()
        for place, other in _likely_pairs(before, after):
            if place not in taken and other not in given:
                taken.add(place)
                given.add(other)
                (moved if before[place][0] == after[other][0] else relabelled).append((before[place], after[other]))
        before = [box for place, box in enumerate(before) if place not in taken]
        after = [box for place, box in enumerate(after) if place not in given]
    return BoxChanges(same, tuple(moved), tuple(relabelled), tuple(before), tuple(after))


def _likely_pairs(before: Sequence[Box], after: Sequence[Box]) -> list[tuple[int, int]]:
    """The pairs that overlap enough, those of one class first, then by how much."""
    close: list[tuple[bool, float, int, int]] = []
    for place, one in enumerate(before):
        for other, two in enumerate(after):
            overlap, relabelled = iou(one, two), one[0] != two[0]
            if overlap >= (RELABELLED_IOU if relabelled else MOVED_IOU):
                close.append((relabelled, -overlap, place, other))
    return [(place, other) for _, _, place, other in sorted(close)]


def iou(one: Box, two: Box) -> float:
    """Intersection over union of two boxes; of boxes without an area 0."""
    width = min(one[1] + one[3], two[1] + two[3]) - max(one[1], two[1])
    height = min(one[2] + one[4], two[2] + two[4]) - max(one[2], two[2])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (one[3] * one[4] + two[3] * two[4] - width * height)


def _without_equal(old: Sequence[Box], new: Sequence[Box]) -> tuple[int, list[Box], list[Box]]:
    """How many boxes have an equal one, each counted once, and what is left of both."""
    left = list(new)
    if list(old) == left:  # nearly always
        return len(left), [], []
    waiting: dict[_Cell, list[Box]] = defaultdict(list)
    for box in new:
        waiting[box[0], *(round(number) for number in box[1:])].append(box)
    before = [box for box in old if not _take_equal(box, waiting)]
    return len(old) - len(before), before, [box for boxes in waiting.values() for box in boxes]


def _take_equal(box: Box, waiting: Mapping[_Cell, list[Box]]) -> bool:
    """Take a box equal to this one; a hundredth of a pixel may lie across the edge of a cell, halfway between two whole pixels."""
    near = [dict.fromkeys((round(number - EQUAL_PX), round(number + EQUAL_PX))) for number in box[1:]]
    for cell in product(*near):
        boxes = waiting.get((box[0], *cell), [])
        for place, other in enumerate(boxes):
            if all(abs(mine - theirs) <= EQUAL_PX for mine, theirs in zip(box[1:], other[1:], strict=True)):
                del boxes[place]
                return True
    return False
