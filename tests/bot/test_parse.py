"""`signalbox parse`: a log at hand, in a terminal, without settings, database or server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.__main__ import main
from bot.parse import MOST_ROWS
from tests.support.log_records import CASES, family

LOGS = CASES[0].parent
ROOT = Path(__file__).parents[2]


def parsed(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[object, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["parse", *map(str, words)])
    out, err = capsys.readouterr()
    return ended.value.code, out, err


def test_a_table_shows_losses_mean_precisions_and_checkpoints(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = parsed(capsys, LOGS / "mmdet2_train_iterations.log")

    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "mmdet: 1 point, 1 evaluation, 1 checkpoint",
        "",
        "epoch   iteration    loss        lr  s/iteration",
        "    1  100/100000  1.1088  0.001978        0.303",
        "",
        "epoch  task     AP   AP50  AP75  small  medium  large",
        "    0  bbox  0.011  0.017     -      -       -      -  best",
        "",
        "last checkpoint: iter_5000.pth",
        "",
        "Its end tells of no failure.",
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_every_case_is_one_json_object_a_line_with_the_diagnosis_last(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = parsed(capsys, "--json", case)

    def refuse(word: str) -> float:
        raise AssertionError(word)

    objects = [json.loads(line, parse_constant=refuse) for line in out.splitlines()]
    expected = case.with_suffix(".expected.txt").read_text().splitlines()
    assert code == 0
    assert [each["kind"] for each in objects] == [*(line.split()[0] for line in expected), "diagnosis"]
    assert objects[-1]["framework"] == (family(case) if expected else None)


def test_a_number_that_is_none_is_a_word_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = parsed(capsys, "--json", LOGS / "m2det_train.log")

    assert json.loads(out.splitlines()[1])["values"] == {"Loss_L": "NaN", "Loss_C": "Infinity"}


def test_a_crash_without_a_record_is_diagnosed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "train.log"
    log.write_text('Traceback (most recent call last):\n  File "train.py", line 3, in <module>\n    go()\nKeyError: \'fish\'\n')

    code, out, _ = parsed(capsys, log)
    assert code == 0
    assert "CODE_ERROR: The program failed with KeyError: 'fish'" in out
    _, out, _ = parsed(capsys, "--json", log)
    assert json.loads(out)["reason"] == "CODE_ERROR"


def test_a_diverged_training_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "the training diverged" in parsed(capsys, LOGS / "mmdet2_train_nan.log")[1]


def test_a_framework_may_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert parsed(capsys, LOGS / "tfod_evaluation.log", "--framework", "pycocotools")[1].startswith("pycocotools: 0 points, 1 evaluation,")
    code, _, err = parsed(capsys, LOGS / "tfod_evaluation.log", "--framework", "yolo")
    assert code == 2
    assert "mmdet-json" in err


def test_long_logs_are_shown_in_few_rows_with_the_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "long.log"
    line = "Epoch [{}][{}/50]\tlr: 1e-3, time: 0.1, data_time: 0.1, loss: {}\n"
    log.write_text("".join(line.format(epoch, inside, epoch / 100) for epoch in range(1, 301) for inside in (25, 50)))

    rows = parsed(capsys, log)[1].splitlines()[3:-2]
    assert len(rows) == MOST_ROWS
    assert [rows[0].split()[:2], rows[-1].split()[:2]] == [["1", "50/50"], ["300", "50/50"]]


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "prose"])
def test_what_is_no_log_is_refused_in_a_sentence(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "it"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "prose":
        path.write_bytes(b"Nothing of interest.\n" * 3)

    code, out, err = parsed(capsys, path)
    assert (code, out) == (1, "")
    assert str(path) in err


def test_a_log_cannot_move_the_cursor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "hostile.log"
    log.write_bytes(b"Now best checkpoint is saved as \x1b]0;owned\x07\x9b2J.pth\nKeyError: '\x1b]0;owned\x07'\n")

    out = parsed(capsys, log)[1]
    assert "owned" in out
    assert "\x1b" not in out
    assert "\x07" not in out


def test_no_settings_and_no_database_are_needed(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "bot", "parse", str(LOGS / "m2det_evaluation_voc.log")], cwd=ROOT, check=False,
        capture_output=True, text=True, timeout=60, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )  # fmt: skip

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "0.500" in ended.stdout
    assert list(tmp_path.iterdir()) == []
