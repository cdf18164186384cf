"""Recipes that change pixels, from a source to files on the disk."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from recipes.effort import Effort
from recipes.errors import DatasetError
from recipes.recipe import load_recipe
from recipes.running import run
from recipes.summary import Summary


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def written(text: str, source: Path, target: Path, processes: int = 1) -> Summary:
    """Run a recipe given as its steps."""
    path = target.with_suffix(".yaml")
    path.write_text(f"name: x\ntitle: x\nsteps:\n{text}\nwrite: {{format: coco}}\n")
    return run(load_recipe(str(path)), source, target, effort=Effort(processes))


def test_vatic_to_voc_shift_is_free_of_leaks_and_the_same_for_any_number_of_processes(video: Path, tmp_path: Path) -> None:
    overrides = ["max_dx=8", "max_dy=8", "grid=4", "copies=3"]
    for name, processes in (("one", 1), ("two", 2)):
        summary = run(load_recipe("vatic-to-voc-shift", overrides), video, tmp_path / name, effort=Effort(processes))
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    root = next((tmp_path / "one").rglob("Annotations")).parent
    lists = {path.stem: path.read_text().split() for path in (root / "ImageSets/Main").glob("*.txt")}
    assert {name: len(lists[name]) for name in ("train", "val", "test")} == {name: split.images for name, split in summary.splits.items()}
    frames = defaultdict(set)
    for name in ("train", "val", "test"):
        for stem in lists[name]:
            frames[stem.split("_shift")[0]].add(name)
            assert (root / "JPEGImages" / f"{stem}.jpg").is_file()
            assert ElementTree.parse(root / "Annotations" / f"{stem}.xml").findtext("size/width") == "64"
    assert all(len(names) == 1 for names in frames.values())
    assert sum("_shift" in stem for stem in lists["train"]) == 3 * sum("_shift" not in stem for stem in lists["train"])
    assert not any("_shift" in stem for stem in lists["val"] + lists["test"])


def test_pictures_and_boxes_move_together(tmp_path: Path) -> None:
    """A red box on grey is where its annotation says after every step, in every picture that is written."""
    source = tmp_path / "source"
    (source / "images").mkdir(parents=True)
    images, boxes = [], []
    for number in range(4):
        picture = Image.new("RGB", (200, 120), (90, 90, 90))
        x, y = 20 + 30 * number, 10 + 15 * number
        picture.paste((255, 0, 0), (x, y, x + 40, y + 30))
        picture.save(source / "images" / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": 200, "height": 120})
        boxes.append({"id": number, "image_id": number, "category_id": 1, "bbox": [x, y, 40, 30], "area": 1200, "iscrowd": 0})
    document = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "red"}]}
    (source / "instances.json").write_text(json.dumps(document))
    steps = """
  - shift: {copies: 4, max_dx: 40, max_dy: 40, grid: 8, fill: [0, 60, 60]}
  - flip
  - flip: {axis: vertical}
  - resize: {width: 100, height: 100, fit: pad}
  - tile: {width: 64, height: 64, overlap: 32, min_visible: 0.3}"""
    summary = written(steps, source, tmp_path / "out", processes=2)
    assert summary.images == 4 * 5 * 2 * 2 * 9
    (annotations,) = (tmp_path / "out").glob("annotations/*.json")
    made = json.loads(annotations.read_bytes())
    by_image = defaultdict(list)
    for entry in made["annotations"]:
        by_image[entry["image_id"]].append(entry["bbox"])
    seen = 0
    for image in made["images"]:
        pixels = np.asarray(Image.open(tmp_path / "out/images" / image["file_name"])).astype(int)
        assert pixels.shape[:2] == (image["height"], image["width"])
        red = pixels[..., 0] - pixels[..., 1] > 120
        for x, y, w, h in by_image[image["id"]]:
            assert red.sum() == pytest.approx(w * h, abs=w + h + 4)
            rows, columns = np.nonzero(red)
            found = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert found == pytest.approx((x, y, x + w, y + h), abs=1.01)
            seen += 1
    assert seen == summary.boxes > 200


def test_untouched_images_are_links_and_edited_ones_are_new(video: Path, tmp_path: Path) -> None:
    written("\n  - flip", video, tmp_path / "out")
    originals = {path.stat().st_ino for path in (video / "frames").iterdir()}
    made = {path.name: path.stat().st_ino in originals for path in (tmp_path / "out/images").rglob("*.jpg")}
    assert len(made) == 200
    assert all(linked != ("_flip" in name) for name, linked in made.items())


def test_an_image_that_cannot_be_edited_stops_the_conversion_with_its_name(video: Path, tmp_path: Path) -> None:
    path = video / "frames/7.jpg"
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(DatasetError, match=r"7.*\.jpg: The image cannot be edited"):
        written("\n  - flip", video, tmp_path / "out", processes=2)
    assert not (tmp_path / "out").exists()


def test_images_to_coco_and_other_ways_to_draw(video: Path, tmp_path: Path) -> None:
    summary = run(load_recipe("images-to-coco"), video / "frames", tmp_path / "out")
    assert (summary.images, summary.boxes) == (100, 0)
    summary = written("\n  - sample: {count: 5}\n  - draw", video, tmp_path / "drawn")
    assert summary.images == 5
