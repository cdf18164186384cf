"""Unpacks archives that nobody vouches for, and archives inside them; all or nothing.

Refused are members that meet on one name (letter case does not count) and archives that are too many, too large or too
dense for the limits, beside all that archive_members refuses. What a header says about sizes is not believed: the bytes
that come out are counted. A single file that can be a dataset by itself, and a tar through a pipe, come the same way.
"""

from __future__ import annotations

import shutil
import unicodedata
import uuid
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from recipes.arriving.archive_members import DAMAGE, SUFFIXES, Member, is_archive, is_pipe, members, without_suffix
from recipes.errors import ArchiveError, Where
from recipes.names import unsafe_path
from recipes.progress import Progress, silent

PIECE = 1 << 20
SINGLE_FILES = (".json", ".csv", ".xml", ".tfrecord", ".tfrecords", ".record", ".mp4", ".avi", ".mov", ".mkv", ".webm")
"""What can be a dataset without a folder around it: annotations with their pictures inside, and videos."""


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


@dataclass(slots=True)
class _Budget:
    """What has been spent of the limits, over an archive and all inside it."""

    limits: Limits
    packed_bytes: int
    progress: Progress
    members: int = 0
    files: int = 0
    size_bytes: int = 0

    def took(self, size_bytes: int) -> None:
        """So many bytes more came through a pipe."""
        self.packed_bytes += size_bytes

    def count(self, title: str) -> None:
        """One member more; ArchiveError where that is one too many."""
        self.members += 1
        if self.members > self.limits.max_members:
            raise ArchiveError(f"There are more than {self.limits.max_members:,} members.", where=Where(title))


def can_be_a_dataset(name: str) -> bool:
    """Whether a file may be taken by its name: an archive, or a single file that can be a dataset by itself."""
    return name.lower().endswith((*SUFFIXES, *SINGLE_FILES))


def unpack(archive: Path, destination: Path, *, limits: Limits, progress: Progress = silent, title: str | None = None) -> Unpacked:
    """Unpack into destination, which must not exist, with one rename at the end.

    ArchiveError names archive and member; nothing is left behind then. Archives inside become folders of their name
    without the suffix; a single file that can be a dataset by itself becomes a folder of one. ``title`` is what people
    call the archive, where that is not its file's name. How much of a pipe has come is told by whoever fills it.
    """
    called = title or archive.name
    if not archive.exists():
        raise ArchiveError("There is no such file or folder.", where=Where(called), remedy="Look at the path.")
    piped = is_pipe(archive)
    single = not piped and archive.is_file() and not is_archive(archive) and archive.name.lower().endswith(SINGLE_FILES)
    if not (piped or single or (archive.is_file() and is_archive(archive))):
        remedy = f"Send one of {', '.join(SUFFIXES)}, or a single file: {', '.join(SINGLE_FILES)}."
        raise ArchiveError("This is no archive that can be unpacked.", where=Where(called), remedy=remedy)
    destination.parent.mkdir(parents=True, exist_ok=True)
    fresh = destination.parent / f".{destination.name}.{uuid.uuid4().hex}.partial"
    budget = _Budget(limits, 0 if piped else archive.stat().st_size, silent if piped else progress)
    fresh.mkdir()
    try:
        if single:
            name = PurePosixPath(called).name
            _copy(Member(name if not unsafe_path(name) else archive.name, lambda: archive.open("rb")), fresh, called, budget)
        else:
            _unpack_into(archive, called, fresh, budget, depth=1)
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
        for member in members(archive, title, most=budget.limits.max_members, count=lambda: budget.count(title), packed=budget.took):
            _claim(member.name, names, title)
            target = _copy(member, folder, title, budget)
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
    folder = archive.with_name(without_suffix(archive.name) or archive.name)
    archive.rename(packed)
    if folder.exists():
        folder = archive
    folder.mkdir()
    _unpack_into(packed, title, folder, budget, depth=depth)
    packed.unlink()
    budget.files -= 1


def _claim(name: str, names: set[str], title: str) -> None:
    """Refuse two members that would be one file, here or where letter case does not count."""
    clean = unicodedata.normalize("NFC", str(PurePosixPath(name))).casefold()
    if clean in names:
        raise ArchiveError("Another member has the same name (letter case aside).", where=Where(title, key=name))
    names.add(clean)


def _copy(member: Member, folder: Path, title: str, budget: _Budget) -> Path:
    limits = budget.limits
    size = 0
    target = folder / member.name
    target.parent.mkdir(parents=True, exist_ok=True)
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
    return target


def _too_large(message: str, title: str, member: Member) -> ArchiveError:
    remedy = "Pack images and annotations alone, in several archives if need be."
    return ArchiveError(message, where=Where(title, key=member.name), remedy=remedy)
