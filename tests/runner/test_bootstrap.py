"""The bootstrap for real, with tiny profiles: built once, resumed after a kill, reused, and its failures as sentences.

The packages are made here and need no network; the compiled one has a build backend that counts like ninja.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
import yaml

from runner.diagnosis import diagnose
from runner.entities import WorkResult, WorkStep
from runner.environments import Ready, find_ready, launch_plan, requirements
from runner.states import Reason
from runner.work_log import WorkStepParser

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
BACKEND = '''
import os, time, zipfile
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    os.mkdir(os.path.join(folder, "tinyops-1.0.dist-info"))
    for name, text in META.items():
        with open(os.path.join(folder, "tinyops-1.0.dist-info", name), "w") as file:
            file.write(text)
    return "tinyops-1.0.dist-info"
def build_wheel(folder, config_settings=None, metadata_directory=None):
    pause = os.environ.get("TINY_PAUSE_S")
    for step in range(1, 4):
        print(f"[{step}/3] c++ -c part{step}.cpp", flush=True)
        if pause:
            time.sleep(float(pause))
    with zipfile.ZipFile(os.path.join(folder, "tinyops-1.0-py3-none-any.whl"), "w") as wheel:
        wheel.writestr("tinyops/__init__.py", f"FLAGS = {os.environ.get('CXXFLAGS')!r}")
        for name, text in META.items():
            wheel.writestr(f"tinyops-1.0.dist-info/{name}", text)
    return "tinyops-1.0-py3-none-any.whl"
META = {"METADATA": "Metadata-Version: 2.1\\nName: tinyops\\nVersion: 1.0\\n", "RECORD": "",
        "WHEEL": "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"}
'''
PROFILE = {
    "framework": "tiny", "description": "tiny", "pythons": [PYTHON], "names": ["tinypure", "tinyops"], "compiled_for": "tinypure",
    "imports": ["tinypure", "tinyops"], "variables": {"TINY": "1"},
    "steps": [
        {"phase": "install tinypure", "install": ["tinypure==2.0"]},
        {"phase": "compile tinyops", "compile": "tinyops==1.0", "cpu_flags": {"CXXFLAGS": "-O1"}},
    ],
}  # fmt: skip


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    folder = tmp_path / "packages"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tinypure-2.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tinypure.py", "")
        wheel.writestr("tinypure-2.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tinypure\nVersion: 2.0\n")
        wheel.writestr("tinypure-2.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("tinypure-2.0.dist-info/RECORD", "")
    with tarfile.open(folder / "tinyops-1.0.tar.gz", "w:gz") as archive:
        for name, text in {
            "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
            "backend.py": BACKEND,
            "PKG-INFO": "Metadata-Version: 2.1\nName: tinyops\nVersion: 1.0\n",
        }.items():
            entry = tarfile.TarInfo(f"tinyops-1.0/{name}")
            entry.size = len(text.encode())
            archive.addfile(entry, BytesIO(text.encode()))
    return folder


pytestmark = pytest.mark.slow


class Bench:
    """One host's home for builds: cache, packages, an attempt's directory."""

    def __init__(self, root: Path, packages: Path) -> None:
        self.root, self.cache = root, root / "a cache"
        self.profiles = root / "profiles"
        self.profiles.mkdir()
        pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(packages), "PIP_CONFIG_FILE": "/dev/null"}
        self.variables = {**os.environ, **pip, "XDG_CACHE_HOME": str(self.cache)}
        self.profile(PROFILE)

    def profile(self, content: dict[str, object]) -> None:
        (self.profiles / "tiny.yaml").write_text(yaml.safe_dump(content))

    def start(self, **variables: str) -> subprocess.Popen[bytes]:
        attempt = Path(tempfile.mkdtemp(prefix="attempt ", dir=self.root))
        plan = launch_plan(requirements("tiny", folder=self.profiles))
        for name, content in plan.files.items():
            (attempt / name).write_bytes(content)
        return subprocess.Popen(
            plan.argv, cwd=attempt, env={**self.variables, **variables}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def build(self, **variables: str) -> tuple[int, bytes]:
        child = self.start(**variables)
        output, _ = child.communicate(timeout=120)
        return child.returncode, output

    @property
    def environment(self) -> Path:
        [folder] = (self.cache / "signalbox" / "environments").iterdir()
        return folder


@pytest.fixture
def bench(tmp_path: Path, packages: Path) -> Bench:
    return Bench(tmp_path, packages)


def phases(output: bytes) -> list[tuple[str, int, int | None]]:
    return [(each.phase, each.done, each.total) for each in WorkStepParser().feed(output) if isinstance(each, WorkStep)]


def test_a_build_ends_in_ready_and_the_next_reuses_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    code, output = bench.build()
    assert code == 0, output.decode()
    assert ("compile tinyops", 2, 3) in phases(output)
    [result] = [each for each in WorkStepParser().feed(output) if isinstance(each, WorkResult)]
    ready = Ready.model_validate(result.summary)
    assert ready == Ready.model_validate_json((bench.environment / "READY").read_bytes())
    assert ready.versions == {"tinypure": "2.0", "tinyops": "1.0"}
    assert bench.environment.name.startswith(f"tinypure-2.0_tinyops-1.0_py{PYTHON}-")
    assert subprocess.run([ready.python, "-c", "import tinyops; print(tinyops.FLAGS)"], capture_output=True, check=True).stdout == b"-O1\n"

    monkeypatch.setenv("XDG_CACHE_HOME", str(bench.cache))
    found = find_ready("tiny", folder=bench.profiles)
    assert found is not None
    assert (found.name, found.python, found.fingerprint, dict(found.variables)) == ("tiny", ready.python, ready.fingerprint, {"TINY": "1"})

    code, output = bench.build()
    assert code == 0
    assert [phase for phase, _, _ in phases(output)] == ["check the environment"]


def test_a_killed_build_goes_on_where_it_was(bench: Bench) -> None:
    child = bench.start(TINY_PAUSE_S="20")
    seen = b""
    assert child.stdout is not None
    for line in child.stdout:
        seen += line
        if b"compile tinyops" in line and b'"done": 1' in line and b'"total": 3' in line:
            break
    os.killpg(child.pid, signal.SIGKILL)
    child.wait(timeout=10)
    child.stdout.close()
    assert ("install tinypure", 0, None) in phases(seen)
    assert not (bench.environment / "READY").exists()

    code, output = bench.build()
    assert code == 0, output.decode()
    assert "install tinypure" not in [phase for phase, _, _ in phases(output)]
    # The source fetched before the kill is built on: compilers that keep their objects there go on with them.
    assert (bench.environment / "build.log").read_text().count(" download ") == 1


def test_a_compiled_wheel_is_kept_for_the_next_environment(bench: Bench) -> None:
    assert bench.build()[0] == 0
    shutil.rmtree(bench.environment)
    code, output = bench.build()
    assert code == 0
    assert not [step for step in phases(output) if step[2] == 3]


def test_a_second_builder_waits_and_then_reuses(bench: Bench) -> None:
    first = bench.start(TINY_PAUSE_S="1")
    assert first.stdout is not None
    first.stdout.readline()
    time.sleep(0.2)
    second = bench.start()
    output, _ = second.communicate(timeout=120)
    first.communicate(timeout=120)
    assert (first.returncode, second.returncode) == (0, 0), output.decode()
    waited = [phase for phase, _, _ in phases(output)]
    assert waited[0] == "wait for another build of the same environment"
    assert waited[-1] == "check the environment"
    assert "install tinypure" not in waited


def test_a_broken_environment_is_built_anew(bench: Bench) -> None:
    assert bench.build()[0] == 0
    [module] = bench.environment.glob("venv/lib/python*/site-packages/tinypure.py")
    module.write_text("raise ImportError('broken by hand')")
    code, output = bench.build()
    assert code == 0, output.decode()
    assert "install tinypure" in [phase for phase, _, _ in phases(output)]


def test_a_package_that_does_not_exist_is_a_sentence_with_the_tail_before_it(bench: Bench) -> None:
    steps = [{"phase": "install nothing", "install": ["tinypure==9.9"]}]
    bench.profile({**PROFILE, "names": ["tinypure"], "steps": steps})
    code, output = bench.build()
    found = diagnose(exit_code=code, tail=output)
    assert (code, found.reason) == (1, Reason.ENVIRONMENT_ERROR)
    assert "'install nothing' ended with exit code 1: ERROR: " in found.sentence
    assert "build.log" in found.sentence
    assert any("No matching distribution found for tinypure==9.9" in line for line in found.tail)


def test_a_profile_without_its_python_names_the_packages_to_install(bench: Bench) -> None:
    bench.profile({**PROFILE, "pythons": ["3.1"]})
    code, output = bench.build()
    found = diagnose(exit_code=code, tail=output)
    assert found.reason is Reason.ENVIRONMENT_ERROR
    assert "No Python 3.1 was found" in found.sentence
    assert "gcc g++ python3-venv python3-dev" in found.sentence


def test_a_host_without_a_compiler_is_told_before_anything_is_built(bench: Bench, tmp_path: Path) -> None:
    few = tmp_path / "few programs"
    few.mkdir()
    for program in ("sh", "dirname"):
        (few / program).symlink_to(shutil.which(program) or "")
    (few / f"python{PYTHON}").symlink_to(sys.executable)
    code, output = bench.build(PATH=str(few))
    assert code == 1
    assert output.decode().splitlines()[-1].startswith("ENVIRONMENT_ERROR: This host lacks gcc, g++, without which")
    assert not (bench.environment / "venv").exists()


def test_a_host_without_any_python_is_a_sentence(bench: Bench, tmp_path: Path) -> None:
    few = tmp_path / "no python"
    few.mkdir()
    script = launch_plan(requirements("tiny", folder=bench.profiles)).files["bootstrap.sh"]
    (tmp_path / "bootstrap.sh").write_bytes(script.replace(b"/usr/bin/python3", b"/nowhere/python3"))
    for program in ("sh", "dirname"):
        (few / program).symlink_to(shutil.which(program) or "")
    argv = [str(few / "sh"), str(tmp_path / "bootstrap.sh")]
    ended = subprocess.run(argv, env={"PATH": str(few)}, capture_output=True, check=False, timeout=20)
    assert ended.returncode == 1
    assert ended.stdout.startswith(b"ENVIRONMENT_ERROR: No Python from 3.9 on was found on this host.")


def test_a_failed_smoke_test_is_no_environment(bench: Bench) -> None:
    bench.profile({**PROFILE, "imports": ["tinypure", "nothing_like_it"]})
    code, output = bench.build()
    assert code == 1
    assert b"No module named 'nothing_like_it'" in output
    assert not (bench.environment / "READY").exists()


def test_a_ready_file_that_is_not_json_counts_for_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(bench.cache))
    assert find_ready("tiny", folder=bench.profiles) is None
    frozen = requirements("tiny", folder=bench.profiles)
    place = bench.cache / "signalbox" / "environments" / f"{frozen['key']}_py{PYTHON}-{frozen['hash']}"
    place.mkdir(parents=True)
    (place / "READY").write_text(json.dumps({"python": 3}))
    assert find_ready("tiny", folder=bench.profiles) is None
