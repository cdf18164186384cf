"""What lies in an archive, member by member: zip, tar, tar.gz and tar.zst, or a tar that comes through a pipe.

Refused are members that would land outside (``../``, absolute paths, drive letters), that are no plain files (links,
devices) or are encrypted, and headers that would fill the memory. A tar that was cut off is damaged, not short: tarfile
alone takes a missing end mark or a broken header after the first for the end.
"""

from __future__ import annotations

import gzip
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, Self, cast

from recipes.errors import ArchiveError, Where
from recipes.names import unsafe_path

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst")
ZIP_START = (b"PK\x03\x04", b"PK\x05\x06")
ZIP_ENTRY = struct.Struct("<28x3H12x")
"""An entry of a zip's directory: the lengths of its name, extra field and comment, which follow it."""
GZIP_START = b"\x1f\x8b"
ZSTD_START = b"\x28\xb5\x2f\xfd"
ENCRYPTED = 0x1
MAX_HEADER_BYTES = 1 << 20
MAX_WINDOW_BYTES = 1 << 27
"""What unpacking a tar.zst may keep in memory: as much as the zstd program itself takes unless told otherwise."""
MAX_PADDING_BYTES = 1 << 20
DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ValueError,
    LookupError,
    ArithmeticError,
    MemoryError,  # a dictionary size that no machine has
    RuntimeError,  # NotImplementedError for an unknown compression is one
)
"""All that zipfile, tarfile and gzip raise over bytes they do not like."""


class Readable(Protocol):
    """Bytes, front to back."""

    def read(self, size: int = -1, /) -> bytes:
        """At most size bytes; none at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Member:
    """A plain file of an archive; open gives its bytes."""

    name: str
    open: Callable[[], IO[bytes]]


def is_archive(path: Path) -> bool:
    """Whether a file is one of the archives that can be unpacked, by its first bytes and its name."""
    name = path.name.lower()
    if not name.endswith(SUFFIXES):
        return False
    with path.open("rb") as file:
        head = file.read(tarfile.BLOCKSIZE)
    if name.endswith(".zip"):
        return head.startswith(ZIP_START)
    return head.startswith((GZIP_START, ZSTD_START)) or (name.endswith(".tar") and _begins_tar(head))


def without_suffix(name: str) -> str:
    """fish of fish.tar.gz; a name without an archive's suffix as it is."""
    return next((name[: -len(suffix)] for suffix in SUFFIXES if name.lower().endswith(suffix)), name)


def is_pipe(path: Path) -> bool:
    """Whether a path is a pipe, such as /dev/stdin behind another program."""
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        return False


def members(
    archive: Path, title: str, *, most: int, count: Callable[[], None], packed: Callable[[int], None]
) -> Iterator[Member]:
    """Every plain file, in the archive's order. count hears of each member, packed how many bytes a pipe gave.

    A zip's directory is read whole, so one with more than ``most`` members is refused before.
    """
    if is_pipe(archive):
        with archive.open("rb") as pipe:
            yield from _tar_members(_Counted(pipe, packed), title, count)
        return
    with archive.open("rb") as file:
        start = file.read(4)
    if start in ZIP_START:
        _require_few(archive, title, most)
        yield from _zip_members(archive, title, count)
    else:
        with _decompressed(archive, start) as content:
            yield from _tar_members(content, title, count)


