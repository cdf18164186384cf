"""Builds a training environment from a profile, once: ``bootstrap_build.py profile.json``. Standard library only.

The environment lies in ``<cache>/environments/<key>``: ``venv``, ``steps`` (a mark for each finished step), ``build.log`` and, written
last by rename, ``READY`` (JSON). Progress goes to stdout as JSON lines; the last line is ``{"summary": <content of READY>}``.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bootstrap_host as host
from bootstrap_command import Commands, say
from bootstrap_host import BuildError

_INSTALL_S = 3600.0
_COMPILE_S = 3 * 3600.0
_SMOKE_S = 900.0
_START_S = 120.0
_VERSIONS = """
import importlib.metadata as m, json, sys, sysconfig
print(json.dumps({"versions": {d.metadata["Name"].lower(): d.version for d in m.distributions()},
    "python": "%d.%d.%d" % sys.version_info[:3], "packages": sysconfig.get_paths()["purelib"]}))
"""


@dataclass(frozen=True)
class Build:
    """One environment to be made: its profile, its folder, the interpreter it stands on."""

    profile: dict[str, Any]
    folder: Path
    base: host.Interpreter
    commands: Commands

    @property
    def python(self) -> str:
        return str(self.folder / "venv" / "bin" / "python")

    @property
    def wheels(self) -> Path:
        return host.cache_folder() / "wheels"

    def pip(self, *arguments: str, phase: str, deadline_s: float = _INSTALL_S, variables: dict[str, str] | None = None) -> None:
        """Run the environment's pip; it reads the user's own pip configuration (mirrors, indexes)."""
        argv = [self.python, "-m", "pip", "--no-input", "--disable-pip-version-check", "--retries", "5", "--timeout", "60"]
        self.commands.run([*argv, *arguments], phase=phase, deadline_s=deadline_s, variables=variables)


def main() -> int:
    """Build or find the environment; 0 when it is ready. On failure the last line starts with ``ENVIRONMENT_ERROR:``."""
    host.start_nicely()
    try:
        profile = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
        ready = _make(profile)
    except BuildError as error:
        print(f"ENVIRONMENT_ERROR: {error}", flush=True)
        return 1
    except OSError as error:
        print(f"ENVIRONMENT_ERROR: The environment could not be written: {error}. Free or mend that place and start again.", flush=True)
        return 1
    print(json.dumps({"summary": ready}), flush=True)
    return 0


def _make(profile: dict[str, Any]) -> dict[str, Any]:
    base = host.interpreter(profile["pythons"])
    folder = host.cache_folder() / "environments" / f"{profile['key']}_py{base.version}-{profile['hash']}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        _wait_for(lock.fileno())
        build = Build(profile, folder, base, Commands(folder / "build.log", lock.fileno()))
        ready = _reuse(build)
        if ready is None:
            _check_host(build)
            _build(build)
            ready = _publish(build)
        return ready


def _wait_for(lock: int) -> None:
    waited = 0
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waited % 10 == 0:
                say("wait for another build of the same environment", waited)
            time.sleep(1)
            waited += 1
        else:
            return


def _reuse(build: Build) -> dict[str, Any] | None:
    try:
        ready: dict[str, Any] = json.loads((build.folder / "READY").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    say("check the environment")
    try:
        _import(build)
    except BuildError:
        # Somebody changed it, or the interpreter below it went away: it is made anew from its first step.
        (build.folder / "READY").unlink()
        shutil.rmtree(build.folder / "steps", ignore_errors=True)
        return None
    return ready


def _check_host(build: Build) -> None:
    compiling = any("compile" in step and not _cached_wheel(build, step["compile"]) for step in build.profile["steps"])
    missing = host.missing_packages(build.base, compiling=compiling)
    if missing:
        raise BuildError(
            f"This host lacks {', '.join(missing)}, without which the environment cannot be built for {build.base.executable}. "
            f"Install what is missing (Debian: apt-get install {host.DEBIAN_PACKAGES}) and start the bootstrap again."
        )


def _build(build: Build) -> None:
    marks = build.folder / "steps"
    if not (marks / "venv").exists():
        shutil.rmtree(build.folder / "venv", ignore_errors=True)
        shutil.rmtree(marks, ignore_errors=True)
        say("make a virtual environment")
        argv = [build.base.executable, "-m", "venv", str(build.folder / "venv")]
        build.commands.run(argv, phase="make a virtual environment", deadline_s=_START_S * 5)
        marks.mkdir()
        (marks / "venv").touch()
    for number, step in enumerate(build.profile["steps"]):
        mark = marks / str(number)
        if not mark.exists():
            say(step["phase"])
            _step(build, step)
            mark.touch()
    _smoke(build)


def _step(build: Build, step: dict[str, Any]) -> None:
    phase = step["phase"]
    if "compile" in step:
        _install_compiled(build, step)
    if step.get("remove"):
        build.pip("uninstall", "-y", *step["remove"], phase=phase)
    if step.get("install"):
        build.pip("install", "--progress-bar", "off", *step["install"], phase=phase)
    if step.get("reinstall"):
        build.pip("install", "--progress-bar", "off", "--force-reinstall", "--no-deps", *step["reinstall"], phase=phase)


def _install_compiled(build: Build, step: dict[str, Any]) -> None:
    wheel = _cached_wheel(build, step["compile"])
    if wheel is None:
        folder = _wheel_folder(build)
        folder.mkdir(parents=True, exist_ok=True)
        if not host.has_gpu() or not _prebuilt(build, step, folder):
            _compile(build, step, folder)
        wheel = _cached_wheel(build, step["compile"])
    if wheel is None:
        raise BuildError(f"Compiling {step['compile']} ended well but left no wheel in {_wheel_folder(build)}; see {build.commands.log}.")
    # Its dependencies come with the later steps; --no-index keeps pip from taking another build of the same version.
    build.pip("install", "--no-index", "--no-deps", "--force-reinstall", str(wheel), phase=step["phase"])


def _wheel_folder(build: Build) -> Path:
    # Compiled operators fit one build of torch only, and a GPU host needs others than a CPU host.
    return build.wheels / f"{build.profile['wheels_for']}-{'cuda' if host.has_gpu() else 'cpu'}"


def _cached_wheel(build: Build, requirement: str) -> Path | None:
    name, _, version = requirement.partition("==")
    tag = "cp" + build.base.version.replace(".", "")
    stem = name.replace("-", "_")
    patterns = (f"{stem}-{version}-{tag}-*.whl", f"{stem}-{version}-py3-*.whl")
    found = [path for pattern in patterns for path in sorted(_wheel_folder(build).glob(pattern))]
    return found[0] if found else None


def _prebuilt(build: Build, step: dict[str, Any], folder: Path) -> bool:
    """Fetch a prebuilt wheel from the user's pip sources; else nvcc must be here to compile one."""
    try:
        build.pip("download", "--no-deps", "--only-binary", ":all:", "-d", str(folder), step["compile"], phase=step["phase"])
    except BuildError:
        if host.has_cuda_compiler():
            return False
        raise BuildError(
            f"This host has a GPU, but no prebuilt wheel of {step['compile']} was found and nvcc is not installed to compile one. "
            "Point PIP_FIND_LINKS at a folder or page with a wheel for this torch, CUDA and Python, or install the CUDA toolkit."
        ) from None
    return True


