"""What every writer wrote, before a reader that shares no line with ours: so no error hides in a round trip that is wrong both ways."""

from __future__ import annotations

import csv
import json
import math
import pickle
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias
from xml.etree import ElementTree as ET

import pytest
import yaml
from PIL import Image
from pycocotools.coco import COCO

from recipes.dataset import Annotation, Dataset, Flag, ImageRecord, Polygons, RunLengths
from recipes.effort import Effort
from recipes.formats import format_called, formats
from recipes.ledger import Ledger
from recipes.observing import Audience
from recipes.placing import published

Box: TypeAlias = tuple[str, float, float, float, float]
Found: TypeAlias = dict[tuple[str | None, str], list[Box]]
"""The boxes of every image, by split and name."""

LABELS = ("fish", 'traffic "light"', "Größe 6, big", "unused")
SIZES = {"a b.jpg": (64, 48), "B%20.v1.JPG": (500, 375), "ü/é.png": (37, 91), "no boxes.jpg": (48, 64)}
FRACTIONS = ((0.125, 0.001, 10.3333333, 7.1), (20.5, 11.25, 3.5, 7.75))


@pytest.fixture
def source(tmp_path: Path) -> Callable[..., Dataset]:
    """Images with boxes of whole pixels, and with fractions where asked."""

    def make(*, fractions: bool) -> Dataset:
        records = []
        for number, (name, (width, height)) in enumerate(SIZES.items()):
            path = tmp_path / "pictures" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (width, height), (number * 50, 90, 90)).save(path)
            boxes = [(0, 0, width, height), (width - 1, height - 1, 1, 1), (3, 5, 7, 11), *(FRACTIONS if fractions else ())]
            annotations = [Annotation(LABELS[place % 3], *map(float, box), track=place) for place, box in enumerate(boxes)]
            if fractions:
                annotations += _masked(width, height)
            kept = () if name == "no boxes.jpg" else tuple(annotations)
            records.append(ImageRecord(name, path, width, height, kept, ("train", "val")[number % 2], video="v", frame=number))

        def draw(chunk: int, _: Ledger) -> Iterator[ImageRecord]:
            yield from records[chunk * 2 : chunk * 2 + 2]

        return Dataset(LABELS, draw, 2, 4, ("train", "val"))

    return make


def _masked(width: int, height: int) -> list[Annotation]:
    triangle = Polygons(((2.0, 2.0, 12.0, 2.0, 12.0, 22.0),))
    runs = RunLengths(height, width, (5, 7, width * height - 12))
    return [
        Annotation("fish", 2.0, 2.0, 10.0, 20.0, mask=triangle, mask_area=100.0),
        Annotation("fish", 0.0, 5.0, 1.0, 7.0, frozenset({Flag.CROWD}), mask=runs, mask_area=7.0),
    ]


def written(name: str, dataset: Dataset, folder: Path, **options: Any) -> Path:
    entry = format_called(name)
    assert entry.write is not None
    with published(folder) as fresh:
        entry.write(dataset, fresh, entry.write_options(**options), Audience(Ledger()), Effort(processes=2))
    return folder


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def coco(folder: Path) -> Found:
    found: Found = {}
    for split in ("train", "val"):
        document = json.loads((folder / f"annotations/instances_{split}.json").read_text())
        classes = {entry["id"]: entry["name"] for entry in document["categories"]}
        names = {entry["id"]: entry["file_name"] for entry in document["images"]}
        found |= {(split, name): [] for name in names.values()}
        for entry in document["annotations"]:
            found[split, names[entry["image_id"]]].append((classes[entry["category_id"]], *entry["bbox"]))
    return found


def voc(folder: Path) -> Found:
    """The devkit's definition: the first pixel is 1, and both corners belong to the box."""
    found: Found = {}
    for split in ("train", "val"):
        for identifier in (folder / f"VOC2007/ImageSets/Main/{split}.txt").read_text().splitlines():
            root = ET.parse(folder / f"VOC2007/Annotations/{identifier}.xml").getroot()
            name = str(Path(identifier).with_name(root.findtext("filename") or ""))
            said = tuple(int(root.findtext(f"size/{key}") or 0) for key in ("width", "height"))
            assert size(folder / "VOC2007/JPEGImages" / name) == said
            boxes = found.setdefault((split, name), [])
            for entry in root.iter("object"):
                x1, y1, x2, y2 = (int(entry.findtext(f"bndbox/{edge}") or "") for edge in ("xmin", "ymin", "xmax", "ymax"))
                assert entry.findtext("difficult") in {"0", "1"}
                boxes.append((entry.findtext("name") or "", x1 - 1, y1 - 1, x2 - x1 + 1, y2 - y1 + 1))
    return found


