from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipes.dataset import Annotation, Dataset, Flag, ImageRecord, Polygons, RunLengths
from recipes.effort import ALONE, Effort
from recipes.errors import RecipeError
from recipes.ledger import Ledger
from recipes.pictures.pixels import Crop, Flip, Mark, Paint, Resize, Shift
from recipes.transforms import transforms
from recipes.transforms.tile import starts

Applied = Callable[..., tuple[list[ImageRecord], dict[str, int]]]


@pytest.fixture
def applied(dataset_of: Callable[..., Dataset]) -> Applied:
    """Applies a transform to images: what comes out, the same from two processes, and why boxes went."""

    def apply(name: str, *images: ImageRecord, **parameters: Any) -> tuple[list[ImageRecord], dict[str, int]]:
        transform, ledger = transforms()[name], Ledger()
        dataset, given = dataset_of(images), transform.parameters(**parameters)
        result = transform.apply(dataset, given, ALONE)
        out = list(result.stream(ledger))
        assert list(transform.apply(dataset, given, Effort(processes=2)).stream(Ledger())) == out
        assert len(out) <= result.total
        assert len({image.name for image in out}) == len(out)
        return out, {entry.reason: entry.count for entry in ledger.left_out}

    return apply


def image(name: str, *boxes: tuple[float, float, float, float], width: int = 640, height: int = 480, **more: Any) -> ImageRecord:
    return ImageRecord(name, None, width, height, tuple(Annotation("fish", *box) for box in boxes), source_file="a.txt", **more)


def places(record: ImageRecord) -> list[tuple[float, float, float, float]]:
    return [(box.x, box.y, box.w, box.h) for box in record.annotations]


def test_shift_by_given_offsets(applied: Applied) -> None:
    out, reasons = applied("shift", image("a.jpg", (10, 20, 30, 40), (630, 0, 10, 10)), offsets=[(16, -32), (-640, 0)])
    assert [record.name for record in out] == ["a.jpg", "a_shift1.jpg", "a_shift2.jpg"]
    assert [record.copy_of for record in out] == [None, "a.jpg", "a.jpg"]
    assert out[1].edits == (Shift(16, -32),)
    assert places(out[0]) == [(10, 20, 30, 40), (630, 0, 10, 10)]
    assert places(out[1]) == [(26, 0, 30, 28)], "cut at the border"
    assert places(out[2]) == []
    assert reasons == {"outside the image": 3}


def test_shift_may_drop_what_touches_or_ask_for_a_share(applied: Applied) -> None:
    source = image("a.jpg", (10, 20, 30, 40), (100, 100, 9, 9))
    out, reasons = applied("shift", source, offsets=[(-10, 0)], border="drop", keep_original=False)
    assert [places(record) for record in out] == [[(90, 100, 9, 9)]]
    assert reasons == {"at the image border after the shift": 1}
    _, reasons = applied("shift", source, offsets=[(0, -50)], min_visible=0.3)
    assert reasons == {"less than 30% inside the image": 1}


def test_drawn_offsets_are_multiples_all_different_and_repeatable(applied: Applied) -> None:
    sources = [image(f"{number}.jpg") for number in range(20)]
    out, _ = applied("shift", *sources, copies=8, max_dx=32, max_dy=16, seed=3)
    drawn: dict[str, list[tuple[int, int]]] = {}
    for record in out:
        if record.copy_of:
            (edit,) = record.edits
            assert isinstance(edit, Shift)
            drawn.setdefault(record.copy_of, []).append((edit.dx, edit.dy))
    assert len(drawn) == 20
    for offsets in drawn.values():
        assert len(set(offsets)) == 8
        assert (0, 0) not in offsets
        assert all(abs(dx) <= 32 and abs(dy) <= 16 and dx % 16 == dy % 16 == 0 for dx, dy in offsets)
    assert len({tuple(offsets) for offsets in drawn.values()}) > 10, "each image has its own"
    assert applied("shift", *sources, copies=8, max_dx=32, max_dy=16, seed=3)[0] == out
    assert applied("shift", *sources, copies=8, max_dx=32, max_dy=16, seed=4)[0] != out
    assert set(applied("shift", *sources[::-1], copies=8, max_dx=32, max_dy=16, seed=3)[0]) == set(out)
    everywhere, _ = applied("shift", image("a.jpg"), copies=14, max_dx=32, max_dy=16)
    assert {(edit.dx, edit.dy) for record in everywhere for edit in record.edits if isinstance(edit, Shift)} == {
        (dx, dy) for dx in range(-32, 33, 16) for dy in range(-16, 17, 16)
    } - {(0, 0)}


