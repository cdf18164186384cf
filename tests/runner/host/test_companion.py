"""The companion of a training: which checkpoints it tells, keeps and has evaluated, and that it never stands in the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner.entities import Checkpoint
from runner.frameworks.tfod_log import tfod_log_parser
from runner.host import companion as module
from runner.own_lines import OwnLines

PROGRAM = Path(module.__file__)
SAVE = """
import os, sys, time
def save(name, size=10):
    os.makedirs("model", exist_ok=True)
    with open("model/" + name + ".new", "wb") as file:
        file.write(b"x" * size)
    os.rename("model/" + name + ".new", "model/" + name)
def save_prefix(number):
    save("ckpt-%d.data-00000-of-00001" % number, 100)
    save("ckpt-%d.index" % number)
"""
TF = {"pattern": r"(?P<name>ckpt-(?P<number>\d+))\.index", "first_number": 1, "epochs_per_number": 2.5}
EPOCHS = {"pattern": r"epoch_(?P<number>\d+)\.pth", "epochs_per_number": None}


def start(directory: Path, program: str, **plan: object) -> subprocess.Popen[bytes]:
    (directory / "program.py").write_text(SAVE + program)
    content = {"program": [sys.executable, "program.py"], "folder": "model", "poll_s": 0.2, **plan}
    (directory / "companion.json").write_text(json.dumps(content))
    argv = [sys.executable, str(PROGRAM), "companion.json"]
    return subprocess.Popen(argv, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)


def run(directory: Path, program: str, **plan: object) -> tuple[int, bytes, list[Checkpoint]]:
    child = start(directory, program, **plan)
    said, _ = child.communicate(timeout=60)
    return child.returncode, said, told(said)


def told(said: bytes) -> list[Checkpoint]:
    return [record for record in OwnLines(tfod_log_parser()).feed(said) if isinstance(record, Checkpoint)]


def test_checkpoints_are_told_with_their_epochs_and_sizes(tmp_path: Path) -> None:
    program = "print('line', flush=True)\nsave('epoch_1.pth')\nsave('epoch_2.pth', 20)\nsave('last.pth')"
    code, said, records = run(tmp_path, program, **EPOCHS)
    assert code == 0
    assert said.startswith(b"line\n")
    assert records == [Checkpoint("epoch_1.pth", 1, size_bytes=10), Checkpoint("epoch_2.pth", 2, size_bytes=20)]


def test_a_prefix_is_all_its_files_and_its_epoch_counts_from_the_first(tmp_path: Path) -> None:
    _, _, records = run(tmp_path, "for n in (1, 2, 3): save_prefix(n)", **TF)
    assert records == [Checkpoint("ckpt-2", 2, size_bytes=110), Checkpoint("ckpt-3", 5, size_bytes=110)]


def test_what_the_library_deletes_stays_where_it_is_kept(tmp_path: Path) -> None:
    program = "import glob\nsave_prefix(2)\ntime.sleep(0.8)\n[os.remove(name) for name in glob.glob('model/*')]\nsave_prefix(3)"
    _, _, records = run(tmp_path, program, **TF, keep_folder="kept")
    assert [(each.name, each.removed) for each in records] == [("ckpt-2", False), ("ckpt-3", False)]
    assert len(list((tmp_path / "kept").iterdir())) == 4


def test_what_is_gone_is_told(tmp_path: Path) -> None:
    program = "save('epoch_1.pth')\ntime.sleep(0.8)\nos.remove('model/epoch_1.pth')\ntime.sleep(0.5)"
    _, _, records = run(tmp_path, program, **EPOCHS)
    assert [(each.name, each.removed) for each in records] == [("epoch_1.pth", False), ("epoch_1.pth", True)]


def test_a_growing_file_is_not_told_before_it_is_whole(tmp_path: Path) -> None:
    program = "save('epoch_1.pth')\nfor n in range(25):\n    open('model/epoch_1.pth', 'ab').write(b'x' * 10)\n    time.sleep(0.05)"
    _, _, records = run(tmp_path, program, **EPOCHS)
    assert records == [Checkpoint("epoch_1.pth", 1, size_bytes=260)]


def test_the_newest_is_evaluated_and_the_best_one_outlives_the_others(tmp_path: Path) -> None:
    (tmp_path / "judge.py").write_text(
        "import os, sys\nnumber = int(sys.argv[1].rpartition('_')[2][:-4])\nassert os.environ['BLIND'] == 'yes'\n"
        "print('looked at', number)\nprint('mAP: %s' % {1: 0.2, 2: 0.7, 3: 0.1, 4: 0.3}[number])"
    )
    evaluate = {
        "program": [sys.executable, "judge.py", "{checkpoint}"], "variables": {"BLIND": "yes"}, "metric": r"^mAP: (?P<value>[\d.]+)",
    }
    program = "for n in (1, 2, 3, 4):\n    save('epoch_%d.pth' % n)\n    time.sleep(1.2 if n < 4 else 0)"
    _, said, records = run(tmp_path, program, **EPOCHS, keep_folder="kept", keep=1, evaluate=evaluate)
    assert [each.name for each in records if each.best] == ["epoch_1.pth", "epoch_2.pth"]
    assert {each.name for each in records if each.removed} == {"epoch_1.pth", "epoch_3.pth"}
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {"epoch_2.pth", "epoch_4.pth"}
    assert b"looked at 4" in said


@pytest.mark.parametrize(("program", "code"), [("sys.exit(7)", 7), ("os.kill(os.getpid(), 9)", 137), ("os.kill(os.getpid(), 15)", 143)])
def test_it_ends_as_the_training_ends(tmp_path: Path, program: str, code: int) -> None:
    assert run(tmp_path, program, **EPOCHS)[0] == code


def test_a_failed_training_waits_for_no_evaluation(tmp_path: Path) -> None:
    evaluate = {"program": [sys.executable, "-c", "import time; time.sleep(50)"]}
    began = time.monotonic()
    code, _, records = run(tmp_path, "save('epoch_1.pth')\ntime.sleep(0.8)\nsys.exit(3)", **EPOCHS, evaluate=evaluate)
    assert (code, len(records)) == (3, 1)
    assert time.monotonic() - began < 15


def test_an_evaluation_without_end_is_ended(tmp_path: Path) -> None:
    evaluate = {"program": [sys.executable, "-c", "import time; time.sleep(50)"], "deadline_s": 1}
    code, said, _ = run(tmp_path, "save('epoch_1.pth')", **EPOCHS, evaluate=evaluate)
    assert code == 0
    assert b"the last evaluation took longer than 1 s and is ended" in said


def test_a_term_lets_the_training_finish(tmp_path: Path) -> None:
    program = (
        "import signal\nstopped = []\nsignal.signal(signal.SIGTERM, lambda *_: stopped.append(1))\nprint('ready', flush=True)\n"
        "while not stopped: time.sleep(0.05)\nsave('epoch_9.pth')\nsys.exit(5)"
    )
    child = start(tmp_path, program, **EPOCHS)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    os.killpg(child.pid, signal.SIGTERM)
    said, _ = child.communicate(timeout=30)
    assert (child.returncode, told(said)) == (5, [Checkpoint("epoch_9.pth", 9, size_bytes=10)])


@pytest.mark.parametrize("plan", [
    {"pattern": "("}, {"pattern": r"epoch_1\.pth"}, {**EPOCHS, "keep_folder": "program.py"}, {},
    {**EPOCHS, "evaluate": {"program": ["/no/such/program"]}},
])  # fmt: skip
def test_its_own_troubles_never_harm_the_training(tmp_path: Path, plan: dict[str, object]) -> None:
    code, said, _ = run(tmp_path, "save('epoch_1.pth')\ntime.sleep(0.7)\nprint('done')\nsys.exit(4)", **plan)
    assert code == 4
    assert b"done\n" in said
    assert b"signalbox companion: " in said


def test_its_syntax_is_that_of_an_old_python() -> None:
    compile(PROGRAM.read_text(), "companion.py", "exec", dont_inherit=True)
    assert "import annotations" not in PROGRAM.read_text()
