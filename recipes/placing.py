"""Puts files where they belong without copying their bytes where that can be avoided, and folders in one step."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recipes.errors import DatasetError, Where


def place(source: Path, target: Path | str) -> None:
    """Make target the same file as source: a hard link, or a copy where links cannot reach (another disk, no right)."""
    real = os.path.realpath(source) if os.path.islink(source) else source  # noqa: PTH114 - once per image
    try:
        os.link(real, target)
    except FileExistsError:
        raise
    except OSError:
        shutil.copyfile(real, target)


class Folders:
    """Makes the folders of many files, each once."""

    def __init__(self) -> None:
        self._made: set[str] = set()

    def make_parent(self, target: Path | str) -> None:
        """Make the folder that target will lie in."""
        parent = os.path.dirname(target)  # noqa: PTH120 - called once per image
        if parent not in self._made:
            os.makedirs(parent, exist_ok=True)  # noqa: PTH103
            self._made.add(parent)


@contextmanager
def published(destination: Path) -> Iterator[Path]:
    """A fresh folder beside destination that becomes destination with one rename, or vanishes where an error ends it.

    DatasetError where destination is there already and is not an empty folder.
    """
    _require_free(destination)
    destination.parent.mkdir(parents=True, exist_ok=True)
    fresh = destination.parent / f".{destination.name}.{uuid.uuid4().hex}.partial"
    fresh.mkdir()
    try:
        yield fresh
        _require_free(destination)
        fresh.rename(destination)  # replaces an empty folder, never a full one
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def _require_free(destination: Path) -> None:
    if destination.is_symlink() or destination.is_file() or (destination.is_dir() and any(destination.iterdir())):
        raise DatasetError(
            "The destination is there already.",
            where=Where(str(destination)),
            remedy="Name a folder that does not exist yet; nothing is ever overwritten.",
        )
