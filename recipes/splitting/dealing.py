"""Gives whole units, images that stay together, to splits: by their number of images alone, or class by class."""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

LARGEST_UNIT = 2**32


@dataclass(slots=True)
class BoxCounts:
    """Boxes by class for one thing after the other (images, units): eight bytes for each class that each of them has."""

    ends: array[int] = field(default_factory=lambda: array("Q", (0,)))
    classes: array[int] = field(default_factory=lambda: array("I"))
    boxes: array[int] = field(default_factory=lambda: array("I"))

    def __len__(self) -> int:
        return len(self.ends) - 1

    def add(self, counts: Mapping[int, int]) -> None:
        """Add the next one."""
        self.classes.extend(counts.keys())
        self.boxes.extend(counts.values())
        self.ends.append(len(self.classes))

    def merge(self, other: BoxCounts) -> None:
        """Add those of another."""
        start = len(self.classes)
        self.ends.extend(start + end for end in other.ends[1:])
        self.classes += other.classes
        self.boxes += other.boxes

    def of(self, place: int) -> zip[tuple[int, int]]:
        """(class, boxes) of one, a class perhaps several times."""
        first, last = self.ends[place], self.ends[place + 1]
        return zip(self.classes[first:last], self.boxes[first:last], strict=True)

    def gathered(self, units: Sequence[int], count: int) -> BoxCounts:
        """The counts of so many units, from those of images and the number of each image's unit, below count."""
        ends = array("Q", bytes(8 * (count + 1)))
        for image, unit in enumerate(units):
            ends[unit + 1] += self.ends[image + 1] - self.ends[image]
        for unit in range(count):
            ends[unit + 1] += ends[unit]
        free = ends[:-1]
        classes, boxes = array("I", bytes(4 * ends[-1])), array("I", bytes(4 * ends[-1]))
        for image, unit in enumerate(units):
            for label, number in self.of(image):
                classes[free[unit]], boxes[free[unit]] = label, number
                free[unit] += 1
        return BoxCounts(ends, classes, boxes)


@dataclass(slots=True)
class Units:
    """Units in the order of their keys, which are numbers of 64 bits: some fifteen bytes each.

    sizes: images to be dealt. dealt: 1 + the number of the unit's split, 0 where it has none yet. boxes: by unit, where classes matter.
    """

    keys: array[int]
    sizes: array[int]
    dealt: bytearray
    boxes: BoxCounts | None = None

    @classmethod
    def of(cls, keys: Iterable[int]) -> Units:
        """Units with these keys, each of as many images as its key comes times."""
        unique, sizes = array("Q"), array("I")
        for key, group in groupby(sorted(keys)):
            unique.append(key)
            sizes.append(sum(1 for _ in group))
        return cls(unique, sizes, bytearray(len(unique)))

    def find(self, key: int) -> int:
        """The number of the unit with that key; the number of units where there is none."""
        place = bisect_left(self.keys, key)
        return place if place < len(self.keys) and self.keys[place] == key else len(self.keys)

    def count_boxes(self, keys: Iterable[int], counts: BoxCounts) -> None:
        """Take in the boxes of images, with the key of each image's unit; keys that there are not do not count."""
        self.boxes = counts.gathered(array("I", map(self.find, keys)), len(self.keys) + 1)


def deal(units: Units, shares: Mapping[int, float], seed: str) -> None:
    """Give every unit that has no split one, by number; shares add up to 1.

    Each next unit, largest first and else in an order drawn from the seed, goes to the split that lacks most images; so every split
    is within one unit of its share. Where units have counted boxes, classes come first, the rarest of them foremost: iterative
    stratification after Sechidis, Tsoumakas and Vlahavas (2011).
    """
    order = _order(units, seed)
    total = sum(units.sizes[unit] for unit in order)
    lacking = {split: share * total for split, share in shares.items()}
    if units.boxes:
        _deal_by_class(units, units.boxes, order, shares, lacking)
    for unit in order:
        if not units.dealt[unit]:
            _give(units, unit, max(lacking, key=lacking.__getitem__), lacking)


def _order(units: Units, seed: str) -> Sequence[int]:
    """The units that have no split, the largest first, else as drawn; sorted as one number each, which takes the least memory."""
    packed = [
        (LARGEST_UNIT - units.sizes[unit]) << 96 | drawn(seed, units.keys[unit]) << 32 | unit
        for unit, split in enumerate(units.dealt)
        if not split
    ]
    packed.sort()
    return array("I", (number & 0xFFFFFFFF for number in packed))


def _deal_by_class(units: Units, counts: BoxCounts, order: Sequence[int], shares: Mapping[int, float], lacking: dict[int, float]) -> None:
    """Deal the units that have boxes."""
    members: dict[int, array[int]] = {}
    totals: dict[int, int] = {}
    for unit in order:
        for label, boxes in counts.of(unit):
            members.setdefault(label, array("I")).append(unit)
            totals[label] = totals.get(label, 0) + boxes
    wanted = {label: {split: share * total for split, share in shares.items()} for label, total in totals.items()}
    left = {label: len(column) for label, column in members.items()}
    while left:
        rarest = min(left, key=lambda label: (left[label], label))
        want = wanted[rarest]
        for unit in members[rarest]:
            if units.dealt[unit]:
                continue
            split = max(shares, key=lambda split: (want[split], lacking[split]))
            _give(units, unit, split, lacking)
            for label, boxes in counts.of(unit):
                wanted[label][split] -= boxes
                if label in left:
                    left[label] -= 1
        del left[rarest]


def _give(units: Units, unit: int, split: int, lacking: dict[int, float]) -> None:
    units.dealt[unit] = split + 1
    lacking[split] -= units.sizes[unit]


def drawn(seed: str, key: int) -> int:
    """A draw of 64 bits for a key, that depends on nothing but the seed and the key."""
    return int.from_bytes(hashlib.blake2b(key.to_bytes(8), key=seed.encode()[-64:], digest_size=8).digest())
