from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from recipes.dataset import Annotation, Dataset, Flag, ImageRecord, Polygons, RunLengths
from recipes.effort import ALONE
from recipes.errors import RecipeError
from recipes.ledger import Ledger
from recipes.transforms import transforms

DatasetOf = Callable[..., Dataset]


@pytest.fixture
def applied(dataset_of: DatasetOf) -> Callable[..., tuple[list[Annotation], dict[str, int], Dataset]]:
    """Applies a transform to one image of 64 x 48 with the given boxes: what is left, why the others went, the dataset."""

    def apply(name: str, boxes: list[Annotation], **parameters: Any) -> tuple[list[Annotation], dict[str, int], Dataset]:
        transform, ledger = transforms()[name], Ledger()
        source = dataset_of([ImageRecord("a.jpg", None, 64, 48, tuple(boxes), source_file="a.txt")])
        result = transform.apply(source, transform.parameters(**parameters), ALONE)
        (image,) = result.stream(ledger)
        return list(image.annotations), {entry.reason: entry.count for entry in ledger.left_out}, result

    return apply


def box(x: float, y: float, w: float, h: float, label: str = "fish", **more: Any) -> Annotation:
    return Annotation(label, x, y, w, h, **more)


def test_drop_flagged_names_the_first_flag_that_counts(applied: Callable[..., Any]) -> None:
    boxes = [box(0, 0, 9, 9, flags=frozenset(flags)) for flags in ([], [Flag.LOST, Flag.OCCLUDED], [Flag.OCCLUDED], [Flag.DIFFICULT])]
    left, reasons, _ = applied("drop_flagged", boxes, flags=["lost", "occluded"])
    assert left == [boxes[0], boxes[3]]
    assert reasons == {"lost": 1, "occluded": 1}


def test_drop_tiny_by_side_and_area(applied: Callable[..., Any]) -> None:
    boxes = [box(0, 0, 1.5, 20), box(0, 0, 2, 2), box(0, 0, 5, 5)]
    left, reasons, _ = applied("drop_tiny", boxes, min_area=10)
    assert left == [boxes[2]]
    assert reasons == {"side under 2 px": 1, "area under 10 px²": 1}


def test_clip_cuts_at_the_border_and_drops_what_is_outside(applied: Callable[..., Any]) -> None:
    inside, whole = box(3, 4, 5, 6), box(0, 0, 64, 48)
    left, reasons, _ = applied("clip", [inside, whole, box(-5, -5, 20, 20), box(60, 40, 10, 10), box(64, 0, 5, 5), box(5, -9, 5, 9)])
    assert left == [inside, whole, box(0, 0, 15, 15), box(60, 40, 4, 8)]
    assert reasons == {"outside the image": 2}


def test_clip_can_ask_for_a_share_inside(applied: Callable[..., Any]) -> None:
    _, reasons, _ = applied("clip", [box(-10, 0, 20, 10), box(-11, 0, 20, 10)], min_visible=0.5)
    assert reasons == {"less than 50% inside the image": 1}


def test_clip_moves_masks_with_boxes(applied: Callable[..., Any]) -> None:
    square = Polygons(((-10, 0, 10, 0, 10, 10, -10, 10), (-9, 1, -5, 1, -5, 5)))
    runs = RunLengths(48, 64, (0, 9, 48 * 64 - 9))
    nothing = RunLengths(48, 64, (48 * 64,))
    left, reasons, _ = applied(
        "clip",
        [
            box(-10, 0, 20, 10, mask=square, mask_area=208),
            box(-10, 0, 20, 10, mask=runs, mask_area=9),
            box(-10, 0, 20, 10, mask=Polygons(((-9, 1, -5, 1, -5, 5),))),
            box(-10, 0, 20, 10, mask=nothing),
        ],
    )
    assert reasons == {"outside the image": 2}
    assert isinstance(left[0].mask, Polygons)
    assert len(left[0].mask.parts) == 1
    assert {tuple(left[0].mask.parts[0][i : i + 2]) for i in range(0, 8, 2)} == {(0, 0), (10, 0), (10, 10), (0, 10)}
    assert left[0].area == 100
    assert (left[1].mask, left[1].area) == (runs, 9)


def test_clip_passes_on_what_is_no_box_for_the_checks_to_name(applied: Callable[..., Any]) -> None:
    broken = [box(float("nan"), 0, 5, 5), box(20, 0, -5, 5), box(70, 0, 5, float("inf"))]
    left, reasons, _ = applied("clip", [*broken, box(5, 5, 0, 3)])
    assert all(one is other for one, other in zip(left, broken, strict=True))
    assert reasons == {"no area": 1}


def test_drop_border_by_touch_crossing_and_margin(applied: Callable[..., Any]) -> None:
    boxes = [box(0, 5, 9, 9), box(5, 5, 59, 9), box(3, 3, 9, 9), box(-1, 5, 9, 9), box(1, 39.5, 5, 9)]
    left, reasons, _ = applied("drop_border", boxes)
    assert left == [boxes[2]]
    assert reasons == {"at the image border": 4}
    assert applied("drop_border", boxes, touching=False)[0] == boxes[:3]
    assert applied("drop_border", boxes, margin=3)[0] == []
    assert applied("drop_border", boxes, margin=2.5)[0] == [boxes[2]]


def test_classes_renames_merges_keeps_and_drops(applied: Callable[..., Any]) -> None:
    boxes = [box(0, 0, 9, 9), box(0, 0, 9, 9, "shark")]
    left, _, dataset = applied("classes", boxes, map={"shark": "fish"})
    assert [a.label for a in left] == ["fish", "fish"]
    assert dataset.classes == ("fish",)
    left, reasons, dataset = applied("classes", boxes, keep=["shark"])
    assert (left, reasons, dataset.classes) == ([boxes[1]], {"class fish": 1}, ("shark",))
    left, reasons, dataset = applied("classes", boxes, map={"fish": "cod"}, drop=["shark"])
    assert ([a.label for a in left], reasons, dataset.classes) == (["cod"], {"class shark": 1}, ("cod",))


@pytest.mark.parametrize("parameters", [{"keep": ["fsh"]}, {"drop": ["fsh"]}, {"map": {"fsh": "x"}}])
def test_classes_refuses_names_that_do_not_exist(applied: Callable[..., Any], parameters: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match=r"no class 'fsh'. Did you mean 'fish'\?"):
        applied("classes", [], **parameters)
