"""The same bytes again, by every recipe and writer: with more processes, in another order of the folder, with other hashes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import recipes
from recipes.dataset import Annotation, Dataset, Flag, ImageRecord, Polygons
from recipes.effort import ALONE, Effort
from recipes.formats import format_called
from recipes.ledger import Ledger
from recipes.observing import Audience
from recipes.recipe import library, load_recipe
from recipes.running import run
from recipes.streams.spool import chunk_size

pytestmark = pytest.mark.slow

IMAGES = 150
LABELS = ("fish", "crab", "Größe 6")
RECIPES = (*library(), "mmdet:coco", "vott_csv:coco", "coco:mmdet", "coco:via", "coco:vott", "coco:vott_csv", "coco:vatic")
"""The library's, and the formats that no recipe of it reads or writes."""
PLAIN = frozenset({"cityscapes", "images"})


def records(folder: Path) -> list[ImageRecord]:
    """Frames of a video, each of another content, with boxes of tracks that come and go."""
    found = []
    for number in range(IMAGES):
        path = folder / f"{number:04d}.jpg"
        picture = Image.linear_gradient("L").rotate(number * 2).resize((64, 48)).convert("RGB")
        picture.save(path)
        boxes = tuple(
            Annotation(
                LABELS[track % 3], 2.0 + number % 9, 4.0 + track, 20.5, 11.0 + track,
                frozenset({Flag.OCCLUDED} if (number + track) % 7 == 0 else ()), track,
                Polygons(((3.0, 5.0, 12.0, 5.0, 12.0, 11.25),)) if track == 2 else None, 28.125 if track == 2 else None,
            )
            for track in range(9)
            if number // 30 == track // 2
        )  # fmt: skip
        found.append(ImageRecord(path.name, path, 64, 48, boxes, video="v", frame=number))
    return found


def write_cityscapes(folder: Path, images: list[ImageRecord]) -> None:
    for number, image in enumerate(images):
        city = f"{('train', 'val')[number % 2]}/ulm"
        for part in ("gtFine", "leftImg8bit"):
            (folder / part / city).mkdir(parents=True, exist_ok=True)
        base = f"{city}/ulm_{number:06d}_000019"
        objects = [
            {"label": label, "polygon": [[box.x, box.y], [box.x + box.w, box.y], [box.x, box.y + box.h]]}
            for box in image.annotations
            for label in ("car", "cargroup", "person")
        ]
        document = {"imgWidth": 64, "imgHeight": 48, "objects": objects}
        (folder / f"gtFine/{base}_gtFine_polygons.json").write_text(json.dumps(document))
        assert image.path
        with Image.open(image.path) as picture:
            picture.save(folder / f"leftImg8bit/{base}_leftImg8bit.png")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same images as a source of every recipe, by its reader."""
    root = tmp_path_factory.mktemp("sources")
    (root / "images").mkdir()
    images = records(root / "images")
    size = chunk_size(IMAGES)
    assert 2 * size < IMAGES, "there is work for three processes"

    def draw(chunk: int, _: Ledger) -> Iterator[ImageRecord]:
        yield from images[chunk * size : (chunk + 1) * size]

    dataset = Dataset(LABELS, draw, -(-IMAGES // size), IMAGES)
    for name in {load_recipe(name).reader.name for name in RECIPES} - PLAIN:
        writer = format_called(name)
        assert writer.write is not None
        (root / name).mkdir()
        writer.write(dataset, root / name, writer.write_options(), Audience(Ledger()), ALONE)
    write_cityscapes(root / "cityscapes", images)
    return {path.name: path for path in root.iterdir()}


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class _Backwards:
    """What os.scandir gives, the other way round."""

    def __init__(self, path: Any = ".") -> None:
        with _SCANDIR(path) as entries:
            self._entries = iter(sorted(entries, key=lambda entry: entry.name, reverse=True))

    def __iter__(self) -> Iterator[os.DirEntry[str]]:
        return self._entries

    def __next__(self) -> os.DirEntry[str]:
        return next(self._entries)

    def __enter__(self) -> _Backwards:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass


_SCANDIR, _LISTDIR = os.scandir, os.listdir


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_repeats_itself(name: str, sources: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load_recipe(name)
    assert recipe.reader is not None
    source = sources[recipe.reader.name]
    summary = run(recipe, source, tmp_path / "one")
    expected = tree(tmp_path / "one")
    assert expected
    plain = {key: value for key, value in summary.as_json().items() if key != "elapsed_s"}
    three = run(recipe, source, tmp_path / "three", effort=Effort(processes=3))
    assert tree(tmp_path / "three") == expected
    assert {key: value for key, value in three.as_json().items() if key != "elapsed_s"} == plain
    with monkeypatch.context() as patch:  # a file system with another order: one that has one is not at every hand
        patch.setattr(os, "scandir", _Backwards)
        patch.setattr(os, "listdir", lambda path=".": sorted(_LISTDIR(path), reverse=True))
        run(recipe, source, tmp_path / "backwards", effort=Effort(processes=2))
    assert tree(tmp_path / "backwards") == expected


PROGRAM = """
import sys
from pathlib import Path
from recipes.recipe import library, load_recipe
from recipes.running import run
for name in library():
    recipe = load_recipe(name)
    run(recipe, Path(sys.argv[1]) / recipe.reader.name, Path(sys.argv[2]) / name)
"""


def test_no_byte_depends_on_the_seed_of_hashes(sources: dict[str, Path], tmp_path: Path) -> None:
    root = sources["images"].parent
    trees = []
    for seed in ("0", "1"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(recipes.__file__).parents[1])}
        subprocess.run([sys.executable, "-c", PROGRAM, str(root), str(tmp_path / seed)], check=True, env=environment, timeout=120)
        trees.append(tree(tmp_path / seed))
    assert trees[0] == trees[1]
