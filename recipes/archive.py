"""Unpacks archives that nobody vouches for: zip, tar, tar.gz, and archives inside them, or nothing at all.

Refused are members that would land outside (``../``, absolute paths, drive letters), that are no plain files (links,
devices), that meet on one name (letter case does not count), that are encrypted, and archives that are too many, too
large or too dense for the limits. What a header says about sizes is not believed: the bytes that come out are counted.
"""

from __future__ import annotations

import lzma
import shutil
import stat
import struct
import tarfile
import unicodedata
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Self

from recipes.errors import ArchiveError, Where
from recipes.names import unsafe_path
from recipes.progress import Progress, silent

PIECE = 1 << 20
SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
ZIP_START = (b"PK\x03\x04", b"PK\x05\x06")
GZIP_START = b"\x1f\x8b"
ENCRYPTED = 0x1
MAX_HEADER_BYTES = 1 << 20
DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ValueError,
    LookupError,
    ArithmeticError,
    RuntimeError,  # NotImplementedError for an unknown compression is one
)
"""All that zipfile and tarfile raise over bytes they do not like."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may cost, nested ones included. max_ratio is judged once an archive gave more than ratio_from_bytes."""

    max_bytes: int = 200 * 1024**3
    max_file_bytes: int = 20 * 1024**3
    max_members: int = 2_000_000
    max_ratio: int = 200
    ratio_from_bytes: int = 64 * 1024**2
    max_depth: int = 3


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What came out."""

    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Member:
    """A plain file of an archive; open gives its bytes."""

    name: str
    open: Callable[[], IO[bytes]]


@dataclass(slots=True)
class _Budget:
    """What has been spent of the limits, over an archive and all inside it."""

    limits: Limits
    packed_bytes: int
    progress: Progress
    members: int = 0
    files: int = 0
    size_bytes: int = 0
    names: set[str] = field(default_factory=set)


def is_archive(path: Path) -> bool:
    """Whether a file is one of the archives that can be unpacked, by its first bytes and its name."""
    name = path.name.lower()
    if not name.endswith(SUFFIXES):
        return False
    with path.open("rb") as file:
        start = file.read(4)
    if name.endswith(".zip"):
        return start in ZIP_START
    return start.startswith(GZIP_START) or (name.endswith(".tar") and tarfile.is_tarfile(path))


def unpack(archive: Path, destination: Path, *, limits: Limits, progress: Progress = silent, title: str | None = None) -> Unpacked:
    """Unpack into destination, which must not exist, with one rename at the end.

    ArchiveError names archive and member; nothing is left behind then. Archives inside become folders of their name
    without the suffix. ``title`` is what people call the archive, where that is not its file's name.
    """
    if not archive.is_file() or not is_archive(archive):
        remedy = "Send a zip, tar or tar.gz."
        raise ArchiveError("This is no archive that can be unpacked.", where=Where(title or archive.name), remedy=remedy)
    destination.parent.mkdir(parents=True, exist_ok=True)
    fresh = destination.parent / f".{destination.name}.{uuid.uuid4().hex}.partial"
    budget = _Budget(limits, archive.stat().st_size, progress)
    fresh.mkdir()
    try:
        _unpack_into(archive, title or archive.name, fresh, budget, depth=1)
        fresh.rename(destination)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return Unpacked(budget.files, budget.size_bytes)


def _unpack_into(archive: Path, title: str, folder: Path, budget: _Budget, *, depth: int) -> None:
    if depth > budget.limits.max_depth:
        raise ArchiveError(f"Archives are nested deeper than {budget.limits.max_depth}.", where=Where(title))
    names: set[str] = set()
    inner: list[Path] = []
    try:
        for member in _members(archive, title, budget):
            _claim(member.name, names, title)
            target = folder / member.name
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(member, target, title, budget)
            if target.name.lower().endswith(SUFFIXES) and is_archive(target):
                inner.append(target)
    except DAMAGE as error:
        raise ArchiveError(f"The archive is damaged: {error}.", where=Where(title), remedy="Send it again.") from error
    except OSError as error:
        raise ArchiveError(f"The archive cannot be unpacked: {error.strerror or error}.", where=Where(title)) from error
    for nested in inner:
        _unpack_nested(nested, f"{title}, {nested.relative_to(folder)}", budget, depth=depth + 1)


def _unpack_nested(archive: Path, title: str, budget: _Budget, *, depth: int) -> None:
    """Put a folder in the place of an archive: fish.zip becomes fish, or keeps its name where fish is taken."""
    packed = archive.with_name(f".{uuid.uuid4().hex}.archive")
    stem = next(archive.name[: -len(suffix)] for suffix in reversed(SUFFIXES) if archive.name.lower().endswith(suffix))
    folder = archive.with_name(stem or archive.name)
    archive.rename(packed)
    if folder.exists():
        folder = archive
    folder.mkdir()
    _unpack_into(packed, title, folder, budget, depth=depth)
    packed.unlink()
    budget.files -= 1


def _members(archive: Path, title: str, budget: _Budget) -> Iterator[_Member]:
    with archive.open("rb") as file:
        start = file.read(4)
    if start in ZIP_START:
        yield from _zip_members(archive, title, budget)
    else:
        yield from _tar_members(archive, title, budget)


def _zip_members(archive: Path, title: str, budget: _Budget) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            _count(budget, title)
            _require_safe(info.orig_filename, title)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.flag_bits & ENCRYPTED:
                raise ArchiveError("The member is encrypted.", where=Where(title, key=info.filename))
            if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
                raise _not_plain(title, info.filename)
            if not info.is_dir():
                yield _Member(_slashes(info.filename), lambda info=info: opened.open(info))  # type: ignore[misc]


class _BoundedHeader(tarfile.TarInfo):
    """Refuses extended headers that tarfile would read into memory at whatever size they claim."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """As TarInfo's; ReadError for a header that is no file and claims more than MAX_HEADER_BYTES."""
        header = super().frombuf(buf, encoding, errors)
        if not header.isreg() and header.size > MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header claims {header.size:,} bytes")
        return header


