"""One walk over a source folder, shared by sniffing, reading and checking."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from recipes.errors import FormatError, Where

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif"})
NOISE_FOLDERS = frozenset({"__MACOSX", "@eaDir"})
NOISE_FILES = frozenset({"Thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Folder:
    """The files below root as relative names with '/', sorted; what operating systems leave behind is not among them."""

    root: Path
    files: tuple[str, ...]

    @cached_property
    def images(self) -> tuple[str, ...]:
        """The files that are images by their suffix."""
        return tuple(name for name in self.files if is_image(name))

    def with_suffix(self, *suffixes: str) -> tuple[str, ...]:
        """The files with one of these lower-case suffixes."""
        return tuple(name for name in self.files if PurePosixPath(name).suffix.lower() in suffixes)

    def path(self, name: str) -> Path:
        """Where a file lies."""
        return self.root / name


def is_image(name: str) -> bool:
    """Whether a file is an image by its suffix."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 - five times faster than pathlib here


def scan(root: Path) -> Folder:
    """Walk a folder once. Links to files are followed, links to folders are not (they may lead anywhere, for ever)."""
    if not root.is_dir():
        raise FormatError("There is no such folder.", where=Where(str(root)))
    names: list[str] = []
    for here, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in NOISE_FOLDERS and not name.startswith(".")]
        prefix = os.path.relpath(here, root).replace(os.sep, "/")
        prefix = "" if prefix == "." else prefix + "/"
        names += [prefix + name for name in files if name not in NOISE_FILES and not name.startswith(".")]
    for name in names:
        if not name.isascii():
            _require_text(name)
    names.sort()
    return Folder(root, tuple(names))


def _require_text(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        shown = name.encode(errors="surrogateescape").decode(errors="replace")
        raise FormatError("The file's name is not UTF-8.", where=Where(shown), remedy="Rename it.") from error