def yolo(folder: Path) -> Found:
    """Ultralytics' definition: class from 0, centre and size as shares; labels where images stands in the path."""
    data = yaml.safe_load((folder / "data.yaml").read_text())
    found: Found = {}
    for split in ("train", "val"):
        home = folder / data[split]
        for path in (path for path in home.rglob("*") if path.is_file()):
            width, height = size(path)
            boxes = found.setdefault((split, str(path.relative_to(home))), [])
            label_file = Path(str(path).replace("/images/", "/labels/")).with_suffix(".txt")
            for line in label_file.read_text().splitlines():
                number, cx, cy, w, h = line.split(" ")
                assert re.fullmatch(r"\d+", number)
                assert all(len(value.partition(".")[2]) >= 6 for value in (cx, cy, w, h))
                w_px, h_px = float(w) * width, float(h) * height
                boxes.append((data["names"][int(number)], float(cx) * width - w_px / 2, float(cy) * height - h_px / 2, w_px, h_px))
    return found


def mmdet(folder: Path) -> Found:
    """MMDetection's: float32 x1, y1, x2, y2 continuous; labels from 0; those to ignore stand apart."""
    classes = (folder / "classes.txt").read_text().splitlines()
    found: Found = {}
    for split in ("train", "val"):
        for entry in pickle.loads((folder / f"annotations/{split}.pkl").read_bytes()):
            ann = entry["ann"]
            assert (ann["bboxes"].dtype, ann["labels"].dtype) == ("float32", "int64")
            assert ann["bboxes"].shape == (len(ann["labels"]), 4)
            found[split, entry["filename"]] = [
                (classes[label], x1, y1, x2 - x1, y2 - y1)
                for kind in ("", "_ignore")
                for label, (x1, y1, x2, y2) in zip(ann[f"labels{kind}"], ann[f"bboxes{kind}"].tolist(), strict=True)
            ]
            assert size(folder / "images" / entry["filename"]) == (entry["width"], entry["height"])
    return found


def vott(folder: Path) -> Found:
    found: Found = {}
    for split in ("train", "val"):
        document = json.loads((folder / split / "vott-json-export/signalbox-export.json").read_text())
        for entry in document["assets"].values():
            asset, keys = entry["asset"], ("left", "top", "width", "height")
            boxes = [(region["tags"][0], *(region["boundingBox"][key] for key in keys)) for region in entry["regions"]]
            found[split, asset["name"]] = boxes
            assert size(folder / split / "vott-json-export" / asset["name"]) == tuple(asset["size"].values())
    return found


