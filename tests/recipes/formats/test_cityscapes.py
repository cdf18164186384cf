from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask

from recipes.cityscapes.instances import instances
from recipes.cityscapes.labels import IDS, label_called
from recipes.dataset import Annotation, Dataset, Flag, ImageRecord, Polygons, RunLengths
from recipes.effort import Effort
from recipes.errors import DatasetError
from recipes.folder import scan
from recipes.formats.cityscapes import CityscapesOptions, read, sniff
from recipes.ledger import Ledger

SAMPLES = Path(__file__).parents[4] / "shared" / "samples" / "cityscapes"
VISIBLE = CityscapesOptions(masks="visible")
OBJECTS = [
    {"label": "road", "polygon": [[0, 20], [63, 20], [63, 47], [0, 47]]},
    {"label": "car", "polygon": [[-5, 5], [20, 5], [20, 15], [-5, 15]]},
    {"label": "car", "polygon": [[30, 30], [31, 30], [31, 31], [30, 31]]},
    {"label": "person", "polygon": [[15, 0], [24, 0], [24, 19], [15, 19]]},
    {"label": "cargroup", "polygon": [[28, 28], [40, 28], [40, 40], [28, 40]]},
    {"label": "license plate", "polygon": [[1, 12], [3, 12], [3, 13]]},
    {"label": "bus", "polygon": [[0, 0], [9, 0], [9, 9]], "deleted": 1},
    {"label": "trailer", "polygon": [[50, 40], [60, 40], [60, 46], [50, 46]]},
]
Draw = Callable[..., None]


def write_polygons(
    root: Path, draw: Draw, objects: list[Any], *, base: str = "bern/bern_000001_000019", split: str = "train", **changes: Any
) -> Path:
    content = {"imgHeight": 48, "imgWidth": 64, "objects": objects} | changes
    path = root / f"gtFine/{split}/{base}_gtFine_polygons.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    draw(root / f"leftImg8bit/{split}/{base}_leftImg8bit.png", shade=len(base))
    return path


@pytest.fixture
def city(tmp_path: Path, draw: Draw) -> Path:
    write_polygons(tmp_path / "city", draw, OBJECTS)
    return tmp_path / "city"


def read_folder(root: Path, options: CityscapesOptions | None = None, *, processes: int = 1) -> tuple[Dataset, list[ImageRecord], Ledger]:
    ledger = Ledger()
    dataset = read(scan(root), options or CityscapesOptions(), Effort(processes))
    return dataset, list(dataset.stream(ledger)), ledger


def defects_of(root: Path, options: CityscapesOptions | None = None) -> str:
    with pytest.raises(DatasetError) as caught:
        read_folder(root, options)
    return str(caught.value)


def pixels_of(annotation: Annotation) -> np.ndarray[Any, Any]:
    assert isinstance(annotation.mask, RunLengths)
    runs = list(annotation.mask.counts)
    return np.repeat(np.arange(len(runs)) % 2, runs).reshape(annotation.mask.width, annotation.mask.height).T


def test_outlines_are_kept_as_drawn(city: Path) -> None:
    dataset, (image,), ledger = read_folder(city)
    assert dataset.classes == ("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")
    assert dataset.splits == ("train",)
    assert (image.name, image.split, image.width, image.height) == ("bern/bern_000001_000019_leftImg8bit.png", "train", 64, 48)
    assert [(a.label, a.x, a.y, a.w, a.h) for a in image.annotations] == [
        ("car", -5, 5, 25, 10),
        ("car", 30, 30, 1, 1),
        ("person", 15, 0, 9, 19),
        ("car", 28, 28, 12, 12),
    ]
    assert image.annotations[0].mask == Polygons(((-5, 5, 20, 5, 20, 15, -5, 15),))
    assert image.annotations[0].area == 250
    assert [a.flags for a in image.annotations] == [frozenset()] * 3 + [frozenset({Flag.CROWD})]
    assert [(entry.reason, entry.count) for entry in ledger.left_out] == [
        ("deleted object", 1),
        ("class that Cityscapes does not evaluate", 1),
    ]
    case = "gtFine/train/bern/bern_000001_000019_gtFine_polygons.json, annotation 6 of bern/bern_000001_000019_leftImg8bit.png"
    assert ledger.left_out[0].cases == (case,)
    assert sniff(scan(city)).confidence == 0.95


