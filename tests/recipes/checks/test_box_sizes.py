from __future__ import annotations

import math
from itertools import pairwise

import orjson
import pytest
from pydantic import TypeAdapter

from recipes.checks.box_sizes import LARGEST_SIDE, SHARES, SIDES, BoxSizes, BoxSizeTally, edge
from recipes.dataset import Annotation, ImageRecord


def image(*sizes: tuple[float, float], width: int = 640, height: int = 480, mask_area: float | None = None) -> ImageRecord:
    boxes = tuple(Annotation("cod", 0, 0, w, h, mask_area=mask_area) for w, h in sizes)
    return ImageRecord("a.jpg", None, width, height, boxes)


def counted(*records: ImageRecord) -> BoxSizes:
    tally = BoxSizeTally()
    for record in records:
        tally(record)
    return tally.value()


@pytest.mark.parametrize("side", [0.0, 0.5, 1, 1.99, 2, 3, 4, 7.9, 8, 31, 32, 33, 1000, 4096, LARGEST_SIDE - 1])
def test_a_side_is_counted_between_the_edges_of_its_class(side: float) -> None:
    ((width, height, boxes),) = counted(image((side, 16))).cells
    assert edge(width) <= int(side) < edge(width + 1)
    assert (edge(height), boxes) == (16, 1)


def test_what_is_too_large_or_no_size_at_all_is_in_the_last_and_the_first_class() -> None:
    assert counted(image((math.nan, -3), (1e9, math.inf))).cells == ((0, 0, 1), (SIDES - 1, SIDES - 1, 1))


def test_areas_are_coco_s_and_a_mask_s_where_there_is_one() -> None:
    sizes = counted(image((31, 33), (32, 32), (96, 95.9), (96, 96)))
    assert (sizes.small, sizes.medium, sizes.large, sizes.boxes) == (1, 2, 1, 4)
    assert counted(image((100, 100), mask_area=1000.0)).small == 1


def test_shares_go_by_the_image() -> None:
    shares = counted(image((640, 480), (320, 240), (1, 1), (700, 500))).shares
    assert len(shares) == len(SHARES) + 1
    assert shares[-1] == 2  # the whole image is not below 1, and what is larger is with it
    assert shares[SHARES.index(0.5) + 1] == 1
    assert shares[0] == 1


def test_merged_parts_are_the_whole_and_a_fresh_one_has_seen_nothing() -> None:
    one, two = image((3, 4), (50, 60)), image((3, 4), (200, 300))
    first, second = BoxSizeTally(), BoxSizeTally()
    first(one)
    second(two)
    first.merge(second)
    assert first.value() == counted(one, two)
    assert first.fresh().value() == BoxSizeTally().value()


def test_it_goes_through_json_and_back() -> None:
    sizes = counted(image((3, 4), (50, 60), (3, 4)))
    assert TypeAdapter(BoxSizes).validate_json(orjson.dumps(sizes)) == sizes


def test_classes_grow_without_gaps() -> None:
    assert all(low < high for low, high in pairwise(map(edge, range(SIDES + 1))))
