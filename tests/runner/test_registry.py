from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from runner.errors import ConfigurationError
from runner.executors import executors
from runner.registry import members


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> tuple[ModuleType, Path]:
    name = f"kinds_{abs(hash(request.node.name))}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    (tmp_path / name / "base.py").write_text("raise RuntimeError('never imported')\n", encoding="ascii")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module(name)
    monkeypatch.delitem(sys.modules, name)
    return module, tmp_path / name


def member(folder: Path, file: str, name: str) -> None:
    text = f"class Thing:\n    name = {name!r}\nthing = Thing()\n"
    (folder / f"{file}.py").write_text(text, encoding="ascii")


def test_a_new_file_is_a_new_member(package: tuple[ModuleType, Path]) -> None:
    member(package[1], "one", "first")
    member(package[1], "two", "second")
    assert list(members(package[0], "thing")) == ["first", "second"]


def test_a_name_that_two_have_stops_the_start(package: tuple[ModuleType, Path]) -> None:
    member(package[1], "one", "same")
    member(package[1], "two", "same")
    with pytest.raises(ConfigurationError, match=r"two and .*one both call their thing 'same'"):
        members(package[0], "thing")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("import nothing_like_this\n", "cannot be imported: ModuleNotFoundError"),
        ("x = (\n", "cannot be imported: SyntaxError"),
        ("other = 1\n", "defines no thing"),
        ("thing = 1\n", "its thing has no name"),
    ],
)
def test_a_file_that_is_no_member_stops_the_start(package: tuple[ModuleType, Path], text: str, sentence: str) -> None:
    (package[1] / "one.py").write_text(text, encoding="ascii")
    with pytest.raises(ConfigurationError, match=sentence):
        members(package[0], "thing")


def test_executors_are_found() -> None:
    assert "screen" in executors()