def test_what_is_to_be_seen_is_painted_as_cityscapes_paints(city: Path) -> None:
    dataset, (image,), ledger = read_folder(city, VISIBLE)
    assert [(a.label, a.origin, a.x, a.y, a.w, a.h, a.area) for a in image.annotations] == [
        ("car", 26, 28, 28, 13, 13, 169),
        ("person", 24000, 15, 0, 10, 20, 200),
        ("car", 26000, 0, 5, 15, 11, 165),
    ]
    assert image.annotations[0].flags == {Flag.CROWD}
    assert dataset.notes == ("1 images of instances are not here: they were painted from the polygons.",)
    assert [(entry.reason, entry.count) for entry in ledger.left_out] == [("class that Cityscapes does not evaluate", 1)]
    pixels = pixels_of(image.annotations[2])
    assert pixels[5:16, 0:15].all()
    assert pixels.sum() == 165


def test_a_number_that_is_missing_is_an_object_that_is_wholly_hidden(city: Path) -> None:
    ids = np.zeros((48, 64), np.uint16)
    ids[3:9, 4:6] = 26001
    ids[3:9, 60:] = 33002
    save_ids(city, ids)
    dataset, (image,), _ = read_folder(city, VISIBLE)
    assert [(a.label, a.x, a.y, a.w, a.h) for a in image.annotations] == [("car", 4, 3, 2, 6), ("bicycle", 60, 3, 4, 6)]
    assert dataset.notes == ("3 objects are wholly hidden by others (their numbers are missing among the instances).",)


def save_ids(root: Path, ids: np.ndarray[Any, Any], base: str = "train/bern/bern_000001_000019") -> Path:
    path = root / f"gtFine/{base}_gtFine_instanceIds.png"
    Image.fromarray(ids).save(path)
    return path


@pytest.mark.parametrize("seed", range(8))
def test_masks_agree_with_pycocotools(seed: int) -> None:
    random = np.random.default_rng(seed)
    ids = np.zeros((37, 53), np.int32)
    for number in (26, 24000, 26000, 26001, 33000):
        x, y, w, h = random.integers(0, [53, 37, 53, 37])
        ids[y : y + h, x : x + w] = number * (random.random((*ids[y : y + h, x : x + w].shape,)) < random.choice([0.5, 1]))
    found = {instance.id: instance for instance in instances(ids, "x")}
    assert list(found) == sorted(set(ids[ids > 0].tolist()))
    for number, instance in found.items():
        official = coco_mask.encode(np.asfortranarray(ids == number))
        ours = coco_mask.frPyObjects({"size": [37, 53], "counts": list(instance.mask.counts)}, 37, 53)
        assert ours == official
        assert instance.box == tuple(coco_mask.toBbox(official).astype(int))
        assert instance.area == coco_mask.area(official)


def test_dummies_of_the_test_split_are_left_out(city: Path, draw: Draw) -> None:
    dummy = [{"label": "out of roi", "polygon": [[0, 0], [63, 0], [63, 47]]}]
    write_polygons(city, draw, dummy, base="berlin/berlin_000000_000019", split="test")
    write_polygons(city, draw, dummy, base="bonn/bonn_000000_000019", split="val")
    for options in (CityscapesOptions(), VISIBLE):
        dataset, images, ledger = read_folder(city, options)
        assert dataset.splits == ("train", "val")
        assert [(image.split, bool(image.annotations)) for image in images] == [("train", True), ("val", False)]
        assert "image of the test split, whose annotations are withheld" in {entry.reason for entry in ledger.left_out}


