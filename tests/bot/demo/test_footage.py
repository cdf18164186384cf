"""The demo's footage: real rows of every kind, and the same bytes every time."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from bot.demo.footage import ANNOTATION, HEIGHT, SHOT_FRAMES, WIDTH, frame_name, write_footage

ROW = re.compile(r'(\d+) (\d+) (\d+) (\d+) (\d+) (\d+) ([01]) ([01]) ([01]) "(fish|crab)"')


def rows_of(folder: Path) -> list[tuple[int, ...]]:
    """track, xmin, ymin, xmax, ymax, frame, lost, occluded, generated of every row."""
    matches = [ROW.fullmatch(line) for line in (folder / ANNOTATION).read_text().splitlines()]
    assert all(matches)
    return [tuple(int(value) for value in match.groups()[:9]) for match in matches if match]


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("footage")
    write_footage(folder, frames=120)
    return folder


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(tmp_path: Path) -> None:
    for name, seed in (("a.zip", 3), ("b.zip", 3), ("c.zip", 4)):
        write_footage(tmp_path / name, seed=seed, frames=12)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert (tmp_path / "a.zip").read_bytes() != (tmp_path / "c.zip").read_bytes()


def test_a_zip_holds_what_a_folder_holds(tmp_path: Path) -> None:
    summary = write_footage(tmp_path / "folder", frames=10)
    write_footage(tmp_path / "fish.zip", frames=10)
    with zipfile.ZipFile(tmp_path / "fish.zip") as archive:
        names = archive.namelist()
        assert sorted(names) == sorted([ANNOTATION, *(frame_name(number) for number in range(summary.frames))])
        assert all(archive.read(name) == (tmp_path / "folder" / name).read_bytes() for name in names)


def test_every_frame_is_a_picture_of_one_size(footage: Path) -> None:
    for number in range(120):
        with Image.open(io.BytesIO((footage / frame_name(number)).read_bytes())) as picture:
            assert (picture.format, picture.size) == ("JPEG", (WIDTH, HEIGHT))


def test_boxes_lie_in_the_frame_and_are_never_empty(footage: Path) -> None:
    for _, xmin, ymin, xmax, ymax, frame, *_ in rows_of(footage):
        assert 0 <= xmin < xmax <= WIDTH
        assert 0 <= ymin < ymax <= HEIGHT
        assert 0 <= frame < 120


def test_rows_are_lost_occluded_and_generated_for_a_reason(footage: Path) -> None:
    rows = rows_of(footage)
    lost = [row for row in rows if row[6]]
    occluded = [row for row in rows if row[7]]
    assert lost
    assert 0 < len(occluded) < len(rows) / 10
    assert {row[8] for row in rows} == {0, 1}
    for row in occluded:
        assert not row[6]
        assert any(overlaps(row, other) for other in rows if other[5] == row[5] and other[0] != row[0])
    for row in lost:
        earlier = [other for other in rows if other[0] == row[0] and other[5] == row[5] - 1]
        assert [other[1:5] for other in earlier] == [row[1:5]], "a lost object keeps its last box"


def overlaps(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return one[1] < other[3] and other[1] < one[3] and one[2] < other[4] and other[2] < one[4]


def test_no_track_crosses_a_cut(footage: Path) -> None:
    shots: dict[int, set[int]] = {}
    for row in rows_of(footage):
        shots.setdefault(row[0], set()).add(row[5] // SHOT_FRAMES)
    assert len(shots) > 8
    assert all(len(numbers) == 1 for numbers in shots.values())


def test_the_summary_counts_the_rows(tmp_path: Path) -> None:
    summary = write_footage(tmp_path, frames=60)
    rows = rows_of(tmp_path)
    assert (summary.rows, summary.lost, summary.occluded) == (len(rows), sum(row[6] for row in rows), sum(row[7] for row in rows))


@pytest.mark.slow
def test_the_demos_recipe_finds_both_classes_in_both_splits(tmp_path: Path) -> None:
    write_footage(tmp_path / "fish.zip")
    command = [sys.executable, "-m", "recipes", "vatic-to-coco", tmp_path / "fish.zip", tmp_path / "coco", "--json"]
    summary = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
    reasons = {item["reason"] for item in summary["left_out"] if item["count"]}
    assert {"lost", "occluded"} <= reasons
    for split, least in (("train", 180), ("val", 30)):
        assert summary["splits"][split]["images"] >= least
        assert all(count > 20 for count in summary["splits"][split]["classes"].values())
