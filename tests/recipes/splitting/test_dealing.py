from __future__ import annotations

import random
from array import array

from hypothesis import given, settings
from hypothesis import strategies as st

from recipes.splitting.dealing import BoxCounts, Units, deal

SHARES = {0: 0.8, 1: 0.2}


def units_of(sizes: dict[int, int]) -> Units:
    return Units.of([key for key, size in sizes.items() for _ in range(size)])


def counts_of(rows: list[dict[int, int]]) -> BoxCounts:
    counts = BoxCounts()
    for row in rows:
        counts.add(row)
    return counts


def images(units: Units, split: int) -> int:
    return sum(size for size, dealt in zip(units.sizes, units.dealt, strict=True) if dealt == split + 1)


def test_dealing_keeps_to_the_shares_and_to_the_seed() -> None:
    one, again, other = (units_of({number * 7919: 1 for number in range(1000)}) for _ in range(3))
    deal(one, SHARES, "1")
    deal(again, SHARES, "1")
    deal(other, SHARES, "2")
    assert images(one, 1) == 200
    assert one.dealt == again.dealt != other.dealt


@settings(max_examples=60, deadline=None)
@given(sizes=st.dictionaries(st.integers(0, 2**64 - 1), st.integers(1, 9), min_size=1, max_size=60), val=st.sampled_from([0.1, 0.3, 0.5]))
def test_every_split_is_within_one_unit_of_its_share(sizes: dict[int, int], val: float) -> None:
    units = units_of(sizes)
    deal(units, {0: 1 - val, 1: val}, "")
    assert all(units.dealt)
    assert abs(images(units, 1) - val * sum(sizes.values())) <= max(sizes.values())


def test_what_is_dealt_already_stays() -> None:
    units = units_of(dict.fromkeys(range(10), 1))
    units.dealt[3] = 3
    deal(units, SHARES, "")
    assert units.dealt[3] == 3
    assert images(units, 1) == 2


def test_classes_get_their_shares_even_rare_ones() -> None:
    """Two images in a hundred have the rare class; dealt by number alone, both often end up in train."""
    dice = random.Random(4)
    for seed in range(10):
        units = units_of(dict.fromkeys(range(100), 1))
        rare = dice.sample(range(100), 10)
        units.boxes = counts_of([({} if unit % 2 else {0: 3}) | ({1: 1} if unit in rare else {}) for unit in range(100)])
        deal(units, SHARES, str(seed))
        assert sum(units.dealt[unit] == 2 for unit in rare) == 2
        assert abs(sum(units.dealt[unit] == 2 for unit in range(0, 100, 2)) - 10) <= 1
        assert images(units, 1) == 20


def test_boxes_of_images_are_gathered_by_unit() -> None:
    units = Units.of([30, 10, 20, 10])
    assert (units.keys, units.sizes) == (array("Q", [10, 20, 30]), array("I", [2, 1, 1]))
    first, second = counts_of([{1: 5}, {0: 1}]), counts_of([{}, {2: 4, 0: 3}])
    first.merge(second)
    first.add({0: 9})
    units.count_boxes([30, 10, 20, 10, 25], first)  # there is no unit 25
    assert units.boxes is not None
    assert [list(units.boxes.of(unit)) for unit in range(3)] == [[(0, 1), (2, 4), (0, 3)], [], [(1, 5)]]