def test_every_defect_is_named(city: Path, draw: Draw) -> None:
    square = [[0, 0], [1, 0], [1, 1]]
    objects = [
        {"polygon": square},
        {"label": "unicorn", "polygon": square},
        {"label": "unicorngroup", "polygon": square},
        {"label": "car", "polygon": [[0, 0], [1]]},
        {"label": "car", "polygon": [[0, 0], [1, "x"], [3, 4]]},
        {"label": "car", "polygon": [[0, 0], [1, 1e12], [3, 4]]},
        {"label": "car", "polygon": [[0, 0], [1, 1]]},
        "car",
    ]
    write_polygons(city, draw, objects)
    write_polygons(city, draw, [], base="a/a_000000_000000", imgHeight=64, imgWidth=48)
    write_polygons(city, draw, [], base="b/b_000000_000000", imgHeight="48")
    (city / "leftImg8bit/train/a/a_000000_000000_leftImg8bit.png").rename(city / "gtFine/train/a/a_000000_000000_leftImg8bit.png")
    write_polygons(city, draw, [], base="c/c_000000_000000")
    (city / "leftImg8bit/train/c/c_000000_000000_leftImg8bit.png").unlink()
    write_polygons(city, draw, [], base="d/d_000000_000000").write_text("{")
    write_polygons(city, draw, [], base="e/e_000000_000000").write_text("[]")
    text = defects_of(city)
    home = "gtFine/train/bern/bern_000001_000019_gtFine_polygons.json, "
    for place, says in enumerate(
        [
            "The object has no label.",
            "Cityscapes has no label 'unicorn'.",
            "Cityscapes has no label 'unicorngroup'.",
            "The polygon must be a list of points [x, y].",
            "The polygon has a point that is no pair of numbers, or lies far away.",
            "The polygon has a point that is no pair of numbers, or lies far away.",
            "The polygon has 2 points; three are the least.",
            "The object has no label.",
        ]
    ):
        assert f"{home}objects[{place}]: {says}" in text
    assert "The annotation says 48 x 64 pixels, the image has 64 x 48 (width and height are swapped)." in text
    assert "gtFine/train/b/b_000000_000000_gtFine_polygons.json: imgWidth and imgHeight must be the image's size." in text
    assert "c_000000_000000_gtFine_polygons.json: The image c/c_000000_000000_leftImg8bit.png is not here: send leftImg8bit, too." in text
    assert "gtFine/train/d/d_000000_000000_gtFine_polygons.json, line 1: This is not JSON" in text
    assert "gtFine/train/e/e_000000_000000_gtFine_polygons.json: The file has no list of objects." in text


def test_images_of_instances_that_are_none_are_named(city: Path, tmp_path: Path) -> None:
    path = save_ids(city, np.zeros((48, 64), np.uint8))
    assert "is of kind L instead of 16 bits a pixel" in defects_of(city, VISIBLE)
    save_ids(city, np.full((48, 64), 99, np.uint16))
    assert "bern_000001_000019_gtFine_instanceIds.png: The id 99 is none of Cityscapes'." in defects_of(city, VISIBLE)
    save_ids(city, np.zeros((64, 48), np.uint16))
    assert "says 48 x 64 pixels, the image has 64 x 48 (width and height are swapped)." in defects_of(city, VISIBLE)
    save_ids(city, np.zeros((4000, 4000), np.uint16))
    assert "4,000 x 4,000 pixels is refused" in defects_of(city, CityscapesOptions(masks="visible", images="absent"))
    save_ids(city, np.zeros((48, 64), np.uint16))
    path.write_bytes(path.read_bytes()[:60])
    assert "This is not a readable image." in defects_of(city, VISIBLE)


def test_annotations_alone_are_read_where_asked_for(city: Path) -> None:
    shutil.rmtree(city / "leftImg8bit")
    (image,) = read_folder(city, CityscapesOptions(images="absent"))[1]
    assert (image.name, image.path, image.width) == ("bern/bern_000001_000019_leftImg8bit.png", None, 64)
    assert "is not here: send leftImg8bit, too." in defects_of(city)


def test_images_in_an_archive_of_their_own_are_found(city: Path) -> None:
    for name in ("gtFine", "leftImg8bit"):
        (city / f"{name}_trainvaltest").mkdir()
        (city / name).rename(city / f"{name}_trainvaltest" / name)
    assert read_folder(city)[1][0].name == "bern/bern_000001_000019_leftImg8bit.png"