def test_shift_as_the_reference_pipeline_does(applied: Applied) -> None:
    """Numbers by hand from its rules: int(), no original, boxes that touch dropped, empty images kept, offsets shared by all images."""
    sources = [image("v/1.jpg", (100.9, 100.2, 40.3, 40)), image("v/2.jpg", (1, 100, 40, 40)), image("v/b.c.jpg")]
    out, reasons = applied("shift", *sources, semantics="reference", copies=3, max_dx=7, max_dy=0, seed=1)
    assert [record.name for record in out] == [f"v/{i:04d}_{j:03d}.jpg" for i in range(3) for j in range(3)]
    assert [record.copy_of for record in out] == ["v/1.jpg"] * 3 + ["v/2.jpg"] * 3 + ["v/b.c.jpg"] * 3
    offsets = [[edit.dx if isinstance(edit, Shift) else None for edit in record.edits] for record in out]
    assert offsets[:3] == offsets[3:6] == offsets[6:]
    moves = [offset[0] if offset else 0 for offset in offsets[:3]]
    assert [places(record) for record in out[:3]] == [[(100 + (dx or 0), 100, 41, 40)] for dx in moves]
    assert sum(reasons.values()) == sum(1 + (dx or 0) <= 0 for dx in moves)
    assert all(record.annotations == () for record in out[6:])


def test_shift_of_one_split_only(applied: Applied) -> None:
    sources = image("a.jpg", split="train"), image("b.jpg", split="val")
    out, _ = applied("shift", *sources, splits=["train"], copies=2, keep_original=False)
    assert [record.name for record in out] == ["a_shift1.jpg", "a_shift2.jpg", "b.jpg"]
    with pytest.raises(RecipeError, match=r"no split 'tran'.* There are: train, val"):
        applied("shift", *sources, splits=["tran"])


def test_flip_moves_all_that_there_is(applied: Applied) -> None:
    mask = RunLengths(2, 4, (0, 3, 5))
    boxes = (Annotation("fish", 0, 0, 2, 2, mask=mask, mask_area=3), Annotation("fish", 0.5, 0, 1, 1, mask=Polygons(((0, 0, 1, 0, 1, 1),))))
    out, _ = applied("flip", ImageRecord("a.jpg", None, 4, 2, boxes, video="v", frame=3))
    assert [(record.name, record.copy_of, record.frame) for record in out] == [("a.jpg", None, 3), ("a_flip.jpg", "a.jpg", 3)]
    flipped = out[1].annotations
    assert places(out[1]) == [(2, 0, 2, 2), (2.5, 0, 1, 1)]
    assert flipped[0].mask == RunLengths(2, 4, (4, 1, 1, 2))
    assert flipped[1].mask == Polygons(((4, 0, 3, 0, 3, 1),))
    (in_place,), _ = applied("flip", image("a.jpg", (0, 0, 10, 10)), axis="vertical", keep_original=False)
    assert (in_place.name, in_place.copy_of, in_place.edits) == ("a.jpg", None, (Flip("vertical"),))
    assert places(in_place) == [(0, 470, 10, 10)]
    (twice,), _ = applied("flip", in_place, axis="vertical", keep_original=False)
    assert places(twice) == [(0, 0, 10, 10)]


@pytest.mark.parametrize(
    ("parameters", "size", "box", "edits"),
    [
        ({"width": 320, "height": 320, "fit": "stretch"}, (320, 320), (5, 20 / 3, 10, 20), (Resize(320, 320),)),
        ({"width": 320, "height": 320}, (320, 240), (5, 5, 10, 15), (Resize(320, 240),)),
        ({"longest": 320}, (320, 240), (5, 5, 10, 15), (Resize(320, 240),)),
        (
            {"width": 320, "height": 320, "fit": "pad", "fill": (9, 9, 9)},
            (320, 320),
            (5, 45, 10, 15),
            (Resize(320, 240), Crop(0, -40, 320, 320, (9, 9, 9))),
        ),
        ({"longest": 1280}, (640, 480), (10, 10, 20, 30), ()),
        ({"longest": 1280, "enlarge": True}, (1280, 960), (20, 20, 40, 60), (Resize(1280, 960),)),
        ({"longest": 700, "fit": "pad"}, (700, 700), (40, 120, 20, 30), (Crop(-30, -110, 700, 700),)),
        ({"width": 700, "height": 240, "fit": "stretch"}, (640, 240), (10, 5, 20, 15), (Resize(640, 240),)),
    ],
)
def test_resize(
    applied: Applied, parameters: dict[str, Any], size: tuple[int, int], box: tuple[float, ...], edits: tuple[Any, ...]
) -> None:
    (out,), _ = applied("resize", image("a.jpg", (10, 10, 20, 30)), **parameters)
    assert (out.width, out.height) == size
    assert places(out)[0] == pytest.approx(box)
    assert out.edits == edits
    assert out.name == "a.jpg"


