"""What an evaluation found, made small by a program that runs alone on the host."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

PROGRAM = str(resources.files("runner.host") / "found_boxes.py")


def shrink(directory: Path, found: str | None) -> tuple[int, object]:
    """(exit code, the boxes that are sent; None where none are)."""
    directory.mkdir(exist_ok=True)
    if found is not None:
        (directory / "found.bbox.json").write_text(found)
    done = subprocess.run([sys.executable, PROGRAM, str(directory)], capture_output=True, timeout=60, check=False)
    target = directory / "results" / "found.json"
    return done.returncode, json.loads(target.read_text())["boxes"] if target.exists() else None


def record(score: float, **changed: object) -> dict[str, object]:
    return {"image_id": 7, "bbox": [1.04, 2, 3, 4], "score": score, "category_id": 2} | changed


def test_only_what_is_sure_enough_is_sent_and_the_large_file_goes(tmp_path: Path) -> None:
    directory = tmp_path / "1 é"
    found = [record(0.9), record(0.29), record(0.3, image_id=8), record(float("nan")), record(0.8, bbox=[0, 0, float("inf"), 1])]
    assert shrink(directory, json.dumps(found)) == (0, [[7, 2, 1.0, 2.0, 3.0, 4.0, 0.9], [8, 2, 1.0, 2.0, 3.0, 4.0, 0.3]])
    assert not (directory / "found.bbox.json").exists()
    assert shrink(directory, None)[1] is not None, "asked again after a crash, what was made stays"


def test_what_a_training_wrote_itself_stays(tmp_path: Path) -> None:
    theirs = tmp_path / "work_dir" / "val.bbox.json"
    theirs.parent.mkdir()
    theirs.write_text(json.dumps([record(0.9)]))
    assert shrink(tmp_path, None) == (0, [[7, 2, 1.0, 2.0, 3.0, 4.0, 0.9]])
    assert theirs.exists()


def test_a_file_longer_than_a_piece_is_read_whole(tmp_path: Path) -> None:
    code, boxes = shrink(tmp_path, json.dumps([record(0.9 if number % 100 == 0 else 0.01, image_id=number) for number in range(30_000)]))
    assert code == 0
    assert isinstance(boxes, list)
    assert [box[0] for box in boxes] == list(range(0, 30_000, 100))


def test_too_many_boxes_are_not_sent(tmp_path: Path) -> None:
    one = json.dumps(record(0.9))
    assert shrink(tmp_path, f"[{', '.join([one] * 200_001)}]") == (0, None)


@pytest.mark.parametrize("found", [
    "[{]", '[{"score": 1}]', "[", json.dumps([record(0.9)])[:-1], "x" * 3_000_000, json.dumps([record(0.9, bbox="a234")]),
])
def test_what_is_no_such_list_is_refused_and_makes_nothing(tmp_path: Path, found: str) -> None:
    assert shrink(tmp_path, found) == (1, None)


def test_nothing_found_is_nothing_sent(tmp_path: Path) -> None:
    assert shrink(tmp_path, None) == (0, None)
    assert shrink(tmp_path, "[]") == (0, [])
