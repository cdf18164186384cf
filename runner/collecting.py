"""What a run left below its results folder on a host is brought to this machine: whole or not at all, however often it is tried.

The files come in one stream (runner/host/results.py) into a folder beside their place, which gets its name once all of them are here. What
came before a broken connection, or a crash, is not sent again. Nothing that a host says of names and sizes is believed.
"""

from __future__ import annotations

import json
import os
import posixpath
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import BinaryIO

from recipes.catalog.keeping import release
from recipes.catalog.objects import sync_file_system
from recipes.names import unsafe_path
from runner.entities import Host
from runner.errors import HostError, UnreachableError
from runner.service.house import House
from runner.store import past_runs
from runner.transports.base import Transport
from runner.transports.sending import Progress

PROGRAM = Path(str(resources.files("runner.host") / "results.py"))
COLLECT_TIMEOUT_S = 6 * 3600.0
MOST_FILES = 20_000
RESERVE_BYTES = 1_000_000_000
"""What the disk here keeps free, for the database above all."""
_LONGEST_HEADER = 32 * 1024 * 1024
_LONGEST_WORDS = 200
_SIGNALS = 128
_SHOWN = 5
_MOST_FORGOTTEN = 50


@dataclass(frozen=True, slots=True)
class Brought:
    """The files that are here now, by name with their sizes; ``left`` says what stayed on the host and where, empty where nothing did."""

    files: tuple[tuple[str, int], ...] = ()
    left: str = ""

    @property
    def size_bytes(self) -> int:
        """Of all that is here."""
        return sum(size for _, size in self.files)


def bring(transport: Transport, host: Host, folder: str, place: Path, *, limit_bytes: int, progress: Progress) -> Brought:
    """Make ``place`` what lies in ``folder`` on the host, as far as ``limit_bytes`` and the disk here allow; the smallest files go first.

    UnreachableError where trying again may help, and then goes on where it was; HostError; OSError of the disk here.
    """
    fresh = place.with_name(f".{place.name}.partial")
    if place.exists() and not fresh.exists():  # all was here, and nobody came to say so
        place.rename(fresh)
    fresh.mkdir(parents=True, exist_ok=True)
    held = {path.relative_to(fresh).as_posix(): path.stat().st_size for path in fresh.rglob("*") if path.is_file()}
    room = sum(held.values()) + max(0, shutil.disk_usage(fresh).free - RESERVE_BYTES)
    incoming = _Incoming(fresh, held, min(limit_bytes, room), progress)
    asked = {"folder": folder, "limit_bytes": incoming.limit_bytes, "most_files": MOST_FILES, "held": held}
    try:
        finished = transport.python(
            host.python or "python3", PROGRAM, stdin=json.dumps(asked).encode(), sink=incoming, timeout_s=COLLECT_TIMEOUT_S
        )
    finally:
        incoming.close()
    if finished.exit_code:
        said = finished.stderr.decode("utf-8", "replace").strip()[-500:] or f"it ended with code {finished.exit_code}"
        raise (UnreachableError if finished.exit_code > _SIGNALS else HostError)(f"{host.name} did not send it to its end: {said}.")
    files = incoming.whole()
    sync_file_system(fresh)
    shutil.rmtree(place, ignore_errors=True)
    fresh.rename(place)
    return Brought(files, _left_in_words(host, folder, incoming.left, incoming.left_more))


def forget_old(house: House, now: datetime) -> None:
    """Remove the results of runs that ended long ago, some at a time, and no longer keep the pictures that were given to them."""
    before = now - timedelta(days=house.settings.limits.result_days)
    folders = [folder for folder in house.settings.results.iterdir() if folder.stat().st_mtime < before.timestamp()]
    for folder in folders[:_MOST_FORGOTTEN]:
        shutil.rmtree(folder, ignore_errors=True)
    release(house.catalog, past_runs.files_no_longer_needed(house.store.reading(), ended_before=before))