def test_tiles_by_hand(applied: Applied) -> None:
    source = image("a.jpg", (90, 10, 20, 20), (0, 0, 5, 5), (150, 30, 60, 30), width=200, height=64)
    out, reasons = applied("tile", source, width=100, height=64, overlap=10)
    assert [record.name for record in out] == ["a_y0_x0.jpg", "a_y0_x90.jpg", "a_y0_x100.jpg"]
    assert [record.edits for record in out] == [(Crop(0, 0, 100, 64),), (Crop(90, 0, 100, 64),), (Crop(100, 0, 100, 64),)]
    assert [places(record) for record in out] == [
        [(90, 10, 10, 20), (0, 0, 5, 5)],
        [(0, 10, 20, 20), (60, 30, 40, 30)],
        [(0, 10, 10, 20), (50, 30, 50, 30)],
    ]
    assert all(record.copy_of == "a.jpg" for record in out)
    assert reasons == {}
    small = image("b.jpg", width=90, height=40)
    assert applied("tile", small, width=100, height=64, overlap=10) == ([small], {})


def test_tiles_without_boxes_may_go_and_boxes_in_no_tile_are_accounted_for(applied: Applied) -> None:
    source = image("a.jpg", (0, 0, 200, 60), (150, 30, 10, 10), width=200, height=64)
    out, reasons = applied("tile", source, width=64, height=64, overlap=0, min_visible=0.5, empty="drop")
    assert [record.name for record in out] == ["a_y0_x128.jpg", "a_y0_x136.jpg"]
    assert reasons == {"tile without a box": 2, "less than 50% inside any tile": 1}


@settings(max_examples=60, deadline=None)
@given(length=st.integers(1, 500), tile=st.integers(16, 200), share=st.floats(0, 0.5))
def test_tiles_cover_every_side_with_their_overlap(length: int, tile: int, share: float) -> None:
    overlap = int(tile * share)
    begins = starts(length, tile, overlap)
    assert begins[0] == 0
    assert begins[-1] == max(0, length - tile)
    assert all(0 < later - begin <= tile - overlap for begin, later in pairwise(begins))


@settings(max_examples=60, deadline=None)
@given(x=st.floats(0, 290), y=st.floats(0, 190), w=st.floats(0.1, 300), h=st.floats(0.1, 200), overlap=st.integers(0, 20))
def test_every_box_is_in_a_tile_and_its_parts_cover_it(x: float, y: float, w: float, h: float, overlap: int) -> None:
    box = (x, y, min(w, 300 - x), min(h, 200 - y))
    transform = transforms()["tile"]
    source = image("a.jpg", box, width=300, height=200)
    dataset = Dataset(("fish",), lambda _, __: iter([source]), 1, 1)
    given = transform.parameters(width=64, height=48, overlap=overlap, min_visible=0)
    pieces = list(transform.apply(dataset, given, ALONE).stream(Ledger()))
    total = 0.0
    for piece in pieces:
        (crop,) = piece.edits
        assert isinstance(crop, Crop)
        for left, top, width, height in places(piece):
            assert left + crop.x >= box[0] - 1e-9
            assert top + crop.y >= box[1] - 1e-9
            assert left + crop.x + width <= box[0] + box[2] + 1e-9
            assert top + crop.y + height <= box[1] + box[3] + 1e-9
            total += width * height
    assert total >= box[2] * box[3] - 1e-6


def test_draw_paints_the_largest_first_in_the_colours_of_the_classes(applied: Applied) -> None:
    lost = replace(image("a.jpg", (1, 1, 5, 5)).annotations[0], flags=frozenset({Flag.LOST}), label="shark")
    outlined = replace(lost, x=3, w=50, flags=frozenset(), mask=Polygons(((3, 1, 9, 1, 9, 6),)))
    broken = replace(lost, x=float("nan"))
    source = replace(image("a.jpg"), annotations=(lost, outlined))
    (out,), _ = applied("draw", source)
    assert out.edits == (
        Paint(
            (
                Mark(3, 1, 53, 6, "shark", "#0072b2", outlines=((3, 1, 9, 1, 9, 6),)),
                Mark(1, 1, 6, 6, "shark", "#0072b2", dashed=True),
            )
        ),
    )
    assert out.annotations == source.annotations
    assert applied("draw", image("b.jpg"))[0][0].edits == ()
    transform = transforms()["draw"]
    nothing = Dataset((), lambda _, __: iter([replace(source, annotations=(broken,))]), 1, 1)
    assert next(transform.apply(nothing, transform.parameters(), ALONE).stream(Ledger())).edits == ()


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("shift", {"max_dx": 10, "max_dy": 10}),
        ("shift", {"copies": 9, "max_dx": 16, "max_dy": 16}),
        ("shift", {"copies": 0}),
        ("shift", {"offsets": [[1]]}),
        ("shift", {"fill": [0, 0, 256]}),
        ("shift", {"semantics": "other"}),
        ("flip", {"axis": "both"}),
        ("resize", {}),
        ("resize", {"width": 5}),
        ("resize", {"width": 5, "height": 5, "longest": 5}),
        ("resize", {"longest": 5, "fit": "stretch"}),
        ("resize", {"width": 65_000, "height": 65_000}),
        ("tile", {"width": 10}),
        ("tile", {"width": 64, "overlap": 33}),
    ],
)
def test_refuses_parameters_that_make_no_sense(name: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        transforms()[name].parameters(**parameters)
