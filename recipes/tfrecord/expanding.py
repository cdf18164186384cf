"""TFRecord files that are compressed as a whole: their records are in one nameless scratch file."""

from __future__ import annotations

import gzip
import os
import tempfile
import weakref
import zlib
from pathlib import Path

from recipes.arriving.archive import Limits
from recipes.errors import FormatError, Where
from recipes.tfrecord.framing import HEAD, is_head

GZIP_START = b"\x1f\x8b"
PIECE = 1 << 20


class Expanded:
    """What compressed files hold, one after the other; path is good in this process and those it forks, as long as this object lives."""

    def __init__(self, directory: Path | None) -> None:
        """An empty one, its bytes in a directory (None: where the system keeps such)."""
        handle, target = tempfile.mkstemp(prefix="signalbox-", dir=directory)
        os.unlink(target)  # noqa: PTH108
        weakref.finalize(self, os.close, handle)
        self._handle = handle
        self.path = f"/proc/self/fd/{handle}"

    def add(self, source: Path, name: str, limits: Limits) -> tuple[int, int]:
        """Decompress a file: where its content begins and ends. FormatError where it is damaged, or larger than the limits allow."""
        packed = source.stat().st_size
        try:
            with gzip.open(source) as file, os.fdopen(os.dup(self._handle), "ab") as out:
                start = out.seek(0, os.SEEK_END)
                while piece := file.read(PIECE):
                    out.write(piece)
                    _require_modest(out.tell() - start, packed, name, limits)
                return start, out.tell()
        except (OSError, EOFError, zlib.error) as error:
            raise FormatError(f"The file cannot be decompressed: {str(error).rstrip('.')}.", where=Where(name)) from error


def _require_modest(size: int, packed: int, name: str, limits: Limits) -> None:
    if size > limits.max_file_bytes or (size > limits.ratio_from_bytes and size > packed * limits.max_ratio):
        raise FormatError(f"The file grows from {packed:,} to more than {size:,} bytes, which is refused.", where=Where(name))


def is_compressed(path: Path | str) -> bool:
    """Whether a file is gzip's, and no TFRecord that happens to begin like one."""
    with Path(path).open("rb") as file:
        head = file.read(HEAD.size)
    return head.startswith(GZIP_START) and not is_head(head)


def begins_as_records(path: Path) -> bool:
    """Whether the first bytes, decompressed where they are compressed, are those of a TFRecord file."""
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(GZIP_START) and not is_head(head):
        try:
            head = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, HEAD.size)
        except zlib.error:
            return False
    return is_head(head)
