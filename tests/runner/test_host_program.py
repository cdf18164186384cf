"""A folder of modules becomes one file that any Python runs, with the same bytes from the same sources."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from runner.host_program import packed

SOURCES = {
    "__init__.py": "",
    "__main__.py": "import sys\nfrom .errors import WORD\nif __name__ == '__main__':\n    print(WORD, sys.argv[1:], __package__)\n",
    # A host's Python may have a module of the same name: neither takes the other's place.
    "errors.py": "WORD = 'größer'\n",
}


def write_program(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, text in SOURCES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_folder_runs_as_one_file(tmp_path: Path) -> None:
    sent = tmp_path / "sent"
    sent.write_bytes(packed(write_program(tmp_path / "shout")))
    done = subprocess.run([sys.executable, "-X", "utf8", sent, "it's"], capture_output=True, timeout=30, check=True, cwd="/")
    assert done.stdout.decode() == "größer [\"it's\"] shout\n"


def test_the_same_sources_make_the_same_bytes(tmp_path: Path) -> None:
    one, two = write_program(tmp_path / "1" / "shout"), write_program(tmp_path / "2" / "shout")
    os.utime(two / "errors.py", (0, 10**9))
    (two / "__pycache__").mkdir()
    (two / "__pycache__" / "errors.cpython-311.pyc").write_bytes(b"\0")
    assert packed(one) == packed(two)
    (two / "errors.py").write_text("WORD = 'other'\n", encoding="utf-8")
    assert packed(one) != packed(two)


def test_a_single_file_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_bytes(b"print(1)\r\n")
    assert packed(tmp_path / "one.py") == b"print(1)\r\n"


def test_a_module_may_come_from_elsewhere_and_configs_travel_along(tmp_path: Path) -> None:
    program = write_program(tmp_path / "shout")
    (program / "configs").mkdir()
    (program / "configs" / "one.config").write_text("model { }")
    (tmp_path / "others.py").write_text("WORD = 'other'\n", encoding="utf-8")
    sent = tmp_path / "sent"
    sent.write_bytes(packed(program, instead={"errors.py": tmp_path / "others.py"}))
    done = subprocess.run([sys.executable, sent], capture_output=True, timeout=30, check=True, cwd="/")
    assert done.stdout.decode() == "other [] shout\n"
    assert zipfile.ZipFile(sent).read("shout/configs/one.config") == b"model { }"
