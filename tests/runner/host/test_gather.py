"""Files of a run are laid below results/, by a program that runs alone on the host."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import threading
import time
from glob import escape
from importlib import resources
from pathlib import Path

import pytest

PROGRAM = str(resources.files("runner.host") / "gather.py")


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """The directory of an attempt, whose files are not fresh any more."""
    folder = tmp_path / 'ro ot\'s "[1]*" ünï' / "1"
    for name in ("work_dir/ckpt-1.index", "work_dir/ckpt-1.data-00000-of-00002", "work_dir/ckpt-1.data-00001-of-00002",
                 "work_dir/ckpt-12.index", "work_dir/ckpt-12.data-00000-of-00002", "work_dir/best.pth", "results/a/1.jpg", "log"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        os.utime(path, (1, 1))
    return folder


@pytest.mark.parametrize("name", ["gather.py", "results.py", "board.py", "found_boxes.py"])
def test_old_pythons_read_what_runs_alone_on_a_host(name: str) -> None:
    ast.parse((resources.files("runner.host") / name).read_text(encoding="utf-8"), feature_version=(3, 6))


def gather(directory: Path, *paths: str, at: Path | None = None) -> tuple[int, dict[str, object], Path]:
    attempt = at or directory.parent / "fetching"
    attempt.mkdir(exist_ok=True)
    (attempt / "gather.json").write_text(json.dumps({"directory": str(directory), "paths": paths}))
    ended = subprocess.run([sys.executable, PROGRAM, "gather.json"], cwd=attempt, capture_output=True, timeout=30, check=False)
    assert ended.stderr == b""
    return ended.returncode, json.loads(ended.stdout), attempt / "results"


def names(results: Path) -> list[str]:
    return sorted(str(path.relative_to(results)) for path in results.rglob("*") if path.is_file())


def test_all_files_of_one_checkpoint_come_and_none_of_another(left: Path) -> None:
    code, said, results = gather(left, "work_dir/ckpt-1", "work_dir/ckpt-1.*")
    assert code == 0
    assert names(results) == ["ckpt-1.data-00000-of-00002", "ckpt-1.data-00001-of-00002", "ckpt-1.index"]
    assert said == {"summary": {"files": 3, "size_bytes": sum(path.stat().st_size for path in results.iterdir())}}
    assert (results / "ckpt-1.index").stat().st_ino == (left / "work_dir/ckpt-1.index").stat().st_ino


@pytest.mark.parametrize("gone", [None, "ckpt-12.index"])
def test_a_checkpoint_that_lacks_a_file_is_refused(left: Path, gone: str | None) -> None:
    if gone:
        (left / "work_dir" / gone).unlink()
    code, said, results = gather(left, "work_dir/ckpt-12", "work_dir/ckpt-12.*")
    assert code == 1
    assert said["error"]["sentence"] == "The checkpoint ckpt-12 is not whole: some of its files are gone."  # type: ignore[index]
    assert not results.exists()


def test_what_is_not_there_is_named(left: Path) -> None:
    code, said, _ = gather(left, escape("work_dir/epoch_[1]*.pth"), "none/**")
    assert code == 1
    assert said["error"]["sentence"] == f"There is no such file in {left}: work_dir/epoch_[1]*.pth, none/**."  # type: ignore[index]
    code, said, _ = gather(left / "gone", "log", at=left.parent / "fetching")
    assert "is not there any more" in said["error"]["sentence"]  # type: ignore[index]


def test_folders_keep_their_shape_and_one_name_means_one_file(left: Path) -> None:
    (left.parent / "2" / "work_dir").mkdir(parents=True)
    (left.parent / "2" / "work_dir" / "best.pth").write_text("another")
    _, _, results = gather(left.parent, "1/work_dir/best.pth", "2/work_dir/best.pth", "1/results/**")
    assert names(results) == ["2/work_dir/best.pth", "a/1.jpg", "best.pth"]
    assert (results / "2/work_dir/best.pth").read_text() == "another"


def test_links_are_passed_over(left: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("private")
    (left / "results" / "out").symlink_to(tmp_path / "secret")
    (left / "results" / "key").symlink_to(tmp_path / "secret" / "key")
    _, _, results = gather(left, "results/**")
    assert names(results) == ["a/1.jpg"]


def test_twice_is_as_good_as_once(left: Path) -> None:
    assert gather(left, "log") == gather(left, "log")


def test_a_file_that_still_grows_is_waited_for_and_what_is_deleted_meanwhile_comes_all_the_same(left: Path) -> None:
    script = "import sys,time\nwith open(sys.argv[1],'ab',0) as file:\n  for _ in range(8):\n    file.write(b'x'*100); time.sleep(0.2)\n"
    path = left / "work_dir" / "fresh.pth"
    writer = subprocess.Popen([sys.executable, "-c", script, str(path)])
    while not path.exists():
        time.sleep(0.01)
    threading.Timer(0.8, (left / "work_dir/old.pth").unlink).start()
    (left / "work_dir/old.pth").write_text("a library keeps so many of the newest")
    os.utime(left / "work_dir/old.pth", (1, 1))
    code, _, results = gather(left, "work_dir/fresh.pth", "work_dir/old.pth")
    assert writer.wait(10) == 0
    assert (code, names(results)) == (0, ["fresh.pth", "old.pth"])
    assert path.stat().st_size == (results / "fresh.pth").stat().st_size == 800
