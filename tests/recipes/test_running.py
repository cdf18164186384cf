from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from recipes import VERSION
from recipes.effort import Effort
from recipes.errors import DatasetError, FormatError
from recipes.pictures.preview import Samples, render
from recipes.recipe import load_recipe
from recipes.running import run


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_vatic_to_coco_agrees_with_pycocotools_box_by_box(video: Path, tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    summary = run(load_recipe("vatic-to-coco"), video, tmp_path / "out")
    wanted: dict[str, list[tuple[str, list[float]]]] = {}
    for line in (video / "fish.txt").read_text().splitlines():
        numbers, label = line.split(' "', 1)
        _, x1, y1, x2, y2, frame, lost, occluded, _ = map(int, numbers.split())
        if not lost and not occluded:
            box = [float(x1), float(y1), float(x2 - x1), float(y2 - y1)]
            wanted.setdefault(f"frames/{frame}.jpg", []).append((label.split('"')[0], box))
    found: dict[str, list[tuple[str, list[float]]]] = {}
    for split in ("train", "val"):
        opened = coco.COCO(str(tmp_path / f"out/annotations/instances_{split}.json"))
        assert len(opened.getImgIds()) == summary.splits[split].images
        for image in opened.loadImgs(opened.getImgIds()):
            assert (tmp_path / "out/images" / image["file_name"]).is_file()
            boxes = opened.loadAnns(opened.getAnnIds(imgIds=[image["id"]]))
            found[image["file_name"]] = [(opened.cats[box["category_id"]]["name"], box["bbox"]) for box in boxes]
    gap = {f"frames/{n}.jpg" for n in range(100)} - found.keys()
    assert len(gap) == 4
    assert {name: boxes for name, boxes in found.items() if boxes} == {name: boxes for name, boxes in wanted.items() if name not in gap}
    assert summary.boxes == sum(map(len, found.values()))


def test_neighbours_and_tracks_do_not_leak(video: Path, tmp_path: Path) -> None:
    run(load_recipe("vatic-to-coco", ["gap=7"]), video, tmp_path / "out")
    import json

    frames = {}
    tracks: dict[int, set[str]] = {}
    for split in ("train", "val"):
        document = json.loads((tmp_path / f"out/annotations/instances_{split}.json").read_bytes())
        frames |= {image["frame"]: split for image in document["images"]}
        for box in document["annotations"]:
            tracks.setdefault(box["track_id"], set()).add(split)
    ordered = sorted(frames)
    assert all(frames[a] == frames[b] or b - a >= 7 for a, b in itertools.pairwise(ordered))
    assert sum(len(splits) > 1 for splits in tracks.values()) <= 1


def test_the_same_input_gives_the_same_bytes_in_whatever_order_the_disk_lists_it(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe("vatic-to-coco")
    run(recipe, video, tmp_path / "one")
    other = tmp_path / "elsewhere"
    for path in sorted(video.rglob("*"), reverse=True):
        if path.is_file():
            (other / path.relative_to(video)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, other / path.relative_to(video))
    real = os.walk
    with monkeypatch.context() as patch:
        patch.setattr(os, "walk", lambda top: ((here, dirs, files[::-1]) for here, dirs, files in real(top)))
        run(recipe, other, tmp_path / "two")
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_a_dry_run_counts_the_same_and_writes_nothing(video: Path, packed: Callable[[Path], Path], tmp_path: Path) -> None:
    recipe = load_recipe("vatic-to-coco")
    dry = run(recipe, packed(video), tmp_path / "dry", dry_run=True)
    real = run(recipe, video, tmp_path / "real")
    assert not (tmp_path / "dry").exists()
    assert (dry.images, dry.boxes, dry.splits, dry.left_out) == (real.images, real.boxes, real.splits, real.left_out)
    assert real.left_out[0].cases[0].startswith("fish.txt, line ")


def test_progress_reaches_its_end(video: Path, tmp_path: Path) -> None:
    said: list[tuple[int, int, str]] = []
    run(load_recipe("vatic:coco"), video, tmp_path / "out", effort=Effort(progress=lambda *step: said.append(step)))
    assert (100, 100, "reading images") in said
    assert said[-1] == (100, 100, "writing coco")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('9 5 5 5 9 3 0 0 0 "fish"', "1 boxes have no area (fish.txt, line "),
        ('9 70 5 80 9 3 0 0 0 "fish"', "1 boxes lie wholly outside their image (fish.txt, line "),
        ('9 5 5 9 9 3 0 0 "fish"', "fish.txt, line "),
    ],
)
def test_nothing_unfit_is_published(video: Path, tmp_path: Path, nothing_left: Callable[[Path], None], line: str, says: str) -> None:
    with (video / "fish.txt").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(FormatError) as caught:
        run(load_recipe("vatic-to-coco"), video, tmp_path / "out")
    assert says in str(caught.value)
    assert not (tmp_path / "out").exists()
    nothing_left(tmp_path)


def test_an_existing_destination_is_left_alone(video: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/precious").touch()
    with pytest.raises(DatasetError, match="is there already"):
        run(load_recipe("vatic-to-coco"), video, tmp_path / "out")
    assert tree(tmp_path / "out") == {"precious": b""}


def test_samples_are_spread_have_boxes_and_repeat(video: Path, tmp_path: Path) -> None:
    first, again = Samples(), Samples()
    for samples in (first, again):
        summary = run(load_recipe("vatic:coco"), video, tmp_path / "x", dry_run=True, observers=[samples])
    assert first.records == again.records
    frames = [record.frame or 0 for record in first.records]
    assert len(frames) == 6
    assert frames[0] < 20
    assert frames[-1] > 75
    assert all(record.annotations for record in first.records)
    picture = render(first.records, tuple(summary.classes))
    assert picture == render(again.records, tuple(summary.classes))
    assert picture.startswith(b"\x89PNG")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_preview_of_few_images_and_many_classes(video: Path, tmp_path: Path, count: int) -> None:
    samples = Samples(count) if count else Samples()
    if count:
        run(load_recipe("vatic:coco"), video, tmp_path / "x", dry_run=True, observers=[samples])
    classes = ("fish", "traffic light", *(f"a class with quite a long name {number}" for number in range(40)))
    assert render(samples.records, classes).startswith(b"\x89PNG")


def test_the_version_is_that_of_the_distribution() -> None:
    from importlib.metadata import version

    assert version("signalbox") == VERSION
