"""One walk over a source folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from recipes.errors import FormatError
from recipes.folder import scan


def test_names_are_sorted_as_whole_names_and_noise_is_left_out(tmp_path: Path) -> None:
    for name in ("a/b.JPG", "a-b.txt", "a.txt", "a/ü.png", "B", ".hidden", "__MACOSX/x.jpg", "a/Thumbs.db"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link.jpg").symlink_to(tmp_path / "a/b.JPG")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe.xml")
    folder = scan(tmp_path)
    assert list(folder.files) == sorted(["B", "a-b.txt", "a.txt", "a/b.JPG", "a/ü.png", "link.jpg"])
    assert list(folder.images) == ["a/b.JPG", "a/ü.png", "link.jpg"]
    assert list(folder.with_suffix(".txt")) == ["a-b.txt", "a.txt"]
    assert folder.suffixes == {"", ".txt", ".jpg", ".png"}


def test_what_is_no_folder_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no such folder"):
        scan(tmp_path / "gone")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jpg")).touch()
    with pytest.raises(FormatError, match="name is not UTF-8"):
        scan(tmp_path)