class _Incoming:
    """Takes the stream apart, and each file to its place below ``folder``. HostError for what no program of ours says."""

    def __init__(self, folder: Path, held: Mapping[str, int], limit_bytes: int, progress: Progress) -> None:
        self.limit_bytes = limit_bytes
        self.left: list[tuple[str, str]] = []
        self.left_more = 0
        self._folder, self._held, self._progress = folder, held, progress
        self._header = bytearray()
        self._begun = False
        self._files: list[tuple[str, int]] = []
        self._next = self._missing = self._came = self._total = 0
        self._file: BinaryIO | None = None

    def __call__(self, data: bytes) -> None:
        """Take more of it."""
        if not self._begun:
            self._header += data
            if len(self._header) > _LONGEST_HEADER:
                raise HostError("The host lists files without end.")
            line, newline, rest = self._header.partition(b"\n")
            if not newline:
                return
            self._begin(bytes(line))
            data = bytes(rest)
        while data:
            if self._file is None:
                raise HostError("The host sent more than it had announced.")
            piece = data[: self._missing]
            self._file.write(piece)
            data = data[len(piece) :]
            self._missing -= len(piece)
            self._came += len(piece)
            self._advance()
        self._progress(self._came, self._total)

    def close(self) -> None:
        """Let go of the file under way; what came of it stays."""
        if self._file is not None:
            self._file.close()

    def whole(self) -> tuple[tuple[str, int], ...]:
        """All files, once all are here."""
        if not self._begun or self._file is not None or self._next < len(self._files):
            raise UnreachableError("What a run made was not sent to its end.")
        return tuple(self._files)

    def _begin(self, line: bytes) -> None:
        self._begun = True
        try:
            said = json.loads(line)
            self._files = [_checked(name, size) for name, size in said["files"]]
            self.left = [(_printable(name), _printable(why)) for name, why in said["left"]]
            self.left_more = int(said["left_more"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise HostError(f"The host's list of files cannot be read ({type(error).__name__}).") from error
        names = {name for name, _ in self._files}
        if len(names) < len(self._files) or len(names) > MOST_FILES or sum(size for _, size in self._files) > self.limit_bytes:
            raise HostError("The host lists more files than it was asked for, or one twice.")
        for name in self._held.keys() - names:
            (self._folder / name).unlink()
        self._total = sum(size - self._kept(name, size) for name, size in self._files)
        self._advance()

    def _kept(self, name: str, size: int) -> int:
        """How much of a file is here; one that is longer than it should be is another, and is sent anew."""
        held = self._held.get(name, 0)
        return held if held <= size else 0

    def _advance(self) -> None:
        """Go on with the next file that something is missing of."""
        while not self._missing:
            self.close()
            self._file = None
            if self._next == len(self._files):
                return
            name, size = self._files[self._next]
            self._next += 1
            kept = self._kept(name, size)
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (0 if kept else os.O_TRUNC), 0o644)
            self._file = os.fdopen(descriptor, "wb")
            self._file.seek(kept)
            self._missing = size - kept


def _checked(name: object, size: object) -> tuple[str, int]:
    """A file's path below its folder and its size. HostError for what leads elsewhere."""
    if not isinstance(name, str) or not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise HostError("The host lists something that is no file.")
    if unsafe_path(name) or posixpath.normpath(name) != name or "\\" in name or name == ".":
        raise HostError(f"The host lists a file that would lie elsewhere: {name[:200]!r}.")
    return name, size


def _printable(text: object) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in str(text)[:_LONGEST_WORDS])


def _left_in_words(host: Host, folder: str, left: list[tuple[str, str]], more: int) -> str:
    if not left:
        return ""
    more += max(0, len(left) - _SHOWN)
    named = ", ".join(f"{name} ({why})" for name, why in left[:_SHOWN]) + (f" and {more:,} more" if more else "")
    return f"Left on {host.name} in {folder}: {named}."
