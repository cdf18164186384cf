from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipes.dataset import Annotation, ImageRecord, Polygons, RunLengths
from recipes.errors import FormatError
from recipes.masks import polygons
from recipes.masks.moving import at_border, cut, moved, variant
from recipes.pictures.pixels import Crop, Edit, Flip, Paint, Resize, Shift

TRIANGLE = Polygons(((10, 10, 30, 10, 10, 20),))
BOX = Annotation("fish", 10, 10, 20, 10, mask=TRIANGLE, mask_area=100.0)
IMAGE = ImageRecord("a.jpg", None, 100, 50, (BOX,), source_file="a.json", origin_is_line=False)


@pytest.mark.parametrize(
    ("edit", "box", "outline", "area", "size"),
    [
        (Shift(5, -15), (15, -5, 20, 10), (15, -5, 35, -5, 15, 5), 100, (100, 50)),
        (Flip("horizontal"), (70, 10, 20, 10), (90, 10, 70, 10, 90, 20), 100, (100, 50)),
        (Flip("vertical"), (10, 30, 20, 10), (10, 40, 30, 40, 10, 30), 100, (100, 50)),
        (Resize(50, 100), (5, 20, 10, 20), (5, 20, 15, 20, 5, 40), 100, (50, 100)),
        (Resize(200, 100), (20, 20, 40, 20), (20, 20, 60, 20, 20, 40), 400, (200, 100)),
        (Crop(-4, 8, 30, 30), (14, 2, 20, 10), (14, 2, 34, 2, 14, 12), 100, (30, 30)),
    ],
)
def test_boxes_and_outlines_by_hand(
    edit: Edit, box: tuple[float, ...], outline: tuple[float, ...], area: float, size: tuple[int, int]
) -> None:
    image = moved(IMAGE, edit)
    (annotation,) = image.annotations
    assert (annotation.x, annotation.y, annotation.w, annotation.h) == box
    assert annotation.mask == Polygons((outline,))
    assert annotation.area == area
    assert (image.width, image.height) == size
    assert image.edits == (edit,)


def test_edits_add_up_and_painting_moves_nothing() -> None:
    image = moved(moved(IMAGE, Resize(50, 25)), Crop(5, 5, 10, 10), Paint(()))
    assert image.edits == (Resize(50, 25), Crop(5, 5, 10, 10), Paint(()))
    assert (image.annotations[0].x, image.annotations[0].y) == (0, 0)
    painted = moved(IMAGE, Paint(()))
    assert painted.annotations is IMAGE.annotations


def test_run_lengths_move_with_the_box() -> None:
    square = RunLengths(4, 6, (5, 2, 2, 2, 13))  # columns 1 and 2, rows 1 and 2
    image = ImageRecord("a.jpg", None, 6, 4, (Annotation("fish", 1, 1, 2, 2, mask=square, mask_area=4),))
    (annotation,) = moved(image, Shift(1, 2)).annotations
    assert (annotation.x, annotation.y, annotation.w, annotation.h) == (2, 3, 2, 2)
    assert annotation.mask == RunLengths(4, 6, (11, 1, 3, 1, 8))
    assert annotation.area == 2
    (gone,) = moved(image, Shift(0, 9)).annotations
    assert gone.mask == RunLengths(4, 6, (24,))
    assert cut(moved(image, Shift(0, 9)), gone, 0.0) == "outside the image"


def test_a_damaged_mask_is_named() -> None:
    image = replace(IMAGE, annotations=(replace(BOX, mask=RunLengths(50, 100, "zzz"), origin=7),))
    with pytest.raises(FormatError, match="The mask's compressed") as refused:
        moved(image, Shift(1, 1))
    assert str(refused.value).startswith("a.json, annotation 7 of a.jpg: ")
    huge = replace(image, annotations=(replace(BOX, mask=RunLengths(1, 10**12, (0, 10**12))),))
    with pytest.raises(FormatError, match="The mask is for 1000000000000 x 1 pixels, the image has 100 x 50"):
        moved(huge, Shift(1, 1))


numbers = st.floats(-200, 200)
boxes = st.builds(Annotation, st.just("fish"), numbers, numbers, st.floats(0.01, 150), st.floats(0.01, 150))


@settings(max_examples=100, deadline=None)
@given(box=boxes, axis=st.sampled_from(["horizontal", "vertical"]), dx=st.integers(-99, 99), dy=st.integers(-99, 99))
def test_there_and_back_again(box: Annotation, axis: str, dx: int, dy: int) -> None:
    outline = Polygons(((box.x, box.y, box.x + box.w, box.y, box.x, box.y + box.h),))
    image = replace(IMAGE, annotations=(replace(box, mask=outline),))
    for there, back in (
        (Flip(axis), Flip(axis)),  # type: ignore[arg-type]
        (Shift(dx, dy), Shift(-dx, -dy)),
        (Resize(731, 97), Resize(100, 50)),
    ):
        (again,) = moved(image, there, back).annotations
        assert (again.x, again.y, again.w, again.h) == pytest.approx((box.x, box.y, box.w, box.h), abs=1e-9)
        assert again.mask is not None
        assert again.mask.parts[0] == pytest.approx(outline.parts[0], abs=1e-9)  # type: ignore[union-attr]


@settings(max_examples=100, deadline=None)
@given(box=boxes)
def test_what_is_cut_lies_inside_and_never_grows(box: Annotation) -> None:
    result = cut(IMAGE, box, 0.0)
    if isinstance(result, str):
        assert box.x >= 100 or box.y >= 50 or box.x + box.w <= 0 or box.y + box.h <= 0
        return
    assert result.x >= 0
    assert result.y >= 0
    assert result.x + result.w <= 100 + 1e-9
    assert result.y + result.h <= 50 + 1e-9
    assert result.w * result.h <= box.w * box.h + 1e-9
    assert cut(IMAGE, result, 1.0) == result


def test_outlines_are_cut_part_by_part() -> None:
    square = Polygons(((-10, 0, 10, 0, 10, 10, -10, 10), (-9, 1, -5, 1, -5, 5)))
    mask, area = polygons.cut(square, 64, 48)
    assert mask is not None
    assert len(mask.parts) == 1
    assert area == 100
    bay = Polygons(((-5, 0, 10, 0, 10, 10, -5, 10, -5, 8, 5, 8, 5, 2, -5, 2),))  # a C that is open to the left
    assert polygons.cut(bay, 64, 48)[1] == 10 * 10 - 5 * 6


def test_at_border() -> None:
    assert at_border(IMAGE, Annotation("fish", 0, 5, 5, 5))
    assert not at_border(IMAGE, Annotation("fish", 0, 5, 5, 5), touching=False)
    assert at_border(IMAGE, Annotation("fish", 96, 5, 5, 5), touching=False)
    assert not at_border(IMAGE, BOX)


@pytest.mark.parametrize(
    ("name", "called"),
    [("a.jpg", "a_flip.jpg"), ("d.1/a.v2.JPG", "d.1/a.v2_flip.JPG"), ("d.1/a", "d.1/a_flip"), (".a", ".a_flip")],
)
def test_copies_have_names_of_their_own_and_know_their_original(name: str, called: str) -> None:
    copy = variant(replace(IMAGE, name=name), "_flip")
    assert (copy.name, copy.copy_of) == (called, name)
    assert variant(copy, "_x").copy_of == name
