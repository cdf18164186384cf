"""What every framework promises, whatever it is: its attributes, its launch plans, its prepare program and its log parser.

A new framework needs nothing here, unless its launch lines depend on what its own preparing found out (``VALUES``).
"""

from __future__ import annotations

import json
import random
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from recipes.formats import format_names
from runner.entities import Environment
from runner.errors import BadSpecError
from runner.frameworks import all_frameworks
from runner.frameworks.base import Framework, LaunchPlan, Prepared, Ranks
from runner.host_program import packed
from runner.presets import load_presets
from runner.specs import DatasetRef, GivenFile, Kind, ModelSpec, Preset, Start, StartMode, TrainSpec

FRAMEWORKS = all_frameworks()
AWKWARD = "it's $HOME; rm -rf `x` \"é\" 日本 {a} %s"
MADE_BY_THE_EXECUTOR = {"spec.json", "launch.sh", "launch.env", "command.sh", "claim", "log", "pid", "exit", "data"}
PLACEHOLDER = re.compile(r"\{\w+\}|\$\{\w+\}|%\(\w+\)s|<\w+>")
FILLED_BY_THE_COMPANION = "{checkpoint}"
MMDET_FLAGS = ["--work-dir", "--work_dir", "--resume-from", "--resume_from", "--gpus", "--seed", "--out", "--eval", "--show-dir"]
LEGACY = {
    "flags": MMDET_FLAGS, "version": "1.2.0", "metrics": ["bbox"], "tool": "tools/publish_model.py", "classes": ["fish"], "cuda": True,
}  # fmt: skip
VALUES: Mapping[str, Mapping[str, object]] = {
    "m2det": {
        "source": {"kind": "VOC", "classes": ["fish"], "sets": {}, "root": "data/VOC2007", "year": "2007"}, "sources": "a",
        "first_epoch": 1, "classes": ["fish"],
    },
    "mmdet1": LEGACY,
    "mmdet2": {**LEGACY, "version": "2.25.0"},
    "tfod": {
        "steps": 100, "between_saves": 10, "evaluates": True, "first_number": 0, "first_step": 0, "first_epoch": 0.0,
        "steps_per_epoch": 10.0, "labels": {"fish": 1}, "label_map": "data/label_map.pbtxt", "splits": {}, "label_map_text": "item {}",
        "records": None,
    },
}  # fmt: skip


@pytest.fixture(params=sorted(FRAMEWORKS))
def framework(request: pytest.FixtureRequest) -> Framework:
    return FRAMEWORKS[request.param]


def plans(framework: Framework, environment: Environment, checkpoint: str) -> Iterator[tuple[Kind, LaunchPlan]]:
    """The launch plan of each kind that it offers."""
    reference = DatasetRef(name="fish", version=1, fingerprint="f", format=framework.formats[0])
    preset = Preset(name="any", framework=framework.name, config="a.py", description="any", epochs=3, batch=2, lr=0.1)
    prepared = Prepared(
        config=f"# {AWKWARD}\n", epochs=3, batch=2, lr=0.1, revision="r", iterations=5, checkpoint=checkpoint, checkpoint_epoch=2,
        values=VALUES.get(framework.name, {}),
    )  # fmt: skip
    launches: dict[Kind, Callable[[ModelSpec], LaunchPlan]] = {
        Kind.EVAL: lambda spec: framework.evaluate(spec, prepared, environment, Ranks()),
        Kind.PREDICT: lambda spec: framework.predict(spec, prepared, environment, Ranks()),
        Kind.EXPORT: lambda spec: framework.export(spec, prepared, environment),
    }
    for mode in (StartMode.FRESH, StartMode.RESUME, StartMode.FINETUNE):
        spec = TrainSpec(preset=preset, dataset=reference, start=Start(mode=mode, run_id="r-1"))
        known = prepared if mode is not StartMode.FRESH else replace(prepared, checkpoint=None, checkpoint_epoch=None)
        yield Kind.TRAIN, framework.train(spec, known, environment, Ranks())
    for kind in sorted(framework.kinds - {Kind.TRAIN}):
        files = (GivenFile(name=f"{AWKWARD[5:]}.png", digest="0" * 64),) if kind is Kind.PREDICT else ()
        yield kind, launches[kind](ModelSpec(
            kind=kind, preset=preset, model=Start(mode=StartMode.FINETUNE, run_id="r-1"), trained_on=reference,
            dataset=None if files else reference, host="gpu-1", files=files,
        ))  # fmt: skip


