"""The content-addressed store: every file once, under the SHA-256 of its bytes, read-only.

SHA-256 because every host can compute it (sha256sum, Python's hashlib), and the same digest decides what a host lacks.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

READ_ONLY = 0o444
PIECE = 1 << 20
SYNCED_ONE_BY_ONE = 64
MISSING = "missing"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file by its content."""

    digest: str
    size_bytes: int


class ObjectStore:
    """Objects below a folder: objects/ab/cdef…, mode 0444. Safe for any number of processes: an object, once there, is whole.

    An object gets its name only when all its bytes are written; sync() makes what was put outlast a power cut.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._unsynced: list[Path] = []

    def path(self, digest: str) -> Path:
        """Where the object lies."""
        return self.root / digest[:2] / digest[2:]

    def put(self, source: Path, *, move: bool) -> StoredFile:
        """Store a file's content: by renaming it (move, on the same disk), or by copying it, which leaves source alone.

        An object that is there already is read again, and replaced where it is damaged: so adding a dataset again mends what rotted.
        """
        if not move:
            fresh = self.root / f".{uuid.uuid4().hex}.partial"
            self.root.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(source, fresh)
                return self.put(fresh, move=True)
            finally:
                fresh.unlink(missing_ok=True)
        stored = StoredFile(digest_of(source), source.stat().st_size)
        target = self.path(stored.digest)
        trouble = self.trouble(stored)
        if trouble:
            target.parent.mkdir(parents=True, exist_ok=True)
            source.chmod(READ_ONLY)
            if trouble != MISSING:  # a power cut must not leave less than there was
                sync_path(source)
            source.replace(target)
        self._unsynced.append(target)  # also where it was there: its writer may not have synced it yet
        return stored

    def trouble(self, stored: StoredFile) -> str:
        """Read an object again: empty where it is whole, else what is wrong with it."""
        try:
            whole = digest_of(self.path(stored.digest)) == stored.digest
        except FileNotFoundError:
            return MISSING
        except OSError as error:  # a disk that fails
            return f"unreadable ({error.strerror})"
        return "" if whole else "changed on disk"

    def sweep(self, used: Collection[str]) -> Iterator[int]:
        """Free every object that is not used, and what a crash left half written: the bytes of each. Nobody may add meanwhile."""
        for half in self.root.glob("*.partial"):
            half.unlink()
        for folder in sorted(path for path in self.root.iterdir() if path.is_dir()):
            for file in folder.iterdir():
                if folder.name + file.name not in used:
                    size_bytes = file.stat().st_size
                    file.unlink()
                    yield size_bytes

    def sync(self) -> None:
        """Make everything put so far durable: a few files one by one, many by one sync of their file system."""
        if len(self._unsynced) > SYNCED_ONE_BY_ONE:
            sync_file_system(self.root)
        else:
            for path in self._unsynced:
                sync_path(path)
            for folder in {path.parent for path in self._unsynced} | ({self.root} if self._unsynced else set()):
                sync_path(folder)
        self._unsynced.clear()


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_path(path: Path) -> None:
    """fsync a file or a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file_system(path: Path) -> None:
    """syncfs(2) for the file system of path: one wait instead of one per file; sync(2) where the C library lacks it."""
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    handle = os.open(path, os.O_RDONLY)
    try:
        if syncfs is None or syncfs(handle) != 0:
            os.sync()
    finally:
        os.close(handle)