@pytest.mark.parametrize("options", [CityscapesOptions(), VISIBLE], ids=str)
def test_the_result_does_not_depend_on_the_number_of_processes(city: Path, draw: Draw, options: CityscapesOptions) -> None:
    for number in range(20):
        write_polygons(city, draw, OBJECTS, base=f"bern/bern_{number:06}_000019")
    one, two = read_folder(city, options), read_folder(city, options, processes=2)
    assert one[0].chunks > 1
    assert one[1] == two[1]
    assert one[2].left_out == two[2].left_out


def test_labels() -> None:
    assert len(IDS) == 35
    assert label_called("persongroup") is not None
    assert label_called("polegroup").group is False  # type: ignore[union-attr]
    assert label_called("") is None
    assert label_called("group") is None


def test_agrees_with_cityscapes_own_program(city: Path, draw: Draw) -> None:
    official = pytest.importorskip("cityscapesscripts.preparation.json2instanceImg", reason="Cityscapes' own program is not installed")
    from cityscapesscripts.helpers.annotation import Annotation as OfficialAnnotation
    from cityscapesscripts.helpers.labels import name2label

    assert {name: name2label[name].id for name in IDS} == IDS
    random = np.random.default_rng(5)
    names = [*IDS, "cargroup", "persongroup", "bicyclegroup"]
    objects = [
        {"label": str(random.choice(names)), "polygon": random.integers(-20, 80, (random.integers(3, 9), 2)).tolist()} for _ in range(300)
    ]
    objects += [{**entry, "deleted": 1} for entry in objects[:20]]
    path = write_polygons(city, draw, objects)
    annotation = OfficialAnnotation()
    annotation.fromJsonFile(str(path))
    ids = np.asarray(official.createInstanceImage(annotation, "ids"))
    (image,) = read_folder(city, VISIBLE)[1]
    evaluated = {label.id for label in name2label.values() if label.hasInstances and not label.ignoreInEval}
    seen = [int(number) for number in np.unique(ids) if (number if number < 1000 else number // 1000) in evaluated]
    assert [a.origin for a in image.annotations] == seen
    for annotation_ in image.annotations:
        assert (pixels_of(annotation_) == (ids == annotation_.origin)).all()


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not at hand")
def test_real_sample_painted_and_read_alike(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES, tmp_path / "city")
    (image,) = read_folder(tmp_path / "city")[1]
    assert [a.label for a in image.annotations] == ["car", "car", "car", "person", "rider", "bicycle"]
    assert [a.label for a in image.annotations if a.flags] == ["car"]
    (seen,) = read_folder(tmp_path / "city", VISIBLE)[1]
    (tmp_path / "city/gtFine/train/bochum/bochum_000000_000313_gtFine_instanceIds.png").unlink()
    (painted,) = read_folder(tmp_path / "city", VISIBLE)[1]
    assert seen.annotations == painted.annotations
    assert [(a.label, a.origin) for a in seen.annotations] == [
        ("car", 26),
        ("person", 24000),
        ("rider", 25000),
        ("car", 26000),
        ("car", 26001),
        ("bicycle", 33000),
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes_make_a_dataset_or_a_named_error(city: Path, data: st.DataObject) -> None:
    path = save_ids(city, np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) // 1000 + 24)
    options = data.draw(st.sampled_from([CityscapesOptions(), VISIBLE]))
    mutated = data.draw(st.sampled_from([path, path.with_name(path.name.replace("instanceIds.png", "polygons.json"))]))
    if mutated != path:
        path.unlink()
        mutated.write_text(json.dumps({"imgHeight": 48, "imgWidth": 64, "objects": OBJECTS}))
    content = bytearray(mutated.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content)))
        piece = st.binary(max_size=6) | st.sampled_from([b"", b"9", b"-1", b"null", b"[]", b"1e9"])
        content[place : place + data.draw(st.integers(0, 6))] = data.draw(piece)
    mutated.write_bytes(content)
    try:
        read_folder(city, options)
    except DatasetError as error:
        assert "bern" in str(error)
