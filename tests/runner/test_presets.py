"""Presets: a wrong file stops the start with file and line; a wrong name gets the nearest one."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipes.catalog.catalog import Catalog
from recipes.errors import DatasetError
from runner.errors import ConfigurationError, RequestError
from runner.frameworks import find_framework
from runner.presets import find_preset, load_presets
from runner.specs import Kind, Preset
from runner.start_checkpoints import require_start

GOOD = "name: mine\nframework: mmdet\nconfig: a.py\ndescription: one\nepochs: 3\nbatch: 2\nlr: 0.1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "presets").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (GOOD.replace("epochs: 3", "epochs: 0"), 5, "epochs"),
        (GOOD.replace("batch: 2", "batch: many"), 6, "batch"),
        (GOOD + "lrate: 1\n", 8, "lrate"),
    ],
)
def test_a_wrong_preset_is_named_with_file_and_line(folder: Path, text: str, line: int, words: str) -> None:
    path = folder / "presets" / "mine.yaml"
    path.write_text(text)
    with pytest.raises(DatasetError) as caught:
        load_presets([folder])
    assert f"{path}, line {line}, " in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("other.yaml", GOOD, "its file must be mine.yaml"),
        ("rtmdet-nano.yaml", GOOD.replace("mine", "rtmdet-nano"), "there is already a preset called 'rtmdet-nano'"),
    ],
)
def test_a_name_is_the_files_own_and_nobody_elses(folder: Path, file: str, text: str, words: str) -> None:
    (folder / "presets" / file).write_text(text)
    with pytest.raises(ConfigurationError, match=words) as caught:
        load_presets([folder])
    assert file in str(caught.value)


def test_a_name_with_a_typo_gets_the_nearest() -> None:
    with pytest.raises(RequestError, match="Did you mean rtmdet-nano"):
        find_preset("rtmdet-nanno")
    assert find_preset("rtmdet-nano").name == "rtmdet-nano"


@pytest.mark.parametrize("preset", load_presets().values(), ids=lambda preset: str(preset.name))
def test_what_comes_along_can_be_submitted(preset: Preset, tmp_path: Path) -> None:
    assert Kind.TRAIN in find_framework(preset.framework).kinds
    if preset.start is not None:
        require_start(preset.start, Catalog(tmp_path / "catalog"))
