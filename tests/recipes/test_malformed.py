"""Real defects, each in one of six images: none is passed over, each is named by its file, and by line or id where there is one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from recipes.errors import DatasetError
from recipes.ingest import examine
from recipes.recipe import load_recipe
from recipes.running import run

Defect = Callable[[Path], None]
XML, TXT, JSON = "VOC2007/Annotations/3.xml", "labels/train/3.txt", "annotations/instances.json"
VOC_IMAGE, YOLO_IMAGE, COCO_IMAGE = "VOC2007/JPEGImages/3.jpg", "images/train/3.jpg", "images/3.jpg"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Six images of 64 x 48 with two boxes each, as COCO, VOC and YOLO."""
    root = tmp_path_factory.mktemp("sound")
    images, annotations = [], []
    (root / "coco/images").mkdir(parents=True)
    (root / "coco/annotations").mkdir()
    for number in range(6):
        Image.new("RGB", (64, 48), (number * 40, 9, 9)).save(root / f"coco/images/{number}.jpg")
        images.append({"id": number + 1, "file_name": f"{number}.jpg", "width": 64, "height": 48})
        for place in range(2):
            box = [4 + 20 * place, 8 + number, 16, 24]
            annotations.append({"id": len(annotations) + 1, "image_id": number + 1, "category_id": place + 1, "bbox": box})
    categories = [{"id": 1, "name": "fish"}, {"id": 2, "name": "crab"}]
    (root / "coco" / JSON).write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}, indent=1))
    for name in ("voc", "yolo"):
        run(load_recipe(f"coco-to-{name}"), root / "coco", root / name)
    return {name: root / name for name in ("coco", "voc", "yolo")}


def put(old: str, new: str, file: str) -> Defect:
    """Replace a text the first time it is there."""

    def spoil(root: Path) -> None:
        text = (root / file).read_text()
        assert old in text
        (root / file).unlink()
        (root / file).write_text(text.replace(old, new, 1))

    return spoil


def append(text: str, file: str) -> Defect:
    def spoil(root: Path) -> None:
        before = (root / file).read_text()
        (root / file).unlink()
        (root / file).write_text(before + text)

    return spoil