def vott_csv(folder: Path) -> Found:
    found: Found = {}
    for split in ("train", "val"):
        home = folder / split / "vott-csv-export"
        found |= {(split, str(path.relative_to(home))): [] for path in home.rglob("*") if path.suffix != ".csv" and path.is_file()}
        with (home / "signalbox-export.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                x1, y1, x2, y2 = (float(row[edge]) for edge in ("xmin", "ymin", "xmax", "ymax"))
                found[split, row["image"]].append((row["label"], x1, y1, x2 - x1, y2 - y1))
    return found


def via(folder: Path) -> Found:
    found: Found = {}
    for split in ("train", "val"):
        for key, entry in json.loads((folder / split / "via_project.json").read_text())["_via_img_metadata"].items():
            assert key == f"{entry['filename']}{(folder / split / entry['filename']).stat().st_size}"
            boxes = found.setdefault((split, entry["filename"]), [])
            for region in entry["regions"]:
                shape = region["shape_attributes"]
                if shape["name"] == "polygon":
                    xs, ys = shape["all_points_x"], shape["all_points_y"]
                    box = min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
                else:
                    box = shape["x"], shape["y"], shape["width"], shape["height"]
                boxes.append((region["region_attributes"]["class"], *box))
    return found


def vatic(folder: Path) -> Found:
    """turkic's text: corners and frame, labels in quotes. The frame says which image it is."""
    names = list(SIZES)
    found: Found = {(None, names[int(re.findall(r"\d+", path.stem)[-1])]): [] for path in (folder / "v").iterdir()}
    for line in (folder / "v.txt").read_text().splitlines():
        _track, *corners, frame, _lost, _occluded, _generated, label = line.split(" ", 9)
        x1, y1, x2, y2 = map(float, corners)
        assert label[0] == label[-1] == '"'
        found[None, names[int(frame)]].append((label[1:-1], x1, y1, x2 - x1, y2 - y1))
    return found


def tfrecord(folder: Path) -> Found:
    """Records and protocol buffers by hand: lengths, tags and varints."""
    numbers = re.findall(r"id: (\d+)", (folder / "label_map.pbtxt").read_text())
    assert numbers == ["1", "2", "3", "4"]
    found: Found = {}
    for split in ("train", "val"):
        data = (folder / f"{split}.record").read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            example, data = data[12 : 12 + length], data[16 + length :]
            ((_, features),) = fields(example)
            values: dict[str, list[Any]] = {}
            for _, feature in fields(features):
                (_, key), (_, value) = fields(feature)
                values[key.decode()] = list(feature_values(value))
            (width,), (height,) = values["image/width"], values["image/height"]
            edges = [values.get(f"image/object/bbox/{edge}", []) for edge in ("xmin", "ymin", "xmax", "ymax")]
            labels = [text.decode() for text in values.get("image/object/class/text", [])]
            assert [LABELS[number - 1] for number in values.get("image/object/class/label", [])] == labels
            rows = [
                (label, x1 * width, y1 * height, (x2 - x1) * width, (y2 - y1) * height)
                for label, x1, y1, x2, y2 in zip(labels, *edges, strict=True)
            ]
            found[split, values["image/filename"][0].decode()] = rows
    return found


def varint(data: bytes) -> tuple[int, bytes]:
    value = shift = 0
    for place, byte in enumerate(data):
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, data[place + 1 :]
    raise ValueError("cut off")


def fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Field number and content of each field, all of which have a length."""
    while data:
        tag, data = varint(data)
        assert tag & 7 == 2
        length, data = varint(data)
        yield tag >> 3, data[:length]
        data = data[length:]


def feature_values(feature: bytes) -> Iterator[Any]:
    ((kind, content),) = fields(feature)
    if kind == 1:
        yield from (value for _, value in fields(content))
        return
    for _, packed in fields(content):
        if kind == 2:
            yield from struct.unpack(f"<{len(packed) // 4}f", packed)
        while kind == 3 and packed:
            value, packed = varint(packed)  # noqa: PLW2901
            yield value


READERS: dict[str, Callable[[Path], Found]] = {
    reader.__name__: reader for reader in (coco, voc, yolo, mmdet, vott, vott_csv, via, vatic, tfrecord)
}
REORDERS = frozenset({"mmdet"})
"""Boxes to ignore stand in an array of their own."""


def test_every_writer_has_an_independent_reader() -> None:
    assert set(READERS) == {name for name, entry in formats().items() if entry.write}


@pytest.mark.parametrize("fractions", [False, True], ids=["whole pixels", "fractions"])
@pytest.mark.parametrize("name", READERS)
def test_boxes_are_where_the_format_says(name: str, fractions: bool, source: Callable[..., Dataset], tmp_path: Path) -> None:
    dataset = source(fractions=fractions)
    found = READERS[name](written(name, dataset, tmp_path / "out"))
    records = list(dataset.stream(Ledger()))
    assert set(found) == {(record.split if name != "vatic" else None, record.name) for record in records}
    for record in records:
        boxes = found[record.split if name != "vatic" else None, record.name]
        wanted = [expected(name, record, box) for box in record.annotations]
        if name in REORDERS:
            boxes, wanted = sorted(boxes), sorted(wanted)
        assert [box[0] for box in boxes] == [box[0] for box in wanted]
        tolerance = max(record.width, record.height) * 2.0**-23 if name in {"tfrecord", "mmdet"} else 1e-6
        for box, right in zip(boxes, wanted, strict=True):
            assert box[1:] == pytest.approx(right[1:], rel=0, abs=tolerance)


def expected(name: str, record: ImageRecord, box: Annotation) -> Box:
    """A box as a format should have it: VOC's are whole pixels that cover it."""
    if name != "voc":
        return box.label, box.x, box.y, box.w, box.h
    left, top = math.floor(box.x), math.floor(box.y)
    return box.label, left, top, math.ceil(box.x + box.w) - left, math.ceil(box.y + box.h) - top


@pytest.mark.filterwarnings("ignore:__array__ implementation")
def test_pycocotools_opens_what_is_written(source: Callable[..., Dataset], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unique ids, areas of masks, masks of polygons, of run lengths and of crowds; a box without a mask has none."""
    dataset = source(fractions=True)
    folder = written("coco", dataset, tmp_path / "out")
    for split in ("train", "val"):
        opened = COCO(str(folder / f"annotations/instances_{split}.json"))
        entries = opened.dataset["annotations"]
        assert len(opened.anns) == len(entries) == len({entry["id"] for entry in entries})
        assert len(opened.imgs) == len(opened.dataset["images"])
        for record in (record for record in dataset.stream(Ledger()) if record.split == split):
            (image,) = (image for image in opened.imgs.values() if image["file_name"] == record.name)
            for entry, box in zip(opened.imgToAnns[image["id"]], record.annotations, strict=True):
                assert entry["area"] == pytest.approx(100 if isinstance(box.mask, Polygons) else box.w * box.h)
                assert entry["iscrowd"] == (Flag.CROWD in box.flags)
                assert bool(entry["segmentation"]) == (box.mask is not None)
                if isinstance(box.mask, RunLengths):
                    mask = opened.annToMask(entry)
                    assert mask.sum() == 7
                    assert mask[5:12, 0].all()
                elif box.mask:
                    assert abs(int(opened.annToMask(entry).sum()) - 100) < 15
    capsys.readouterr()