def environment_in(folder: Path) -> Environment:
    return Environment("gpu-1", "e", "f", f"{folder}/{AWKWARD}/python", f"{folder}/{AWKWARD}/code", "f", ("true",), {"GIVEN": AWKWARD})


def test_its_attributes(framework: Framework) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", framework.name)
    assert framework.formats
    assert set(framework.formats) <= set(format_names())
    assert {Kind.TRAIN} <= framework.kinds <= {Kind.TRAIN, Kind.EVAL, Kind.PREDICT, Kind.EXPORT}
    for folder in (framework.checkpoint_folder, framework.log_folder):
        assert not PurePosixPath(folder).is_absolute()
        assert ".." not in PurePosixPath(folder).parts
    assert framework.prepare_program.exists()
    assert framework.prepare_program.name.startswith("prepare_")


def test_every_preset_has_its_framework_and_every_framework_a_docstring() -> None:
    assert {preset.framework for preset in load_presets().values()} <= set(FRAMEWORKS)
    assert all(type(each).__doc__ for each in FRAMEWORKS.values())


def test_equal_specs_make_equal_plans(framework: Framework, tmp_path: Path) -> None:
    def again() -> list[tuple[Kind, LaunchPlan]]:
        return list(plans(framework, environment_in(tmp_path), f"{tmp_path}/{AWKWARD}/epoch_2.pth"))

    assert again() == again()


def test_every_plan_names_an_interpreter_and_files_of_its_own_directory(framework: Framework, tmp_path: Path) -> None:
    environment = environment_in(tmp_path)
    for _, plan in plans(framework, environment, f"{tmp_path}/{AWKWARD}/epoch_2.pth"):
        assert plan.argv[0] == environment.python
        assert not any("\0" in each or "\n" in each for each in plan.argv)
        assert plan.variables["GIVEN"] == AWKWARD
        assert "true" in plan.setup
        for name in plan.files:
            path = PurePosixPath(name)
            assert not path.is_absolute()
            assert ".." not in path.parts
            assert path.parts[0] not in MADE_BY_THE_EXECUTOR


def test_no_plan_leaves_a_placeholder(framework: Framework, tmp_path: Path) -> None:
    plain = Environment("gpu-1", "e", "f", "/env/python", "/env/code", "f", ("true",), {"GIVEN": AWKWARD})
    for _, plan in plans(framework, plain, "/runs/epoch_2.pth"):
        words = [*plan.argv, *_told_program(plan)]
        assert not [each for each in words if PLACEHOLDER.search(each.replace(FILLED_BY_THE_COMPANION, ""))]


def test_awkward_names_reach_the_programs_as_they_are(framework: Framework, tmp_path: Path) -> None:
    """The set-up lines and the program are carried out by a shell, with an interpreter that only writes down how it is called."""
    environment = environment_in(tmp_path)
    python = Path(environment.python)
    python.parent.mkdir(parents=True)
    calls = tmp_path / "calls"
    python.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" >>{shlex.quote(str(calls))}\n")
    python.chmod(0o755)
    for number, (kind, plan) in enumerate(plans(framework, environment, f"{tmp_path}/{AWKWARD}/epoch_2.pth")):
        directory = tmp_path / f"attempt {number}"
        for name, content in plan.files.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_bytes(content)
        calls.unlink(missing_ok=True)
        lines = "\n".join((*plan.setup, f"exec {shlex.join(plan.argv)}"))
        done = subprocess.run(["sh", "-c", lines], cwd=directory, capture_output=True, text=True, timeout=20, check=False)
        assert (done.returncode, done.stderr) == (0, ""), kind
        assert calls.read_text().splitlines()[-len(plan.argv) + 1 :] == list(plan.argv[1:])
        assert not list(directory.glob("HOME*"))


