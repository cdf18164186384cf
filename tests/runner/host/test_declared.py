"""The program that looks at a declared environment, alone: its lines, its exit codes, and Pythons that misbehave."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from runner.entities import WorkResult
from runner.environments import look_plan
from runner.frameworks import find_framework
from runner.specs import DeclaredEnvironment
from runner.work_log import WorkStepParser
from tests.support.scripted_house import SCRIPTED

LOOK = Path(__file__).parents[3] / "runner" / "host" / "declared.py"


def look(folder: Path, program: str, **declared: str) -> tuple[int, list[str]]:
    """(exit code, lines) of looking, with a framework's program that does as written."""
    (folder / "declared.py").write_bytes(LOOK.read_bytes())
    (folder / "prepare_program").write_text(program)
    asked = {"framework": "some", "python": sys.executable, "code": str(folder), **declared}
    (folder / "declared.json").write_text(json.dumps(asked))
    argv = [sys.executable, "declared.py", "declared.json"]
    ended = subprocess.run(argv, cwd=folder, capture_output=True, timeout=60, check=False)
    return ended.returncode, ended.stdout.decode().splitlines()


IDENTIFIES = """
import json, sys
request = json.load(sys.stdin)
if sys.argv[1] == "identify":
    print(json.dumps({"torch": "2.1", "cuda": None, "code": request["code"], "revision": "r", "fingerprint": "f"}))
else:
    %s
"""


@pytest.mark.parametrize(
    ("smoke", "tried"), [("sys.exit('usage: prepare_some identify < request.json')", False), ("print(json.dumps({'loss': 1}))", True)]
)
def test_what_it_holds_is_the_result(tmp_path: Path, smoke: str, tried: bool) -> None:
    code, lines = look(tmp_path, IDENTIFIES % smoke)
    assert code == 0
    [result] = [each for each in WorkStepParser().feed("\n".join([*lines, ""]).encode()) if isinstance(each, WorkResult)]
    assert result.summary == {"fingerprint": "f", "revision": "r", "code": str(tmp_path), "versions": {"torch": "2.1"}, "tried": tried}


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (IDENTIFIES % "sys.exit('Traceback\\nRuntimeError: no kernel image')", "(smoke): RuntimeError: no kernel image"),
        ("import nothing_like_it", "(identify): ModuleNotFoundError: No module named 'nothing_like_it'"),
        ("print('[1]')", "failed with exit code 0 (identify): it said nothing"),
        ("print('{}')", "does not say what it holds of some"),
        ("import sys; print('{\"error\": {\"sentence\": \"It lacks a and b.\"}}'); sys.exit(3)", "ENVIRONMENT_ERROR: It lacks a and b."),
        ("import os; os.kill(os.getpid(), 9)", "failed with exit code -9 (identify): it said nothing"),
    ],
)
def test_what_is_wrong_is_the_last_line(tmp_path: Path, program: str, words: str) -> None:
    code, lines = look(tmp_path, program)
    assert code == 1
    assert lines[-1].startswith("ENVIRONMENT_ERROR: ")
    assert words in lines[-1]


def test_its_attempt_has_the_set_up_of_every_launch() -> None:
    declared = DeclaredEnvironment(framework="scripted", python="/p", code="/c", setup=(". /opt/env.sh",), variables={"A": "1"})
    plan = look_plan(declared, find_framework("scripted", (SCRIPTED,)), python="/usr/bin/python3")
    assert plan.argv == ("/usr/bin/python3", "declared.py", "declared.json")
    assert (plan.setup, plan.variables) == ((". /opt/env.sh",), {"A": "1"})
    assert json.loads(plan.files["declared.json"]) == {"framework": "scripted", "python": "/p", "code": "/c"}
