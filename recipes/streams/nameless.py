"""A file without a name: whatever ends the last process that holds it, nothing is left of it."""

from __future__ import annotations

import os
import tempfile
import weakref
from pathlib import Path


class NamelessFile:
    """Bytes on disk, added at the end and read anywhere.

    path opens it in this process and those it forks, as long as this object lives.
    """

    def __init__(self, directory: Path | None = None) -> None:
        """An empty one, its bytes in a directory (None: where the system keeps such)."""
        handle, name = tempfile.mkstemp(prefix="signalbox-", dir=directory)
        os.unlink(name)  # noqa: PTH108
        weakref.finalize(self, os.close, handle)
        self.path = f"/proc/self/fd/{handle}"
        self.size = 0
        self._handle = handle

    def append(self, data: bytes) -> int:
        """Add bytes; where they begin."""
        start, view = self.size, memoryview(data)
        while view:
            written = os.pwrite(self._handle, view, self.size)
            self.size += written
            view = view[written:]
        return start

    def read(self, start: int, length: int) -> bytes:
        """Some of the bytes. Safe from any number of processes at once."""
        return os.pread(self._handle, length, start)