def _told_program(plan: LaunchPlan) -> list[str]:
    """The program that a companion is told to start."""
    if "companion.json" not in plan.files:
        return []
    return [str(each) for each in json.loads(plan.files["companion.json"])["program"]]


def test_the_companion_starts_the_environments_python_and_looks_where_checkpoints_lie(framework: Framework, tmp_path: Path) -> None:
    environment = environment_in(tmp_path)
    for _, plan in plans(framework, environment, f"{tmp_path}/{AWKWARD}/epoch_2.pth"):
        if program := _told_program(plan):
            assert program[0] == environment.python
            told = json.loads(plan.files["companion.json"])
            assert framework.checkpoint_folder == (told.get("keep_folder") or told["folder"])


def test_a_resume_without_a_checkpoint_never_trains_from_scratch(framework: Framework, tmp_path: Path) -> None:
    reference = DatasetRef(name="fish", version=1, fingerprint="f", format=framework.formats[0])
    preset = Preset(name="any", framework=framework.name, config="a.py", description="any", epochs=3, batch=2, lr=0.1)
    spec = TrainSpec(preset=preset, dataset=reference, start=Start(mode=StartMode.RESUME, run_id="r-1"))
    prepared = Prepared(config="", epochs=3, batch=2, lr=0.1, revision="r", values=VALUES.get(framework.name, {}))
    with pytest.raises(BadSpecError, match="no checkpoint"):
        framework.train(spec, prepared, environment_in(tmp_path), Ranks())


@pytest.mark.parametrize("arguments", [(), ("no such verb",), ("prepare", "verify")])
def test_its_prepare_program_is_one_file_and_says_how_it_is_called(
    framework: Framework, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    content = packed(framework.prepare_program)
    assert content == packed(framework.prepare_program)
    done = _ask(content, tmp_path, *arguments)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert "usage" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("verb", ["prepare", "verify", "identify"])
def test_a_request_that_is_no_object_is_answered(framework: Framework, tmp_path: Path, verb: str) -> None:
    done = _ask(packed(framework.prepare_program), tmp_path, verb, request="[]")
    assert done.returncode == 3
    assert json.loads(done.stdout)["error"]["sentence"].endswith(".")


def _ask(content: bytes, folder: Path, *arguments: str, request: str = "") -> subprocess.CompletedProcess[str]:
    program = folder / "prepare_program"
    program.write_bytes(content)
    command = [sys.executable, str(program), *arguments]
    return subprocess.run(command, input=request, capture_output=True, text=True, timeout=30, check=False)


def test_its_log_parser_takes_anything(framework: Framework) -> None:
    chance = random.Random(7)
    pieces = [
        b"\0\xff\x1b[1m", b"\n", b"\r", b"Epoch [1][2/3] lr: nan, ", b"||Epoch:1||EpochIter:0/2||", b"INFO:tensorflow:Step 1 per-step",
        b"{", b"AP for ", b"Average Precision  (AP) @[", b"x" * 5000, "日本".encode(), b"coco/bbox_mAP: 1e999", b'{"signalbox":', b"\x80",
    ]  # fmt: skip
    for _ in range(50):
        parser, fed = framework.log_parser(None), 0
        for _ in range(40):
            data = b"".join(chance.choices(pieces, k=chance.randrange(6)))
            parser.feed(data)
            fed += len(data)
            assert 0 <= parser.pending_bytes <= fed