def _compile(build: Build, step: dict[str, Any], folder: Path) -> None:
    phase = step["phase"]
    flags = {} if host.has_gpu() else step.get("cpu_flags", {})
    variables = {"MAX_JOBS": str(host.compile_jobs()), **step.get("variables", {}), **flags}
    # The virtual environment's bin holds ninja, which its build looks for on PATH.
    variables["PATH"] = os.path.dirname(build.python) + os.pathsep + os.environ.get("PATH", os.defpath)
    source = _source(build, step, variables)
    # Built in its own folder, which stays after a kill, so that ninja goes on where it was; without pip's cache, which would take
    # the operators of another torch for these.
    argv = ("wheel", "--no-cache-dir", "--no-deps", "--no-build-isolation", "-v", "-w", str(build.folder / "made"), str(source))
    build.pip(*argv, phase=phase, deadline_s=_COMPILE_S, variables=variables)
    for wheel in (build.folder / "made").glob("*.whl"):
        shutil.copyfile(wheel, folder / f".{wheel.name}")
        (folder / f".{wheel.name}").replace(folder / wheel.name)
    shutil.rmtree(build.folder / "made")
    shutil.rmtree(build.folder / "source")


def _source(build: Build, step: dict[str, Any], variables: dict[str, str]) -> Path:
    source = build.folder / "source" / step["compile"]
    if source.exists():
        return source
    shutil.rmtree(build.folder / "source", ignore_errors=True)
    fetched = build.folder / "source" / "fetched"
    argv = ("download", "--no-cache-dir", "--no-deps", "--no-binary", ":all:", "--no-build-isolation", "-d", str(fetched), step["compile"])
    build.pip(*argv, phase=step["phase"], variables=variables)
    [archive] = fetched.iterdir()
    with tarfile.open(archive) as content:
        content.extractall(build.folder / "source" / "opened")
    [opened] = (build.folder / "source" / "opened").iterdir()
    opened.replace(source)
    return source


def _smoke(build: Build) -> None:
    say("try the environment")
    _import(build)
    # The framework's own, whichever that is: shipped beside this file under one name.
    prepare = Path(__file__).resolve().parent / "prepare_program"
    if prepare.exists():
        argv = [build.python, str(prepare), "smoke"]
        # One thread: on busy cores more of them are many times slower.
        variables = {"OMP_NUM_THREADS": "1", **build.profile["variables"]}
        build.commands.run(argv, phase="try the environment", deadline_s=_SMOKE_S, variables=variables, text="{}")


def _import(build: Build) -> None:
    argv = [build.python, "-c", "".join(f"import {name}\n" for name in build.profile["imports"])]
    build.commands.run(argv, phase="try the environment", deadline_s=_START_S)


def _publish(build: Build) -> dict[str, Any]:
    answer = subprocess.run([build.python, "-c", _VERSIONS], capture_output=True, timeout=_START_S, check=True)
    facts = json.loads(answer.stdout)
    code = build.profile["code"]
    described = json.dumps([facts["python"], facts["versions"], build.profile["hash"]], sort_keys=True)
    ready = {
        "profile": build.profile["name"],
        "framework": build.profile["framework"],
        "python": build.python,
        "python_version": facts["python"],
        "code": os.path.join(facts["packages"], code) if code else "",
        "versions": {name: facts["versions"].get(name, "?") for name in build.profile["pinned"]},
        "variables": build.profile["variables"],
        "fingerprint": hashlib.sha256(described.encode()).hexdigest()[:16],
    }
    waiting = build.folder / "READY.new"
    waiting.write_text(json.dumps(ready, indent=1, sort_keys=True), encoding="utf-8")
    waiting.replace(build.folder / "READY")
    return ready


if __name__ == "__main__":
    sys.exit(main())
