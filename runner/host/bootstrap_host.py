"""What this machine offers to a build: interpreters, a compiler, CUDA. Standard library only, Python 3.9 or later."""

from __future__ import annotations

import glob
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

DEBIAN_PACKAGES = "gcc g++ python3-venv python3-dev"
_FACTS = """
import importlib.util as u, json, os, sys, sysconfig
paths = sysconfig.get_paths()
print(json.dumps({"executable": sys.executable, "version": "%d.%d" % sys.version_info[:2],
    "venv": all(u.find_spec(name) for name in ("venv", "ensurepip")),
    "headers": os.path.exists(os.path.join(paths["include"], "Python.h"))}))
"""


class BuildError(Exception):
    """The environment cannot be built; the message says why and what to do."""


@dataclass(frozen=True)
class Interpreter:
    """A Python of this machine. ``version`` is major.minor; ``headers`` says whether C++ code can be compiled for it."""

    executable: str
    version: str
    venv: bool
    headers: bool


def interpreter(versions: list[str]) -> Interpreter:
    """The first of ``versions`` (most wanted first) found here, a complete one before one that lacks venv or headers."""
    found = [each for each in map(_facts, _candidates(versions)) if each is not None and each.version in versions]
    if not found:
        raise BuildError(
            f"No Python {', '.join(versions)} was found on this host (on PATH, in /usr/bin, of pyenv, uv or conda), and this profile needs "
            f"one of them. Install one (Debian 12 has 3.11: apt-get install python3 {DEBIAN_PACKAGES}; others by pyenv install or "
            "uv python install) and try again."
        )
    return min(found, key=lambda each: (not (each.venv and each.headers), versions.index(each.version)))


def _candidates(versions: list[str]) -> list[str]:
    names = [f"python{version}" for version in versions] + ["python3"]
    return [os.path.join(folder, name) for name in names for folder in _folders() if os.path.exists(os.path.join(folder, name))]


def _folders() -> list[str]:
    path = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    # pyenv's shims answer for a version only where the user chose it, and uv's Pythons may be on no PATH: their own folders are looked in.
    installed = [folder for pattern in _installers() for folder in sorted(glob.glob(pattern), reverse=True)]
    return list(dict.fromkeys([*path, "/usr/local/bin", "/usr/bin", *installed]))


def _installers() -> list[str]:
    home = os.path.expanduser("~")
    pyenv = os.environ.get("PYENV_ROOT") or os.path.join(home, ".pyenv")
    data = os.environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
    uv = os.environ.get("UV_PYTHON_INSTALL_DIR") or os.path.join(data, "uv", "python")
    condas = [os.path.join(home, name, "envs", "*", "bin") for name in ("miniconda3", "miniforge3", "anaconda3", ".conda")]
    return [os.path.join(glob.escape(pyenv), "versions", "*", "bin"), os.path.join(glob.escape(uv), "*", "bin"), *condas]


def _facts(executable: str) -> Interpreter | None:
    try:
        answer = subprocess.run([executable, "-c", _FACTS], check=False, capture_output=True, timeout=20, stdin=subprocess.DEVNULL)
        return Interpreter(**json.loads(answer.stdout)) if answer.returncode == 0 else None
    except (OSError, subprocess.SubprocessError, ValueError, TypeError):
        return None  # A shim without an interpreter behind it: the next one is asked.


def missing_packages(python: Interpreter, *, compiling: bool) -> list[str]:
    """The Debian packages without which a build with ``python`` would fail."""
    missing = [] if python.venv else ["python3-venv"]
    if compiling:
        missing += [] if python.headers else ["python3-dev"]
        missing += [package for program, package in (("gcc", "gcc"), ("g++", "g++")) if not shutil.which(program)]
    return missing


def has_gpu() -> bool:
    """Whether an NVIDIA driver answers here: such a host needs mmcv's CUDA operators."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return False
    try:
        answer = subprocess.run([program, "-L"], check=False, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
        return answer.stdout.startswith(b"GPU ")
    except (OSError, subprocess.SubprocessError):
        return False


def has_cuda_compiler() -> bool:
    """Whether nvcc is here, on PATH or below CUDA_HOME."""
    home = os.environ.get("CUDA_HOME", "/usr/local/cuda")
    return shutil.which("nvcc") is not None or os.path.exists(os.path.join(home, "bin", "nvcc"))


def compile_jobs() -> int:
    """How many compilers may run at once: one a core, and 2 GiB of free memory for each."""
    cores = len(os.sched_getaffinity(0))
    try:
        meminfo = Path("/proc/meminfo").read_text(encoding="ascii")
        available_kib = int(meminfo.split("MemAvailable:")[1].split()[0])
    except (OSError, IndexError, ValueError):
        return cores
    return max(1, min(cores, available_kib // (2 * 1024 * 1024)))


def cache_folder() -> Path:
    """Where environments and wheels lie: ``$XDG_CACHE_HOME/signalbox`` or ``~/.cache/signalbox``."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "signalbox"


def start_nicely() -> None:
    """Give way to trainings that run on this machine."""
    try:
        os.nice(10)
    except OSError:
        print("Note: this process could not lower its priority.", file=sys.stderr)
