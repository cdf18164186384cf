"""Puts files where they belong without copying their bytes where that can be avoided, and folders in one step."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recipes.dataset import ImageRecord
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


def place_image(record: ImageRecord, target: Path | str) -> None:
    """Make target the image of a record: a link where its bytes are a file as they are, else a new file. ValueError without a path."""
    if record.path is None:
        raise ValueError(f"{record.name} has no bytes")
    if record.span is None and not record.edits:
        place(record.path, target)
        return
    with open(target, "xb") as out:  # noqa: PTH123 - once per image
        out.write(image_bytes(record))


def image_bytes(record: ImageRecord) -> bytes:
    """The bytes of an image file as a record wants them. ValueError where it has no path."""
    if record.path is None:
        raise ValueError(f"{record.name} has no bytes")
    handle = os.open(record.path, os.O_RDONLY)
    try:
        offset, length = record.span or (0, os.fstat(handle).st_size)
        data = os.pread(handle, length, offset)
    finally:
        os.close(handle)
    if record.edits:
        from recipes.pictures.rendering import edited

        return edited(data, record)
    return data


def placed(records: Iterator[ImageRecord], prefix: str) -> Iterator[ImageRecord]:
    """The same images; each that has bytes lies at prefix + its name once it is passed on. DatasetError where that is taken."""
    folders = Folders()
    for record in records:
        if record.path is not None:
            place_new(record, prefix + record.name, folders)
        yield record


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


def place_new(record: ImageRecord, target: str, folders: Folders) -> None:
    """Put an image where none is yet, its folder made. DatasetError where its name is taken."""
    try:
        folders.make_parent(target)
        place_image(record, target)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        where = Where(record.source_file, key=record.name)
        raise DatasetError("Another file has the name of this image.", where=where, remedy="Rename one of them.") from error


@contextmanager
def published(destination: Path) -> Iterator[Path]:
    """A fresh folder beside destination that becomes destination with one rename, or vanishes where an error ends it.

    DatasetError where destination is there already and is not an empty folder.
    """
    require_free(destination)
    destination.parent.mkdir(parents=True, exist_ok=True)
    fresh = destination.parent / f".{destination.name}.{uuid.uuid4().hex}.partial"
    fresh.mkdir()
    try:
        yield fresh
        require_free(destination)
        fresh.rename(destination)  # replaces an empty folder, never a full one
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def require_free(destination: Path) -> None:
    """DatasetError where destination is there already and is not an empty folder."""
    if destination.is_symlink() or destination.is_file() or (destination.is_dir() and any(destination.iterdir())):
        raise DatasetError(
            "The destination is there already.",
            where=Where(str(destination)),
            remedy="Name a folder that does not exist yet; nothing is ever overwritten.",
        )