def _begins_tar(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return len(head) == tarfile.BLOCKSIZE and not any(head)  # a tar of nothing begins with its end mark
    return True


def _require_few(archive: Path, title: str, most: int) -> None:
    """Count a zip's entries as zipfile will, without keeping them; what is damaged is for zipfile to say."""
    with archive.open("rb") as file:
        end = zipfile._EndRecData(file)  # type: ignore[attr-defined]
        if end is None:
            return
        at = end[zipfile._ECD_LOCATION] - end[zipfile._ECD_SIZE]  # type: ignore[attr-defined]
        if end[zipfile._ECD_SIGNATURE] == zipfile.stringEndArchive64:  # type: ignore[attr-defined]
            at -= zipfile.sizeEndCentDir64 + zipfile.sizeEndCentDir64Locator  # type: ignore[attr-defined]
        until, entries = at + end[zipfile._ECD_SIZE], 0  # type: ignore[attr-defined]
        while 0 <= at < until:
            file.seek(at)
            entry = file.read(ZIP_ENTRY.size)
            if len(entry) < ZIP_ENTRY.size:
                return
            at += ZIP_ENTRY.size + sum(ZIP_ENTRY.unpack(entry))
            entries += 1
            if entries > most:
                raise ArchiveError(f"There are more than {most:,} members.", where=Where(title))


def _zip_members(archive: Path, title: str, count: Callable[[], None]) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            count()
            _require_safe(info.orig_filename, title)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.flag_bits & ENCRYPTED:
                remedy = "Pack it anew without a password."
                raise ArchiveError("The member is encrypted.", where=Where(title, key=info.filename), remedy=remedy)
            if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
                raise _not_plain(title, info.filename)
            if not info.is_dir():
                yield Member(_slashes(info.filename), lambda info=info: opened.open(info))  # type: ignore[misc]


class _BoundedHeader(tarfile.TarInfo):
    """Refuses what tarfile would read into memory at whatever size it claims, and what it would take for the end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """As TarInfo's; ReadError for a broken header, and for one that is no file and claims more than MAX_HEADER_BYTES."""
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError("it is cut off" if len(buf) < tarfile.BLOCKSIZE else f"{error} between two members") from error
        if not header.isreg() and header.size > MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header claims {header.size:,} bytes")
        return header


class _Counted:
    """A pipe that tells how many bytes came."""

    def __init__(self, pipe: IO[bytes], packed: Callable[[int], None]) -> None:
        self._pipe, self._packed = pipe, packed

    def read(self, size: int = -1, /) -> bytes:
        """Read on."""
        data = self._pipe.read(size)
        self._packed(len(data))
        return data


class _Zstandard:
    """Decompresses as it is read; ReadError for what zstandard does not like."""

    def __init__(self, file: IO[bytes]) -> None:
        import zstandard  # loaded where it is used: most archives are zip

        self._error = zstandard.ZstdError
        decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
        self._reader = decompressor.stream_reader(file, read_across_frames=True, closefd=False)

    def read(self, size: int = -1, /) -> bytes:
        """Read on."""
        try:
            return self._reader.read(size)
        except self._error as error:
            raise tarfile.ReadError(str(error)) from error


@contextmanager
def _decompressed(archive: Path, start: bytes) -> Iterator[Readable]:
    """The tar inside. Its padding is read as well, since a checksum lies behind it."""
    with archive.open("rb") as file:
        if start.startswith(GZIP_START):
            content: Readable = cast(Readable, gzip.GzipFile(fileobj=file))
        else:
            content = _Zstandard(file) if start == ZSTD_START else file
        yield content
        left = MAX_PADDING_BYTES
        while left > 0 and (padding := content.read(left)):
            left -= len(padding)


def _tar_members(content: Readable, title: str, count: Callable[[], None]) -> Iterator[Member]:
    with tarfile.open(fileobj=cast(IO[bytes], content), mode="r|", tarinfo=_BoundedHeader) as opened:
        for info in opened:
            count()
            _require_safe(info.name, title)
            if info.isdir():
                continue
            if not info.isreg() or info.issparse():
                raise _not_plain(title, info.name)
            yield Member(_slashes(info.name), lambda info=info: _extracted(opened, info))  # type: ignore[misc]
            opened.members.clear()  # type: ignore[attr-defined]  # or every header of a long stream would be kept


def _extracted(opened: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = opened.extractfile(info)
    if file is None:
        raise tarfile.ReadError(f"{info.name} has no content")
    return file


def _slashes(name: str) -> str:
    """Some programs of Windows pack their own separators."""
    return name.replace("\\", "/")


def _not_plain(title: str, name: str) -> ArchiveError:
    remedy = "Pack plain files and folders only."
    return ArchiveError("The member is a link or a device.", where=Where(title, key=name), remedy=remedy)


def _require_safe(name: str, title: str) -> None:
    reason = unsafe_path(name.rstrip("/"))
    if reason and name.strip("/.") == "" and not name.startswith("/") and ".." not in name:
        return  # "./", the folder itself
    if reason:
        remedy = "Pack it anew from inside its folder, so that every name is relative to it."
        raise ArchiveError(f"The member is refused: {reason}.", where=Where(title, key=repr(name)[1:-1]), remedy=remedy)
