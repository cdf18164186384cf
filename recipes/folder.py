"""One walk over a source folder, shared by sniffing, reading and checking."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from recipes.errors import FormatError, Where
from recipes.streams.file_names import FileNames

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif"})
NOISE_FOLDERS = frozenset({"__MACOSX", "@eaDir"})
NOISE_FILES = frozenset({"Thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Folder:
    """The files below root as relative names with '/', sorted; what operating systems leave behind is not among them."""

    root: Path
    files: FileNames

    @cached_property
    def images(self) -> FileNames:
        """The files that are images by their suffix."""
        return FileNames(name for name in self.files if is_image(name))

    @cached_property
    def suffixes(self) -> frozenset[str]:
        """Every suffix there is, in lower case."""
        return frozenset(map(suffix, self.files))

    def with_suffix(self, *suffixes: str) -> Sequence[str]:
        """The files with one of these lower-case suffixes."""
        if self.suffixes.isdisjoint(suffixes):
            return ()
        return FileNames(name for name in self.files if suffix(name) in suffixes)

    def path(self, name: str) -> Path:
        """Where a file lies."""
        return self.root / name


def suffix(name: str) -> str:
    """The suffix of a name in lower case, with its dot; empty where there is none."""
    start, dot = name.rfind("/") + 1, name.rfind(".")
    return name[dot:].lower() if dot > start else ""  # ten times faster than pathlib


def is_image(name: str) -> bool:
    """Whether a file is an image by its suffix."""
    return suffix(name) in IMAGE_SUFFIXES


def scan(root: Path) -> Folder:
    """Walk a folder once. Links to files are followed, links to folders are not (they may lead anywhere, for ever)."""
    if not root.is_dir():
        raise FormatError("There is no such folder.", where=Where(str(root)))
    return Folder(root, FileNames(_walk(str(root), "")))


def _walk(here: str, prefix: str) -> Iterator[str]:
    """The names below a folder in ascending order. A folder is ordered as the names in it are: with its '/'."""
    with os.scandir(here) as entries:
        found = sorted(entry.name + "/" * entry.is_dir(follow_symlinks=False) for entry in entries if not _is_noise(entry))
    for name in found:
        _require_text(name)
        if name.endswith("/"):
            yield from _walk(f"{here}/{name[:-1]}", prefix + name)
        else:
            yield prefix + name


def _is_noise(entry: os.DirEntry[str]) -> bool:
    """Nor are links to folders, and what is neither file nor folder: opening a pipe would wait for ever."""
    name = entry.name
    known = entry.is_file() or entry.is_dir(follow_symlinks=False)
    return not known or name.startswith(".") or name in NOISE_FILES or name in NOISE_FOLDERS


def _require_text(name: str) -> None:
    if name.isascii():
        return
    try:
        name.encode()
    except UnicodeEncodeError as error:
        shown = name.encode(errors="surrogateescape").decode(errors="replace")
        raise FormatError("The file's name is not UTF-8.", where=Where(shown), remedy="Rename it.") from error
