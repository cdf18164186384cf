"""TFRecord files that are compressed as a whole: their records are in a nameless scratch file as long as somebody holds it."""

from __future__ import annotations

import gzip
import os
import tempfile
import weakref
import zlib
from pathlib import Path

from recipes.archive import Limits
from recipes.errors import FormatError, Where
from recipes.tfrecord.framing import HEAD, is_head

GZIP_START = b"\x1f\x8b"
PIECE = 1 << 20


class Expanded:
    """The decompressed bytes of one file; path is good in this process and those it forks, as long as this object lives."""

    def __init__(self, source: Path, name: str, directory: Path | None, limits: Limits) -> None:
        """Decompress; FormatError where the file is damaged, cut off, or denser and larger than the limits of archives allow."""
        self._handle, target = tempfile.mkstemp(prefix="signalbox-", dir=directory)
        os.unlink(target)  # noqa: PTH108
        weakref.finalize(self, os.close, self._handle)
        self.path = f"/proc/self/fd/{self._handle}"
        try:
            with gzip.open(source) as file, os.fdopen(os.dup(self._handle), "wb") as out:
                while piece := file.read(PIECE):
                    out.write(piece)
                    _require_modest(out.tell(), source.stat().st_size, name, limits)
        except (OSError, EOFError, zlib.error) as error:
            raise FormatError(f"The file cannot be decompressed: {error}.".replace("..", "."), where=Where(name)) from error


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
