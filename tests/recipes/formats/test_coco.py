from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recipes.dataset import Flag, ImageRecord, Polygons, RunLengths
from recipes.effort import ALONE
from recipes.errors import FormatError
from recipes.folder import scan
from recipes.formats.coco import CocoOptions, read, sniff
from recipes.ledger import Ledger
from recipes.recipe import load_recipe
from recipes.running import run

SAMPLES = Path(__file__).parents[4] / "shared" / "samples" / "coco"


IMAGES = [
    {"id": 7, "width": 64, "height": 48, "file_name": "a b.jpg"},
    {"id": 3, "width": 64, "height": 48, "file_name": "é%20.v1.PNG"},
]
DOG = {
    "id": 90,
    "image_id": 7,
    "category_id": 18,
    "bbox": [0.25, 1.5, 10.125, 7],
    "area": 70.875,
    "iscrowd": 0,
    "difficult": 1,
    "track_id": 4,
}
CROWD = {
    "id": 12,
    "image_id": 7,
    "category_id": 1,
    "bbox": [0, 0, 64, 48],
    "iscrowd": 1,
    "segmentation": {"size": [48, 64], "counts": [0, 3072]},
    "area": 3072,
}
PERSON = {
    "id": 13,
    "image_id": 7,
    "category_id": 1,
    "bbox": [1, 1, 4, 4],
    "segmentation": [[1, 1, 5, 1, 5, 5], [2, 2, 3, 2, 3, 3]],
    "area": 8.5,
    "attributes": {"colour": "red"},
}
CATEGORIES = [{"id": 18, "name": 'dog "x"'}, {"id": 1, "name": "人"}, {"id": 90, "name": "unused"}]


def document(**changes: Any) -> dict[str, Any]:
    base = {"images": IMAGES, "annotations": [DOG, CROWD, PERSON], "categories": CATEGORIES}
    return base | changes


@pytest.fixture
def coco_folder(tmp_path: Path, draw: Callable[..., None]) -> Callable[..., Path]:
    def write(content: object, *, name: str = "annotations/instances_train.json", images: str = "images") -> Path:
        root = tmp_path / "coco"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        for number, file in enumerate(("a b.jpg", "é%20.v1.PNG")):
            draw(root / images / file, shade=number)
        return root

    return write


def records(folder: Path, **options: Any) -> list[ImageRecord]:
    return list(read(scan(folder), CocoOptions(**options), ALONE).stream(Ledger()))


def test_reads_boxes_masks_flags_and_boxless_images(coco_folder: Callable[..., Path]) -> None:
    folder = coco_folder(document())
    assert sniff(scan(folder)).confidence > 0.5
    dataset = read(scan(folder), CocoOptions(), ALONE)
    assert (dataset.classes, dataset.splits, dataset.total) == (('dog "x"', "人", "unused"), ("train",), 2)
    first, second = dataset.stream(Ledger())
    assert (first.name, first.width, first.height, first.split) == ("a b.jpg", 64, 48, "train")
    dog, crowd, person = first.annotations
    assert (dog.label, dog.x, dog.y, dog.w, dog.h, dog.flags, dog.track) == ('dog "x"', 0.25, 1.5, 10.125, 7, {Flag.DIFFICULT}, 4)
    assert (crowd.flags, crowd.mask) == ({Flag.CROWD}, RunLengths(48, 64, (0, 3072)))
    assert person.mask == Polygons(((1, 1, 5, 1, 5, 5), (2, 2, 3, 2, 3, 3)))
    assert (person.area, person.attributes) == (8.5, {"colour": "red"})
    assert second.annotations == ()
    assert str(first.where(crowd)) == "annotations/instances_train.json, annotation 12 of a b.jpg"


