"""What changed between two versions, whatever formats they are in. Real versions in a real catalog."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import orjson
import pytest

from recipes.__main__ import main
from recipes.catalog.catalog import Catalog
from recipes.catalog.comparing import BoxTotals, Comparison, ImageChanges, SplitMove, compare_versions
from recipes.effort import Effort

Draw = Callable[..., None]
Images = Mapping[str, tuple[int, Sequence[tuple[str, float, float, float, float]]]]
"""Name: shade, boxes."""

COD, EEL = ("cod", 4, 5, 20, 10), ("eel", 30, 20, 16.5, 12)
POND: Images = {"a.png": (1, [COD, EEL]), "b.png": (2, [COD]), "c.png": (3, [])}


@pytest.fixture
def add(tmp_path: Path, draw: Draw) -> Callable[..., str]:
    """Adds one more version of fish, as COCO with these splits."""
    numbers = iter(range(1, 100))

    def added(**splits: Images) -> str:
        folder = tmp_path / f"v{next(numbers)}"
        (folder / "annotations").mkdir(parents=True)
        for split, images in splits.items():
            names = list(dict.fromkeys(label for _, boxes in images.values() for label, *_ in boxes)) or ["cod"]
            records, boxes = [], []
            for number, (name, (shade, held)) in enumerate(images.items(), start=1):
                draw(folder / "images" / name, shade=shade)
                records.append({"id": number, "file_name": name, "width": 64, "height": 48})
                for label, *box in held:
                    number_of_box = len(boxes) + 1
                    boxes.append({"id": number_of_box, "image_id": number, "category_id": names.index(label) + 1, "bbox": box,
                                  "area": box[2] * box[3], "iscrowd": 0})
            document = {"images": records, "annotations": boxes, "categories": [{"id": n, "name": c} for n, c in enumerate(names, 1)]}
            (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(document))
        assert main(["ingest", str(folder), "--catalog", str(tmp_path / "catalog"), "--name", "fish"]) == 0
        return f"fish@{Catalog(tmp_path / 'catalog').numbers('fish')[-1]}"

    return added


@pytest.fixture
def compared(tmp_path: Path) -> Callable[[str, str], Comparison]:
    return lambda old, new: compare_versions(Catalog(tmp_path / "catalog"), old, new, Effort())


def test_two_of_the_same_are_the_same(add: Callable[..., str], compared: Callable[[str, str], Comparison]) -> None:
    found = compared(add(train=POND), add(train=POND))
    assert found.nothing
    assert (found.images, found.boxes) == (ImageChanges(3, 0, 0, 0, 0), BoxTotals(3, 0, 0, 0, 0))


def test_images_are_known_by_what_they_show(add: Callable[..., str], compared: Callable[[str, str], Comparison]) -> None:
    new: Images = {"renamed.png": (1, [COD, EEL]), "b.png": (9, [COD]), "d.png": (4, [EEL, EEL])}
    found = compared(add(train=POND), add(train=new))
    assert found.images == ImageChanges(same=0, renamed=1, changed=1, removed=1, added=1)
    assert found.boxes == BoxTotals(same=3, moved=0, relabelled=0, removed=0, added=2)
    assert found.cases == {"other pixels": ("b.png",), "image removed": ("c.png",), "image added": ("d.png",)}
    assert not found.nothing


def test_boxes_that_moved_came_and_went_are_named(add: Callable[..., str], compared: Callable[[str, str], Comparison]) -> None:
    new = {**POND, "a.png": (1, [("cod", 5, 5, 20, 10)]), "c.png": (3, [EEL])}
    found = compared(add(train=POND), add(train=new))
    assert found.boxes == BoxTotals(same=1, moved=1, relabelled=0, removed=1, added=1)
    assert found.cases["box moved"] == ("a.png: cod 4,5 20×10 → cod 5,5 20×10",)
    assert found.cases["box removed"] == ("a.png: eel 30,20 16.5×12",)
    assert found.cases["box added"] == ("c.png: eel 30,20 16.5×12",)


def test_a_class_that_only_changed_its_name_is_told_from_one_that_is_new(
    add: Callable[..., str], compared: Callable[[str, str], Comparison]
) -> None:
    new: Images = {"a.png": (1, [("Cod", *COD[1:]), EEL]), "b.png": (2, [("Cod", *COD[1:]), ("ray", 40, 5, 10, 8)]), "c.png": (3, [])}
    found = compared(add(train=POND), add(train=new))
    assert (found.classes.renamed, found.classes.added, found.classes.removed) == ({"cod": "Cod"}, ("ray",), ())
    assert (found.boxes.same, found.boxes.relabelled, found.boxes.added) == (3, 0, 1)
    assert found.classes.boxes == {"cod": (2, 0), "eel": (1, 1), "Cod": (0, 2), "ray": (0, 1)}


def test_one_box_with_another_class_is_named(add: Callable[..., str], compared: Callable[[str, str], Comparison]) -> None:
    found = compared(add(train=POND), add(train={**POND, "b.png": (2, [("eel", *COD[1:])])}))
    assert (found.boxes.relabelled, found.classes.renamed) == (1, {})
    assert found.cases == {"box relabelled": ("b.png: cod 4,5 20×10 → eel 4,5 20×10",)}


def test_images_that_went_to_another_split_are_counted(add: Callable[..., str], compared: Callable[[str, str], Comparison]) -> None:
    first, second = dict(list(POND.items())[:2]), dict(list(POND.items())[2:])
    found = compared(add(train=POND), add(train=first, val=second))
    assert found.moves == (SplitMove("train", "val", 1),)
    assert found.cases == {"other split": ("c.png: train → val",)}
    assert found.boxes.same == 3


def test_equal_images_in_one_version_are_paired_once_each(add: Callable[..., str], compared: Callable[[str, str], Comparison]) -> None:
    old: Images = {"a.png": (1, [COD]), "twin.png": (1, [EEL])}
    found = compared(add(train=old), add(train={"twin.png": (1, [EEL]), "z.png": (1, [COD])}))
    assert (found.images, found.boxes.same) == (ImageChanges(1, 1, 0, 0, 0), 2)


def test_a_conversion_is_compared_with_what_it_was_made_from(
    tmp_path: Path, video: Path, compared: Callable[[str, str], Comparison]
) -> None:
    catalog = ["--catalog", str(tmp_path / "catalog")]
    assert main(["ingest", str(video), "--name", "fish", *catalog]) == 0
    assert main(["convert", "fish@1", "vatic-to-coco", *catalog]) == 0
    found = compared("fish@1", "fish@2")
    old, new = (Catalog(tmp_path / "catalog").get(f"fish@{number}").summary for number in (1, 2))
    assert found.images.added == found.images.changed == found.boxes.added == found.boxes.moved == found.boxes.relabelled == 0
    assert found.images.same + found.images.renamed == new.images == old.images - found.images.removed
    assert found.boxes.same == new.boxes == old.boxes - found.boxes.removed
    assert {move.old for move in found.moves} == {None}
    assert sum(move.images for move in found.moves) == new.images


@pytest.mark.parametrize("format_name", ["tfrecord", "via", "yolo"])
def test_a_format_changes_nothing_even_where_one_file_holds_all_images(
    add: Callable[..., str], compared: Callable[[str, str], Comparison], tmp_path: Path, format_name: str
) -> None:
    old = add(train=POND)
    assert main(["convert", old, f"coco:{format_name}", "--catalog", str(tmp_path / "catalog")]) == 0
    found = compared(old, "fish@2")
    assert found.nothing, found.lines()
    assert (found.images.same + found.images.renamed, found.boxes.same) == (3, 3)


def test_what_a_format_rounds_is_seen(add: Callable[..., str], compared: Callable[[str, str], Comparison], tmp_path: Path) -> None:
    old = add(train=POND)
    assert main(["convert", old, "coco:voc", "--catalog", str(tmp_path / "catalog")]) == 0
    assert compared(old, "fish@2").cases == {"box moved": ("a.png: eel 30,20 16.5×12 → eel 30,20 17×12",)}


def test_it_can_be_told_to_programs_and_people(add: Callable[..., str], compared: Callable[[str, str], Comparison]) -> None:
    found = compared(add(train=POND), add(train={**POND, "b.png": (2, [])}))
    assert orjson.loads(orjson.dumps(found.as_json()))["boxes"]["removed"] == 1
    assert "boxes: 0 added, 1 removed, 0 moved, 0 with another class, 2 the same" in found.lines()
    assert "box removed: b.png: cod 4,5 20×10" in found.lines()
