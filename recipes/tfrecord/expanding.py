"""TFRecord files that are compressed as a whole: their records are in one nameless scratch file."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from recipes.arriving.archive import Limits
from recipes.errors import FormatError, Where
from recipes.streams.nameless import NamelessFile
from recipes.tfrecord.framing import HEAD, is_head

GZIP_START = b"\x1f\x8b"
PIECE = 1 << 20


def expand(source: Path, name: str, into: NamelessFile, limits: Limits) -> tuple[int, int]:
    """Decompress a file: where its content begins and ends. FormatError where it is damaged, or larger than the limits allow."""
    packed, start = source.stat().st_size, into.size
    try:
        with gzip.open(source) as file:
            while piece := file.read(PIECE):
                into.append(piece)
                _require_modest(into.size - start, packed, name, limits)
            return start, into.size
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
