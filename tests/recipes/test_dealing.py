from __future__ import annotations

import random
from array import array

from hypothesis import given, settings
from hypothesis import strategies as st

from recipes.dealing import Units, deal

SHARES = {0: 0.8, 1: 0.2}


def units_of(sizes: dict[int, int]) -> Units:
    units = Units.of(sizes)
    for key, size in sizes.items():
        units.sizes[units.find(key)] = size
    return units


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
        rows = [(unit, 0, 3) for unit in range(0, 100, 2)] + [(unit, 1, 1) for unit in rare]
        units.count_boxes(rows, 2)
        deal(units, SHARES, str(seed))
        assert sum(units.dealt[unit] == 2 for unit in rare) == 2
        assert abs(sum(units.dealt[unit] == 2 for unit in range(0, 100, 2)) - 10) <= 1
        assert images(units, 1) == 20


def test_units_hold_rows_of_one_unit_that_come_apart() -> None:
    units = Units.of([30, 10, 20, 10])
    assert units.keys == array("Q", [10, 20, 30])
    units.count_boxes([(2, 1, 5), (0, 0, 1), (2, 0, 2), (0, 0, 4)], 2)
    assert [list(units.rows(unit)) for unit in range(3)] == [[(0, 1), (0, 4)], [], [(0, 2), (1, 5)]]
