from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from recipes.__main__ import COMMANDS, main
from recipes.progress import bar, json_lines
from recipes.recipe import RESERVED

HEAVY = ("numpy", "cv2", "torch", "matplotlib", "pandas", "PIL", "pycocotools", "slack_sdk", "paramiko", "bot", "runner")


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(arguments)
    out, err = capsys.readouterr()
    return status, out, err


@pytest.mark.slow
def test_converts_a_zip_and_checks_the_result(
    video: Path, packed: Callable[[Path], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = said(capsys, "vatic-to-coco", str(packed(video)), str(tmp_path / "out"), "gap=3", "--json")
    assert status == 0
    summary = json.loads(out)
    assert summary["format"] == "coco"
    assert summary["splits"].keys() == {"train", "val"}
    assert {entry["reason"] for entry in summary["left_out"]} == {"lost", "occluded", "gap between splits"}
    status, out, _ = said(capsys, "check", str(tmp_path / "out"))
    assert status == 0
    assert f"{summary['images']:,} images, {summary['boxes']:,} boxes (coco)" in out
    status, out, _ = said(capsys, "coco:coco", str(tmp_path / "out"), str(tmp_path / "again"), "--dry-run")
    assert status == 0
    assert not (tmp_path / "again").exists()


def test_a_catalog_from_ingest_to_verify(
    video: Path, packed: Callable[[Path], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    catalog = ["--catalog", str(tmp_path / "catalog")]
    status, out, err = said(capsys, "ingest", str(packed(video)), *catalog, "--name", "fish", "--by", "U1", "--json", "--progress", "json")
    card = json.loads(out)
    assert (status, card["reference"], card["summary"]["images"], card["lineage"]["created_by"]) == (0, "fish@1", 100, "U1")
    assert Path(card["preview_path"]).is_file()
    lines = [json.loads(line) for line in err.splitlines()]
    assert all(set(line) >= {"done", "total", "phase"} for line in lines)
    assert lines[-1] == {"done": 101, "total": 101, "phase": "storing files"}
    status, out, _ = said(capsys, "convert", "fish", "vatic-to-coco", "val=0.3", *catalog, "--json")
    card = json.loads(out)
    assert (status, card["reference"], card["lineage"]["parameters"]["steps"][1]["split"]["val"]) == (0, "fish@2", 0.3)
    assert said(capsys, "verify", *catalog)[:2] == (0, "Every content of every dataset is whole.\n")


def test_errors_are_sentences_or_json_and_status_1(video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (video / "fish.txt").open("a") as file:
        file.write("1 2\n3\n")
    status, out, err = said(capsys, "vatic-to-coco", str(video), str(tmp_path / "out"))
    assert (status, out) == (1, "")
    assert "The annotation has 2 defects." in err
    status, out, _ = said(capsys, "vatic-to-coco", str(video), str(tmp_path / "out"), "--json")
    error = json.loads(out)["error"]
    assert (status, error["kind"], len(error["defects"])) == (1, "FormatError", 2)
    assert error["text"] == err.rstrip("\n")


def test_check_finds_what_a_conversion_would_refuse(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (video / "fish.txt").open("a") as file:
        file.write('9 5 5 5 9 3 0 0 0 "Fish"\n')
    status, out, _ = said(capsys, "check", str(video))
    assert status == 1
    assert "error: 1 boxes have no area (fish.txt, line " in out
    assert "warning: 1 pairs of class names are nearly the same ('fish' and 'Fish')" in out


@pytest.mark.parametrize(
    ("arguments", "says"), [(["ingest", "x"], "--catalog"), (["vatic-to-coco", "x"], "destination"), (["check", "x", "--fast"], "--fast")]
)
def test_wrong_usage_is_status_2(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert says in capsys.readouterr().err


def test_help_lists_every_command_and_recipes_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS if name != "run")
    assert set(COMMANDS) - {"run"} <= RESERVED
    assert "vatic-to-coco: VATIC" in said(capsys, "list")[1]
    assert "2. Leave out boxes that are lost or occluded." in said(capsys, "show", "vatic-to-coco")[1]


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.slow
def test_stopping_leaves_nothing_half_made(video: Path, tmp_path: Path, processes: int) -> None:
    """TERM in the middle of writing: the status tells the signal, and neither result nor scratch folder is there."""
    code = (
        "import os, signal, sys, time, runpy, recipes.placing as placing\n"
        "main = os.getpid()\n"
        "placing.place = lambda *_: (os.kill(main, signal.SIGTERM), time.sleep(10))\n"
        f"sys.argv = ['recipes', 'vatic-to-coco', {str(video)!r}, {str(tmp_path / 'out')!r}, '--processes', '{processes}']\n"
        "runpy.run_module('recipes', run_name='__main__')\n"
    )
    stopped = subprocess.run([sys.executable, "-c", code], check=False, timeout=30)
    assert stopped.returncode == 128 + signal.SIGTERM
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


def test_what_the_disk_says_is_a_sentence_too(video: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    status, _, err = said(capsys, "vatic-to-coco", str(video), str(tmp_path / "file" / "out"))
    assert status == 1
    assert "Mend that and try again." in err


def test_starting_a_recipe_loads_nothing_heavy() -> None:
    code = f"import sys, recipes.__main__ as m; m.main(['show', 'vatic-to-coco']); print([n for n in {HEAVY} if n in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert out.stdout.splitlines()[-1] == "[]"


def test_progress_is_paced_but_never_swallows_an_end(capsys: pytest.CaptureFixture[str]) -> None:
    moments = iter(number * 0.01 for number in range(1000))
    progress = json_lines(sys.stderr, clock=lambda: next(moments))
    for done in range(1, 101):
        progress(done, 100, "one")
    progress(1, 5, "two")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert len(lines) in range(10, 14)
    assert lines[-2:] == [{"done": 100, "total": 100, "phase": "one"}, {"done": 1, "total": 5, "phase": "two"}]
    bar(sys.stderr)(5, 5, "three")
    assert "three" in capsys.readouterr().err


def test_how_fast_it_goes_is_told_of_the_phase_under_way(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    progress = json_lines(sys.stderr, clock=lambda: now[0])
    for second in range(40):  # the first five seconds stand still, as before a download that is resumed
        now[0] = float(second)
        progress(5_000_000 + 2_000_000 * max(0, second - 5), 100_000_000, "downloading")
    progress(1, 10, "storing files")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert {line.get("unit") for line in lines[:-1]} == {"bytes"}
    assert "rate" not in lines[0]
    assert lines[-2]["rate"] == pytest.approx(2_000_000)
    assert lines[-1] == {"done": 1, "total": 10, "phase": "storing files"}
    now[0] = 0.0
    shown = bar(sys.stderr, clock=lambda: now[0])
    shown(0, 100_000_000, "downloading")
    now[0] = 2.0
    shown(10_000_000, 100_000_000, "downloading")
    assert "10.0/100.0 MB, 5.0 MB/s, 18 s left" in capsys.readouterr().err