def cut(file: str) -> Defect:
    def spoil(root: Path) -> None:
        data = (root / file).read_bytes()
        (root / file).unlink()
        (root / file).write_bytes(data[: len(data) // 2])

    return spoil


def gone(file: str) -> Defect:
    return lambda root: (root / file).unlink()


def resized(file: str, size: tuple[int, int]) -> Defect:
    def spoil(root: Path) -> None:
        (root / file).unlink()
        Image.new("RGB", size).save(root / file)

    return spoil


def coco(change: Callable[[dict[str, Any]], object]) -> Defect:
    def spoil(root: Path) -> None:
        document = json.loads((root / JSON).read_text())
        change(document)
        (root / JSON).unlink()
        (root / JSON).write_text(json.dumps(document, indent=1))

    return spoil


CASES: dict[str, tuple[str, Defect, str]] = {
    "cut off": ("voc", cut(XML), f"{XML}, line "),
    "no number": ("voc", put("<xmin>5</xmin>", "<xmin>five</xmin>", XML), f"{XML}, line "),
    "not a number": ("voc", put("<xmin>5</xmin>", "<xmin>nan</xmin>", XML), f"{XML}, line "),
    "no corner": ("voc", put("<xmin>5</xmin>", "", XML), f"{XML}, line "),
    "no class": ("voc", put("<name>fish</name>", "", XML), f"{XML}, line "),
    "inverted": ("voc", put("<xmin>5</xmin>", "<xmin>60</xmin>", XML), f"{XML}, line "),
    "far outside": ("voc", put("<xmax>20</xmax>", "<xmax>6400</xmax>", XML), f"{XML}, line "),
    "wholly outside": ("voc", put("<xmin>5</xmin>", "<xmin>600</xmin>", XML), f"{XML}, line "),
    "other size": ("voc", put("<width>64</width>", "<width>65</width>", XML), XML),
    "swapped size": ("voc", resized(VOC_IMAGE, (48, 64)), XML),
    "no image": ("voc", gone(VOC_IMAGE), XML),
    "image cut off": ("voc", cut(VOC_IMAGE), "3.jpg"),
    "entity": ("voc", put("<annotation>", "<!DOCTYPE a [<!ENTITY b 'c'>]><annotation>", XML), XML),
    "broken JSON": ("coco", put('"id": 3,', '"id": 3,,', JSON), f"{JSON}, line "),
    "unknown image": ("coco", coco(lambda d: d["annotations"][6].update(image_id=99)), f"{JSON}, annotation 7"),
    "unknown category": ("coco", coco(lambda d: d["annotations"][6].update(category_id=99)), f"{JSON}, annotation 7"),
    "annotation twice": ("coco", coco(lambda d: d["annotations"][6].update(id=1)), f"{JSON}, annotation 1"),
    "image twice": ("coco", coco(lambda d: d["images"][3].update(id=1)), f"{JSON}, image 1"),
    "file twice": ("coco", coco(lambda d: d["images"][3].update(file_name="2.jpg")), f"{JSON}, 2.jpg"),
    "three numbers": ("coco", coco(lambda d: d["annotations"][6].update(bbox=[1, 2, 3])), f"{JSON}, annotation 7"),
    "negative width": ("coco", coco(lambda d: d["annotations"][6].update(bbox=[9, 2, -3, 4])), f"{JSON}, annotation 7"),
    "no box": ("coco", coco(lambda d: d["annotations"][6].pop("bbox")), f"{JSON}, annotation 7"),
    "much too large": ("coco", coco(lambda d: d["annotations"][6].update(bbox=[0, 0, 640, 480])), f"{JSON}, annotation 7"),
    "box twice": ("coco", coco(lambda d: d["annotations"].append(d["annotations"][6] | {"id": 90})), f"{JSON}, annotation 90"),
    "no picture": ("coco", gone(COCO_IMAGE), f"{JSON}, image 4"),
    "unknown class": ("yolo", append("7 0.5 0.5 0.1 0.1\n", TXT), f"{TXT}, line 3"),
    "four columns": ("yolo", append("0 0.5 0.5 0.1\n", TXT), f"{TXT}, line 3"),
    "letters": ("yolo", append("0 0.5 x 0.1 0.1\n", TXT), f"{TXT}, line 3"),
    "NaN": ("yolo", append("0 0.5 nan 0.1 0.1\n", TXT), f"{TXT}, line 3"),
    "in pixels": ("yolo", append("0 32 24 10 10\n", TXT), f"{TXT}, line 3"),
    "no size": ("yolo", append("0 0.5 0.5 0 0.1\n", TXT), f"{TXT}, line 3"),
    "same line": ("yolo", append("0 0.25 0.25 0.1 0.1\n0 0.25 0.25 0.1 0.1\n", TXT), f"{TXT}, line 4"),
    "label alone": ("yolo", gone(YOLO_IMAGE), TXT),
    "broken YAML": ("yolo", append("names: [\n", "data.yaml"), "data.yaml, line "),
}


def said_of(root: Path) -> str:
    """All that an import or a check would say."""
    try:
        summary, _ = examine(root, keep_unfit=True)
    except DatasetError as error:
        return str(error)
    return "\n".join(map(str, summary.findings))


def copied(source: Path, target: Path) -> Path:
    for path in source.rglob("*"):
        if path.is_file():
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.hardlink_to(path)
    return target


@pytest.mark.parametrize("name", CASES)
def test_every_defect_is_named_with_its_place(name: str, sound: dict[str, Path], tmp_path: Path) -> None:
    kind, spoil, place = CASES[name]
    root = copied(sound[kind], tmp_path / kind)
    assert said_of(root) == ""
    spoil(root)
    assert place in said_of(root), said_of(root)


@pytest.mark.parametrize("kind", ["voc", "yolo"])
def test_defects_of_several_files_are_named_in_one_pass(kind: str, sound: dict[str, Path], tmp_path: Path) -> None:
    root = copied(sound[kind], tmp_path / kind)
    files = sorted(path for path in root.rglob("*.xml" if kind == "voc" else "labels/*/*.txt"))
    assert len(files) == 6
    for path in files:
        put("<xmin>5<" if kind == "voc" else "0 ", "<xmin>five<" if kind == "voc" else "x ", str(path.relative_to(root)))(root)
    said = said_of(root)
    assert all(str(path.relative_to(root)) in said for path in files), said


def test_a_dataset_that_is_wholly_sound_is_said_to_be(sound: dict[str, Path]) -> None:
    assert {name: said_of(root) for name, root in sound.items()} == {"coco": "", "voc": "", "yolo": ""}
