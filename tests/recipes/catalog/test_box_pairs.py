from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from recipes.catalog.box_pairs import Box, iou, paired

COD: Box = ("cod", 10, 10, 40, 30)
EEL: Box = ("eel", 100, 50, 20, 60)


def moved(box: Box, dx: float, dy: float = 0.0, label: str = "") -> Box:
    return (label or box[0], box[1] + dx, box[2] + dy, box[3], box[4])


def test_equal_boxes_are_the_same_in_any_order_and_to_a_hundredth_of_a_pixel() -> None:
    changes = paired([COD, EEL], [moved(EEL, 0.009, -0.009), moved(COD, -0.01)])
    assert (changes.same, changes.moved, changes.added, changes.removed) == (2, (), (), ())


def test_a_box_moved_got_another_class_went_or_came() -> None:
    changes = paired([COD, EEL], [moved(COD, 3), moved(EEL, 0.5, label="ray")])
    assert (changes.moved, changes.relabelled) == (((COD, moved(COD, 3)),), ((EEL, moved(EEL, 0.5, label="ray")),))
    changes = paired([COD], [moved(COD, 35), EEL])
    assert (changes.removed, changes.added) == ((COD,), (moved(COD, 35), EEL))


def test_the_pair_that_overlaps_most_counts_and_one_class_comes_first() -> None:
    near, nearer = moved(COD, 6), moved(COD, 2)
    assert paired([COD], [near, nearer]).moved == ((COD, nearer),)
    assert paired([COD], [moved(COD, 0.5, label="ray"), near]).moved == ((COD, near),)


def test_doubles_are_paired_once_each() -> None:
    changes = paired([COD, COD], [COD])
    assert (changes.same, changes.removed) == (1, (COD,))


def test_boxes_without_an_area_never_overlap() -> None:
    flat: Box = ("cod", 1, 1, 0, 5)
    assert iou(flat, flat) == 0.0
    assert paired([flat], [moved(flat, 3)]).removed == (flat,)


def test_an_image_with_very_many_boxes_does_not_take_for_ever() -> None:
    many: list[Box] = [("cod", 0, 0, 5, number) for number in range(20_000)]
    begun = time.process_time()
    changes = paired(many, [moved(box, 1) for box in many])
    assert (len(changes.removed), len(changes.added)) == (20_000, 20_000)
    assert time.process_time() - begun < 5


pixels = st.floats(-5, 300, allow_nan=False).map(lambda value: round(value, 3))
boxes = st.lists(st.tuples(st.sampled_from(["cod", "eel"]), pixels, pixels, pixels, pixels), max_size=8)


@given(boxes, boxes)
def test_every_box_is_accounted_for_once(old: list[Box], new: list[Box]) -> None:
    changes = paired(old, new)
    pairs = len(changes.moved) + len(changes.relabelled)
    assert len(old) == changes.same + pairs + len(changes.removed)
    assert len(new) == changes.same + pairs + len(changes.added)
    assert paired(old, old).same == len(old)
