"""Every real file at hand is read, with as many images and boxes as a few lines count in it, or refused with the right reason.

Images that samples lack are drawn in the size their annotation says.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from PIL import Image

from recipes.dataset import Dataset
from recipes.effort import ALONE
from recipes.errors import DatasetError
from recipes.formats import format_called
from recipes.ledger import Ledger
from recipes.observing import Audience
from recipes.sources import open_folder

SAMPLES = Path(__file__).parents[4] / "shared/samples"
FOLDERS = ("cityscapes", "coco", "m2det_pipeline", "tfod_tfrecord", "vatic", "via_v1", "via_v2", "voc", "vott_asset_json", "vott_csv",
           "vott_json", "vott_pascalvoc", "vott_tfrecord", "yolo")  # fmt: skip
NOT_SAMPLES = {"SOURCES.txt", "DECODED.txt"}
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the real samples are not beside this checkout")

Size: TypeAlias = tuple[int, int]
Counted: TypeAlias = tuple[Mapping[str, Size], int, int]
"""The images to draw, and how many images and boxes there should be."""


@dataclass(frozen=True)
class Case:
    """Files of the samples by where they are put; the format they are found to be, read as told where options say so."""

    files: Mapping[str, str]
    format: str
    counted: Callable[[Sequence[Path]], Counted]
    options: Mapping[str, Any] = field(default_factory=dict)
    refused: str = ""


def coco(paths: Sequence[Path]) -> Counted:
    documents = [json.loads(path.read_text()) for path in paths]
    images = [image for document in documents for image in document["images"]]
    sizes = {image["file_name"]: (image["width"], image["height"]) for image in images}
    return sizes, len(images), sum(len(document["annotations"]) for document in documents)


def voc(*, size: Size | None = None, folder: str = "") -> Callable[[Sequence[Path]], Counted]:
    """Objects by their tags; parts have boxes, too, and are none."""

    def count(paths: Sequence[Path]) -> Counted:
        texts = {path: path.read_text() for path in sorted(paths) if path.suffix == ".xml"}
        objects = [name for text in texts.values() for name in re.findall(r"<object>\s*<name>(.*?)</name>", text)]
        found = {f"{folder}{path.stem}.jpg": size or size_in(text) for path, text in texts.items()}
        return found, len(texts), len(objects) - objects.count("not-a-real-object")

    return count


def size_in(text: str) -> Size:
    width, height = (re.search(rf"<{side}>(\d+)</{side}>", text) for side in ("width", "height"))
    return (int(width[1]), int(height[1])) if width and height else (40, 30)


def as_it_is(images: int, boxes: int) -> Callable[[Sequence[Path]], Counted]:
    """The images are there; counted by hand."""
    return lambda _: ({}, images, boxes)


def vatic_text(paths: Sequence[Path]) -> Counted:
    lines = paths[0].read_text().splitlines()
    frames = max(int(line.split(" ")[5]) for line in lines) + 1
    return {f"{paths[0].stem}/{frame}.jpg": (1280, 720) for frame in range(frames)}, frames, len(lines)


def vatic_xml(paths: Sequence[Path]) -> Counted:
    frames = [int(frame) for frame in re.findall(r'<box[^>]* frame="(\d+)"', paths[0].read_text())]
    count = max(frames) + 1
    return {f"{paths[0].stem}/{frame}.jpg": (1280, 720) for frame in range(count)}, count, len(frames)


def vatic_json(paths: Sequence[Path]) -> Counted:
    boxes = [int(frame) for track in json.loads(paths[0].read_text()).values() for frame in track["boxes"]]
    count = max(boxes) + 1
    return {f"{paths[0].stem}/{frame}.jpg": (1280, 720) for frame in range(count)}, count, len(boxes)


def via(paths: Sequence[Path]) -> Counted:
    document = json.loads(paths[0].read_text())
    entries = document.get("_via_img_metadata", document).values()
    images = {Path(entry["filename"]).name: (4000, 3000) for entry in entries}
    regions = [entry["regions"].values() if isinstance(entry["regions"], dict) else entry["regions"] for entry in entries]
    shapes = [(region["shape_attributes"]["name"], region["region_attributes"]) for of_image in regions for region in of_image]
    return images, len(images), boxes_of(shapes)


def via_csv(paths: Sequence[Path]) -> Counted:
    with paths[0].open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    images = {Path(row[0]).name: (4000, 3000) for row in rows}
    # VIA 1 escapes quotes of its JSON by a backslash, and then all quotes by another one.
    shapes = [(json.loads(row[5])["name"], json.loads(row[6])) for row in rows if row[5] != "{}"]
    return images, len(images), boxes_of(shapes)


def boxes_of(shapes: Sequence[tuple[str, Mapping[str, str]]]) -> int:
    """A point has no extent; where some regions have attributes, those without one have no class."""
    some = any(attributes for _, attributes in shapes)
    return sum(name != "point" and bool(attributes or not some) for name, attributes in shapes)


def vott_assets(paths: Sequence[Path]) -> Counted:
    assets = [json.loads(path.read_text()) for path in paths if path.name.endswith("-asset.json")]
    return vott_counted(assets)


def vott_export(paths: Sequence[Path]) -> Counted:
    return vott_counted(json.loads(paths[0].read_text())["assets"].values())


def vott_counted(assets: Any) -> Counted:
    images = {entry["asset"]["name"]: (entry["asset"]["size"]["width"], entry["asset"]["size"]["height"]) for entry in assets}
    return images, len(images), sum(len(region["tags"]) for entry in assets for region in entry["regions"])


def vott_rows(paths: Sequence[Path]) -> Counted:
    rows = [line.split('","')[0].split('",')[0].strip('"') for line in paths[0].read_text().splitlines()[1:]]
    return dict.fromkeys(rows, (2000, 1500)), len(set(rows)), len(rows)


def yolo(*images: str) -> Callable[[Sequence[Path]], Counted]:
    def count(paths: Sequence[Path]) -> Counted:
        labels = [path.read_text() for path in paths if re.fullmatch(r"(train_)?\d+\.txt", path.name)]
        return dict.fromkeys(images, (15, 20)), len(labels), sum(text.strip().count("\n") + 1 for text in labels)

    return count


def one(path: str, format_name: str, counted: Callable[[Sequence[Path]], Counted], refused: str = "", **options: Any) -> Case:
    return Case({path: Path(path).name}, format_name, counted, options, refused)


TFDET = {f"tfod_tfrecord/tfdet_{part}": part for part in ("train.tfrecord", "val.tfrecord", "test.tfrecord", "label_map.pbtxt")}
ROBOFLOW = {f"tfod_tfrecord/roboflow_{part}": part for part in ("train.tfrecord", "label_map.pbtxt")}
EXPORT = "vott_pascalvoc/sample_project-PascalVOC-export"
SHERLOCK = "VOCsherlock/JPEGImages/"
NOTHING = "There is no annotation and no image"
CASES: dict[str, Case] = {
    "coco, train": one("coco/datumaro_instances_train.json", "coco", coco),
    "coco, val with run lengths and a crowd": one("coco/datumaro_instances_val.json", "coco", coco),
    "coco, both": Case({f"coco/datumaro_instances_{split}.json": f"instances_{split}.json" for split in ("train", "val")}, "coco", coco),
    "coco, key points": one("coco/datumaro_person_keypoints_val.json", "coco", coco),
    "coco, stuff": one("coco/datumaro_stuff_train.json", "coco", coco),
    "coco, panoptic": one("coco/datumaro_panoptic_train.json", "coco", coco, "annotations[0]: This is a panoptic annotation"),
    "coco, unknown category": one("coco/mmdet_coco_sample.json", "coco", coco, "annotation 6: The category_id 3 is no category of"),
    "coco, id twice": one("coco/mmdet_coco_wrong_format_sample.json", "coco", coco, "annotation 1: The annotation's id is used twice"),
    "coco 2017": one("coco/via_test_coco2017_portion.json", "coco", coco),
    "voc 2007, two splits": one("voc/VOC2007", "voc", as_it_is(1, 2), "000001 is in test, too: an image has one split"),
    "voc 2007, one split": one("voc/VOC2007", "voc", as_it_is(1, 2), splits=["trainval"]),
    "voc 2012": one("voc/VOC2012", "voc", voc(folder="VOC2012/JPEGImages/"), splits=["test"]),
    "voc, parts and floats": one("voc/datumaro", "voc", voc(folder="datumaro/")),
    "voc, one line": one("voc/widerface_xml", "voc", voc(folder="widerface_xml/")),
    "voc of vatic": one("vatic/VOCsherlock", "voc", voc(size=(1280, 720), folder=SHERLOCK)),
    "voc of the M2Det pipeline": one("m2det_pipeline/VOCsherlock", "voc", voc(size=(1280, 720), folder=SHERLOCK), unannotated="drop"),
    "voc, listed without annotation": one(
        "m2det_pipeline/VOCsherlock", "voc", voc(size=(1280, 720), folder=SHERLOCK), "0014_001 is listed, but there is no annotation file"
    ),
    "vatic, text": one("vatic/facetracks.txt", "vatic", vatic_text),
    "vatic, text with attributes": one("vatic/facetracks_attr.txt", "vatic", vatic_text),
    "vatic, xml": one("vatic/facetracks.xml", "vatic", vatic_xml),
    "vatic, xml with attributes": one("vatic/facetracks_attr.xml", "vatic", vatic_xml),
    "vatic, xml with ids": one("vatic/mdmt_readme_excerpt.xml", "vatic", vatic_xml),
    "vatic, json": one("vatic/facetracks.json", "vatic", vatic_json),
    "via 1, balloon": one("via_v1/balloon_excerpt.json", "via", via, class_name="balloon"),
    "via 1, every shape": one("via_v1/unit_test_annotation2.json", "via", via),
    "via 1, csv": one("via_v1/unit_test_annotation1.csv", "via", via_csv),
    "via 2, demo": one("via_v2/basic_demo_annotations.json", "via", via),
    "via 2, attributes": one("via_v2/default_attributes_rect.json", "via", via),
    "via 2, no attribute": one("via_v2/list_regions_rect.json", "via", via),
    "via 2, tracks": one("via_v2/face_tracks_excerpt.json", "via", via),
    "via 2, tracks, csv": one("via_v2/face_tracks_excerpt.csv", "via", via_csv),
    "via 2, project": one("via_v2/via_project_2.0.10_skeleton.json", "via", via),
    "via 2, definitions alone": one("via_v2/attributes_definition.json", "", as_it_is(0, 0), NOTHING),
    "via 2, demo's definitions alone": one("via_v2/basic_demo_attributes.json", "", as_it_is(0, 0), NOTHING),
    "vott, project and assets": Case({"vott_asset_json": "."}, "vott", vott_assets),
    "vott, json": one("vott_json/vott-json-export", "vott", vott_export),
    "vott, json, two tags and none": one("vott_json/datumaro_train-export.json", "vott", vott_export),
    "vott, csv": one("vott_csv/vott-csv-export", "vott_csv", vott_rows),
    "vott, csv, names as in addresses": one("vott_csv/TrainYourOwnYOLO_Annotations-export_head.csv", "vott_csv", vott_rows),
    "vott, csv, two classes": one("vott_csv/datumaro_train-export.csv", "vott_csv", vott_rows),
    "keras-yolo3, which nothing reads": one("vott_csv/TrainYourOwnYOLO_data_train_head.txt", "", as_it_is(0, 0), NOTHING),
    "vott, pascal": one(EXPORT, "vott_voc", voc(folder="sample_project-PascalVOC-export/JPEGImages/")),
    "vott, records": Case({"vott_tfrecord": "."}, "tfrecord", as_it_is(1, 3)),
    "records, one box without a class": Case(TFDET, "tfrecord", as_it_is(3, 3)),
    "records without images": Case(ROBOFLOW, "tfrecord", as_it_is(2, 2), refused="record 1: The record holds no image"),
    "records, annotations alone": Case(ROBOFLOW, "tfrecord", as_it_is(2, 2), {"images": "absent"}),
    "darknet": Case({"yolo/strict": "."}, "yolo", yolo("obj_train_data/1.jpg")),
    "yolo without a list of classes": one("yolo/kaggle", "yolo", yolo("kaggle/1.jpg"), "Nothing here names the classes"),
    "yolo, classes told": one("yolo/kaggle", "yolo", yolo("kaggle/1.jpg"), classes=list("abcde")),
    "yolo, val is missing": Case(
        {"yolo/roboflow": "."}, "yolo", yolo("train/images/train_001.jpg", "train/images/train_002.jpg"),
        refused="data.yaml, line 2, val: There is no folder with images",
    ),
    "yolo, roboflow": Case({"yolo/roboflow/train": "train", "yolo/roboflow/data.yaml": "old.txt"}, "yolo",
        yolo("train/images/train_001.jpg", "train/images/train_002.jpg"), {"classes": ["label_0", "label_1"]}),
    "cityscapes, outlines": Case({"cityscapes": "."}, "cityscapes", as_it_is(1, 6)),
    "cityscapes, to be seen": Case({"cityscapes": "."}, "cityscapes", as_it_is(1, 6), {"masks": "visible"}),
}  # fmt: skip


def put(case: Case, root: Path) -> Counted:
    for source, target in case.files.items():
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        path = SAMPLES / source
        if path.is_dir():
            shutil.copytree(path, root / target, dirs_exist_ok=True)
        else:
            shutil.copyfile(path, root / target)
    paths = [path for source in case.files for path in (SAMPLES / source, *(SAMPLES / source).rglob("*"))]
    images, count, boxes = case.counted([path for path in paths if path.is_file() and path.name not in NOT_SAMPLES])
    first: dict[tuple[Size, str], Path] = {}
    for name, size in images.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = (size, path.suffix)
        if kind in first:
            path.hardlink_to(first[kind])
        else:
            Image.new("L", size).save(path, quality=1)
            first[kind] = path
    return images, count, boxes


def opened(case: Case, root: Path) -> tuple[str, Dataset]:
    told = {"format_name": case.format, "options": format_called(case.format).read_options(**case.options)} if case.options else {}
    found = open_folder(root, ALONE, **told)
    return found.format.name, found.dataset


@pytest.mark.parametrize("name", CASES)
def test_a_real_file_is_read_or_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    case, root = CASES[name], tmp_path / "source"
    root.mkdir()
    _, count, boxes = put(case, root)
    if case.refused:
        with pytest.raises(DatasetError, match=re.escape(case.refused)):
            opened(case, root)
        return
    found, dataset = opened(case, root)
    assert found == case.format
    records = list(dataset.stream(Ledger()))
    assert len(records) == count
    assert sum(len(record.annotations) for record in records) == boxes
    writer = format_called("coco")
    assert writer.write is not None
    (tmp_path / "out").mkdir()
    writer.write(dataset, tmp_path / "out", writer.write_options(), Audience(Ledger()), ALONE)
    documents = [json.loads(path.read_text()) for path in (tmp_path / "out/annotations").iterdir()]
    assert (sum(len(one["images"]) for one in documents), sum(len(one["annotations"]) for one in documents)) == (count, boxes)


def test_no_sample_is_forgotten() -> None:
    given = {source for case in CASES.values() for source in case.files}
    for folder in FOLDERS:
        for path in (SAMPLES / folder).rglob("*"):
            if path.is_file() and path.name not in NOT_SAMPLES:
                name = str(path.relative_to(SAMPLES))
                assert any(name == one or name.startswith(f"{one}/") for one in given), name