def test_a_round_trip_keeps_every_box_to_the_bit_and_links_the_images(coco_folder: Callable[..., Path], tmp_path: Path) -> None:
    source = coco_folder(document())
    recipe = load_recipe("coco:coco")
    summary = run(recipe, source, tmp_path / "one")
    run(recipe, tmp_path / "one", tmp_path / "two")
    assert (summary.images, summary.boxes, summary.boxless_images) == (2, 3, 1)
    one = (tmp_path / "one/annotations/instances_train.json").read_bytes()
    assert one == (tmp_path / "two/annotations/instances_train.json").read_bytes()

    def without_origin(image: ImageRecord) -> list[tuple[object, ...]]:
        return [(a.label, a.x, a.y, a.w, a.h, a.flags, a.track, a.mask, a.area, a.attributes) for a in image.annotations]

    assert list(map(without_origin, records(tmp_path / "two"))) == list(map(without_origin, records(source)))
    for name in ("a b.jpg", "é%20.v1.PNG"):
        assert (source / "images" / name).stat().st_ino == (tmp_path / "two/images" / name).stat().st_ino


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools under NumPy 2
def test_pycocotools_reads_the_same_boxes(coco_folder: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    run(load_recipe("coco:coco"), coco_folder(document()), tmp_path / "out")
    opened = coco.COCO(str(tmp_path / "out/annotations/instances_train.json"))
    names = {category["id"]: category["name"] for category in opened.loadCats(opened.getCatIds())}
    boxes = [(names[a["category_id"]], a["bbox"], a["area"], a["iscrowd"]) for a in opened.loadAnns(opened.getAnnIds(imgIds=[1]))]
    assert boxes == [('dog "x"', [0.25, 1.5, 10.125, 7.0], 70.875, 0), ("人", [0, 0, 64, 48], 3072, 1), ("人", [1, 1, 4, 4], 8.5, 0)]
    assert len(opened.getImgIds()) == 2
    assert opened.annToMask(opened.loadAnns([2])[0]).sum() == 3072


@pytest.mark.parametrize(("difficult", "iscrowd", "ignore"), [("keep", 0, None), ("crowd", 1, None), ("ignore", 0, 1)])
def test_difficult_boxes_become_what_was_asked_for(
    coco_folder: Callable[..., Path], tmp_path: Path, difficult: str, iscrowd: int, ignore: int | None
) -> None:
    source = coco_folder(document(annotations=[PERSON | {"difficult": 1}]))
    run(load_recipe("coco:coco", [f"difficult={difficult}"]), source, tmp_path / "out")
    (entry,) = json.loads((tmp_path / "out/annotations/instances_train.json").read_text())["annotations"]
    assert (entry["iscrowd"], entry.get("ignore"), entry["difficult"]) == (iscrowd, ignore, 1)


@pytest.mark.parametrize(
    ("name", "images", "split"),
    [
        ("annotations/instances_val2017.json", "val2017", "val"),
        ("valid/_annotations.coco.json", "valid", "val"),
        ("test.json", ".", "test"),
        ("fish.json", "pictures", None),
    ],
)
def test_finds_split_and_images_as_people_lay_them_out(coco_folder: Callable[..., Path], name: str, images: str, split: str | None) -> None:
    assert {image.split for image in records(coco_folder(document(), name=name, images=images))} == {split}


def test_a_split_that_is_called_after_another_is_one_of_its_own(coco_folder: Callable[..., Path]) -> None:
    coco_folder(document(), name="annotations/instances_train.json")
    folder = coco_folder(document(), name="annotations/instances_train_extra.json")
    assert list(dict.fromkeys(image.split for image in records(folder))) == ["train", "train_extra"]


def test_equal_names_in_two_splits_stay_two_images(coco_folder: Callable[..., Path], tmp_path: Path) -> None:
    coco_folder(document(), name="annotations/instances_train.json", images="train")
    folder = coco_folder(document(), name="annotations/instances_val.json", images="val")
    images = records(folder)
    assert [image.name for image in images] == ["a b.jpg", "é%20.v1.PNG", "val/a b.jpg", "val/é%20.v1.PNG"]
    assert [image.path.parent.name for image in images if image.path] == ["train", "train", "val", "val"]


IMAGE = {"id": 1, "width": 64, "height": 48, "file_name": "a b.jpg"}
BOX = {"id": 1, "image_id": 7, "category_id": 1, "bbox": [0, 0, 1, 1]}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"images": [\n{"id": 1,,}], "categories": [', "instances_train.json, line 2: This is not JSON"),
        (document(images={}), "images: The list 'images' is missing."),
        (document(images=[5]), "images[0]: An image must be an object."),
        (document(images=[IMAGE | {"id": "1"}]), "The image's id is '1'; it must be a whole number."),
        (document(images=[{"id": 1}]), "image 1: The image has no file_name."),
        (document(images=[IMAGE | {"file_name": "../../etc/passwd"}]), "leads out of its folder"),
        (document(images=[IMAGE | {"file_name": "/etc/passwd"}]), "the path is absolute"),
        (document(images=[IMAGE | {"width": -3}]), "The image's width is -3"),
        (document(images=[IMAGE, IMAGE]), "image 1: The image id 1 is used twice."),
        (document(images=[IMAGE, IMAGE | {"id": 2}], annotations=[]), "a b.jpg: Two images have this file_name."),
        (document(images=[IMAGE | {"file_name": "gone.jpg"}], annotations=[]), "image 1 (gone.jpg): The image is not here."),
        (
            document(images=[IMAGE | {"width": 48, "height": 64}], annotations=[]),
            "The annotation says 48 x 64 pixels, the image has 64 x 48.",
        ),
        (document(categories=[{"id": 1}]), "categories[0]: A category needs"),
        (
            document(categories=[{"id": 1, "name": "a"}, {"id": 1, "name": "b"}], annotations=[]),
            "categories[1]: The category id 1 is used twice.",
        ),
        (document(categories=[{"id": 1, "name": "a"}, {"id": 2, "name": "a"}], annotations=[]), "The category name 'a' is used twice."),
        (document(annotations=[BOX, BOX]), "annotation 1: The annotation's id is used twice."),
        (document(annotations=[BOX | {"id": None}]), "annotations[0]: The annotation's id is None"),
        (document(annotations=[BOX | {"image_id": 99}]), "annotation 1: The image_id 99 is no image of this file."),
        (document(annotations=[BOX | {"category_id": 99}]), "annotation 1: The category_id 99 is no category of this file."),
        (document(annotations=[BOX | {"bbox": [1, 2, 3]}]), "annotation 1: The bbox is [1, 2, 3]; it must be four numbers"),
        (document(annotations=[BOX | {"bbox": [1, 2, "3", 4]}]), "each of its values must be a number"),
        (document(annotations=[BOX | {"bbox": [1, 2, -3, 4]}]), "has a negative size"),
        (document(annotations=[BOX | {"bbox": [1, 2, 1e300, 4]}]), "each of its values must be a number"),
        (document(annotations=[BOX | {"segmentation": [[1, 2, 3, 4]]}]), "fewer than three points"),
        (document(annotations=[BOX | {"segmentation": {"size": [2, 2], "counts": [1]}}]), "do not add up"),
        (document(annotations=["x"]), "annotations[0]: An annotation must be an object."),
    ],
)
def test_refuses_what_is_wrong_by_its_place(coco_folder: Callable[..., Path], content: object, says: str) -> None:
    with pytest.raises(FormatError) as caught:
        records(coco_folder(content))
    assert says in str(caught.value)


