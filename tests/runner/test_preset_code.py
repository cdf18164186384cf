"""A preset's own files: what is taken, how it is called, and what is refused with file and line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from recipes.errors import FormatError
from runner import preset_code
from runner.errors import RequestError
from runner.preset_code import read_code


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Modules at the top, a package, a folder of configs, and what people leave lying about."""
    root = tmp_path / "nets"
    for name, text in {
        "mobile.py": "class MobileNet: ...\n", "necks/__init__.py": "from .aug import AugFPN\n", "necks/aug.py": "class AugFPN: ...\n",
        "configs/base.py": "model = 1\n", "config.py": "_base_ = './configs/base.py'\n", "classes.txt": "cod\neel\n",
        ".git/config": "x", "__pycache__/mobile.cpython-311.pyc": "x", "old.pyc": "x",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_folder_travels_with_its_config_and_its_top_modules_are_imported(folder: Path) -> None:
    read = read_code(str(folder / "config.py"), str(folder))
    assert read.config == "config.py"
    assert sorted(read.texts) == ["classes.txt", "config.py", "configs/base.py", "mobile.py", "necks/__init__.py", "necks/aug.py"]
    assert read.texts["classes.txt"] == b"cod\neel\n"
    assert read.imports == ("mobile", "necks")
    assert read.left_out == (".git", "__pycache__", "old.pyc")


def test_a_folder_that_is_a_package_is_imported_by_its_own_name(folder: Path) -> None:
    (folder / "__init__.py").write_text("")
    read = read_code(str(folder / "config.py"), str(folder))
    assert read.config == "nets/config.py"
    assert read.imports == ("nets",)


def test_a_config_elsewhere_lies_beside_the_code(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text("model = 2\n")
    assert read_code(str(tmp_path / "mine.py"), str(folder)).config == "mine.py"
    monkeypatch.chdir(tmp_path)
    assert read_code("mine.py", None).texts == {"mine.py": b"model = 2\n"}
    (tmp_path / "config.py").write_text("")
    with pytest.raises(RequestError, match=r"The folder has another file config.py"):
        read_code(str(tmp_path / "config.py"), str(folder))


def test_a_name_that_is_no_file_here_is_one_of_the_collection() -> None:
    read = read_code("rtmdet/rtmdet_tiny_8xb32-300e_coco.py", None)
    assert (read.config, read.texts, read.imports) == ("rtmdet/rtmdet_tiny_8xb32-300e_coco.py", {}, ())
    with pytest.raises(RequestError, match=r"There is no file \./rtmdet.py on the machine where Signalbox runs"):
        read_code("./rtmdet.py", None)
    with pytest.raises(RequestError, match="is no folder on the machine"):
        read_code("a.py", "/nowhere")


def test_every_defect_is_named_with_its_place(folder: Path) -> None:
    (folder / "bad.py").write_text("import os\n\ndef broken(:\n    pass\n")
    (folder / "deep.py").write_text("(" * 5000)
    (folder / "weights.bin").write_bytes(b"\x00\n\xff\xfe")
    (folder / "link.py").symlink_to("/etc/passwd")
    (folder / "outside").symlink_to("/etc")
    os.mkfifo(folder / "pipe")
    with pytest.raises(FormatError) as caught:
        read_code("a.py", str(folder))
    said = str(caught.value)
    assert "has 6 defects" in said
    assert f"{folder}/bad.py, line 3: This is not Python: " in said
    assert f"{folder}/deep.py" in said
    assert f"{folder}/weights.bin, line 2: It is not UTF-8 text" in said
    for name in ("link.py", "outside", "pipe"):
        assert f"{folder}/{name}: It is a link or no plain file" in said


def test_it_is_bounded_in_files_and_bytes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preset_code, "MOST_BYTES", 60)
    with pytest.raises(RequestError, match="weights belong into the preset's start checkpoint"):
        read_code("a.py", str(folder))
    monkeypatch.setattr(preset_code, "MOST_FILES", 3)
    with pytest.raises(RequestError, match="has more than 3 files"):
        read_code("a.py", str(folder))