def _tar_members(archive: Path, title: str, budget: _Budget) -> Iterator[_Member]:
    with tarfile.open(archive, "r|*", tarinfo=_BoundedHeader) as opened:
        for info in opened:
            _count(budget, title)
            _require_safe(info.name, title)
            if info.isdir():
                continue
            if not info.isreg() or info.issparse():
                raise _not_plain(title, info.name)
            yield _Member(_slashes(info.name), lambda info=info: _extracted(opened, info))  # type: ignore[misc]


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


def _count(budget: _Budget, title: str) -> None:
    budget.members += 1
    if budget.members > budget.limits.max_members:
        raise ArchiveError(f"There are more than {budget.limits.max_members:,} members.", where=Where(title))


def _require_safe(name: str, title: str) -> None:
    reason = unsafe_path(name.rstrip("/"))
    if reason and name.strip("/.") == "" and not name.startswith("/") and ".." not in name:
        return  # "./", the folder itself
    if reason:
        remedy = "Pack it anew from inside its folder, so that every name is relative to it."
        raise ArchiveError(f"The member is refused: {reason}.", where=Where(title, key=repr(name)[1:-1]), remedy=remedy)


def _claim(name: str, names: set[str], title: str) -> None:
    """Refuse two members that would be one file, here or where letter case does not count."""
    clean = unicodedata.normalize("NFC", str(PurePosixPath(name))).casefold()
    if clean in names:
        raise ArchiveError("Another member has the same name (letter case aside).", where=Where(title, key=name))
    names.add(clean)


def _copy(member: _Member, target: Path, title: str, budget: _Budget) -> None:
    limits = budget.limits
    size = 0
    with member.open() as source, target.open("xb") as out:
        while piece := source.read(PIECE):
            size += len(piece)
            budget.size_bytes += len(piece)
            if size > limits.max_file_bytes:
                raise _too_large(f"The member is larger than {limits.max_file_bytes:,} bytes.", title, member)
            if budget.size_bytes > limits.max_bytes:
                raise _too_large(f"The content is larger than {limits.max_bytes:,} bytes.", title, member)
            dense = budget.size_bytes > limits.max_ratio * budget.packed_bytes
            if dense and budget.size_bytes > limits.ratio_from_bytes:
                raise _too_large(f"It unpacks to more than {limits.max_ratio} times the archive's size.", title, member)
            out.write(piece)
    budget.files += 1
    budget.progress(budget.size_bytes, 0, "unpacking")


def _too_large(message: str, title: str, member: _Member) -> ArchiveError:
    remedy = "Pack images and annotations alone, in several archives if need be."
    return ArchiveError(message, where=Where(title, key=member.name), remedy=remedy)