def test_names_all_defects_in_one_pass(coco_folder: Callable[..., Path]) -> None:
    boxes = [BOX | {"id": number, "bbox": [0, 0, -1, 1]} for number in range(30)]
    with pytest.raises(FormatError) as caught:
        records(coco_folder(document(annotations=boxes)))
    assert len(caught.value.defects) == 30
    assert "has 30 defects" in str(caught.value)
    assert "and 10 more" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("datumaro_instances_val.json", ""),
        ("datumaro_instances_train.json", ""),
        ("via_test_coco2017_portion.json", ""),
        ("datumaro_person_keypoints_val.json", ""),
        ("mmdet_coco_sample.json", "annotation 6: The category_id 3 is no category of this file."),
        ("mmdet_coco_wrong_format_sample.json", "The annotation's id is used twice."),
        ("datumaro_panoptic_train.json", "This is a panoptic annotation"),
    ],
)
def test_reads_real_files_or_says_why_not(name: str, refusal: str, tmp_path: Path) -> None:
    if not (SAMPLES / name).is_file():
        pytest.skip("the real COCO samples are not at hand")
    data = (SAMPLES / name).read_bytes()
    (tmp_path / "instances.json").write_bytes(data)
    if refusal:
        with pytest.raises(FormatError) as caught:
            records(tmp_path, images="absent")
        assert refusal in str(caught.value)
        return
    images = records(tmp_path, images="absent")
    content = json.loads(data)
    assert len(images) == len(content["images"])
    boxes = sorted([a.x, a.y, a.w, a.h] for image in images for a in image.annotations)
    assert boxes == sorted([float(v) for v in a["bbox"]] for a in content["annotations"])
