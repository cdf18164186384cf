"""Gives whole units, images that stay together, to splits: by their number of images alone, or class by class."""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby


@dataclass(slots=True)
class Units:
    """Units in the order of their keys, which are numbers of 64 bits; some twenty bytes each, and ten for each class of each.

    sizes: images to be dealt. dealt: 1 + the number of the unit's split, 0 where it has none yet. The boxes of unit n by class are at
    starts[n] to starts[n + 1] of classes and boxes; starts is empty where classes do not matter.
    """

    keys: array[int]
    sizes: array[int]
    dealt: bytearray
    starts: array[int] = field(default_factory=lambda: array("Q"))
    classes: array[int] = field(default_factory=lambda: array("I"))
    boxes: array[int] = field(default_factory=lambda: array("I"))

    @classmethod
    def of(cls, keys: Iterable[int]) -> Units:
        """Empty units with these keys, each of which may come any number of times."""
        unique = array("Q", (key for key, _ in groupby(sorted(keys))))
        return cls(unique, array("I", bytes(4 * len(unique))), bytearray(len(unique)))

    def find(self, key: int) -> int:
        """The number of the unit with that key."""
        return bisect_left(self.keys, key)

    def count_boxes(self, rows: Iterable[tuple[int, int, int]], classes: int) -> None:
        """Take in (number of the unit, class, boxes), each unit any number of times."""
        packed = sorted((unit * classes + label << BOX_BITS) | min(boxes, (1 << BOX_BITS) - 1) for unit, label, boxes in rows)
        self.starts = array("Q", (0,))
        for row in packed:
            unit, label = divmod(row >> BOX_BITS, classes)
            while len(self.starts) <= unit:
                self.starts.append(len(self.classes))
            self.classes.append(label)
            self.boxes.append(row & ((1 << BOX_BITS) - 1))
        self.starts.extend([len(self.classes)] * (len(self.keys) + 1 - len(self.starts)))

    def rows(self, unit: int) -> zip[tuple[int, int]]:
        """(class, boxes) of a unit."""
        first, last = self.starts[unit], self.starts[unit + 1]
        return zip(self.classes[first:last], self.boxes[first:last], strict=True)


BOX_BITS = 20


def deal(units: Units, shares: Mapping[int, float], seed: str) -> None:
    """Give every unit that has no split one, by number; shares add up to 1.

    Each next unit, largest first and else in an order drawn from the seed, goes to the split that lacks most images; so every split
    is within one unit of its share. Where units have counted boxes, classes come first, the rarest of them foremost: iterative
    stratification after Sechidis, Tsoumakas and Vlahavas (2011).
    """
    order = array("I", (unit for unit, split in enumerate(units.dealt) if not split))
    total = sum(units.sizes[unit] for unit in order)
    order = array("I", sorted(order, key=lambda unit: (total - units.sizes[unit]) << 64 | drawn(seed, units.keys[unit])))
    lacking = {split: share * total for split, share in shares.items()}
    if units.starts:
        _deal_by_class(units, order, shares, lacking)
    for unit in order:
        if not units.dealt[unit]:
            _give(units, unit, max(lacking, key=lacking.__getitem__), lacking)


def _deal_by_class(units: Units, order: Sequence[int], shares: Mapping[int, float], lacking: dict[int, float]) -> None:
    """Deal the units that have boxes."""
    members: dict[int, array[int]] = {}
    totals: dict[int, int] = {}
    for unit in order:
        for label, boxes in units.rows(unit):
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
            for label, boxes in units.rows(unit):
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
