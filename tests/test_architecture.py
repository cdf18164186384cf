"""What the source must look like, beyond what ruff, mypy and import-linter see."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # make check runs it

ROOT = Path(__file__).parent.parent
PACKAGES = ("bot", "runner", "recipes")
MOST_LINES = 400
MOST_FUNCTION_LINES = 45
NEVER = frozenset({"job", "jobs", "worker", "manager", "handler", "util", "utils", "helper", "helpers", "misc"})

HOMES = {
    "paramiko": ("runner/transports/",),
    "apscheduler": ("runner/schedules.py",),
    "cronsim": ("runner/schedule_words.py",),
    "slack_sdk": ("bot/",),
    "slack_bolt": ("bot/",),
    "sqlite3": ("runner/store/", "bot/local_workspace/"),
    "matplotlib": ("bot/plots/", "runner/host/"),
    "torch": ("runner/host/",),
    "mmdet": ("runner/host/",),
    "mmcv": ("runner/host/",),
    "mmengine": ("runner/host/",),
    "tensorflow": ("runner/host/",),
}
"""The one place where a library may be imported."""


@lru_cache
def _modules() -> dict[str, ast.Module]:
    paths = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def _length(node: ast.AST) -> int:
    return (getattr(node, "end_lineno", 0) or 0) - getattr(node, "lineno", 0) + 1


def _runs_alone_on_a_host(module: str) -> bool:
    return module.startswith("runner/host/")


def test_modules_stay_small() -> None:
    sizes = {name: len((ROOT / name).read_text(encoding="utf-8").splitlines()) for name in _modules() if not _runs_alone_on_a_host(name)}

    assert {name: lines for name, lines in sizes.items() if lines > MOST_LINES} == {}


def test_functions_stay_small() -> None:
    long = {
        f"{name}:{node.lineno} {node.name}": _length(node)
        for name, tree in _modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _length(node) > MOST_FUNCTION_LINES
    }

    assert long == {}


def _words(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def test_modules_and_classes_are_named_for_what_they_are() -> None:
    tests = {str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("*.py")}
    tests = {name for name in tests if "/standins/" not in name}  # these bear the names of what they stand in for
    modules = {name for name in {*_modules(), *tests} if _words(Path(name).stem) & NEVER}
    classes = {
        f"{name}: {node.name}"
        for name, tree in _modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and _words(node.name) & NEVER
    }

    assert modules | classes == set()


def _imported(tree: ast.Module) -> set[str]:
    nodes = list(ast.walk(tree))
    plain = {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module.split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}


@pytest.mark.parametrize("library", HOMES)
def test_each_library_has_one_home(library: str) -> None:
    strays = [name for name, tree in _modules().items() if library in _imported(tree) and not name.startswith(HOMES[library])]

    assert strays == []


def test_importing_bot_and_runner_leaves_the_heavy_libraries_unloaded() -> None:
    code = "import sys, bot.app, bot.grammar, runner.loop; print(*{name.split('.')[0] for name in sys.modules})"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT).stdout.split()

    assert set(loaded) & {"torch", "mmdet", "mmcv", "mmengine", "tensorflow", "matplotlib", "cv2"} == set()


def test_every_module_says_what_it_is_for() -> None:
    silent = [name for name, tree in _modules().items() if tree.body and not ast.get_docstring(tree)]

    assert silent == []
