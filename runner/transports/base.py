"""How a host is reached. One file per way; every call has a deadline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from runner.transports.sending import Progress


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program on a host ended."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class Channel(Protocol):
    """A program on a host that goes on: bytes in, bytes out."""

    def write(self, data: bytes) -> None: ...

    def read(self, timeout_s: float) -> bytes:
        """Next bytes, ``b""`` when none came in time; raises UnreachableError when the stream ended."""
        ...

    def close(self) -> None: ...


class Transport(Protocol):
    """A connection to one host. Raises UnreachableError (no answer) or HostError (refused: key, login, disk).

    Safe to use from several threads; reconnects by itself on the next call after a break.
    """

    def shell(self, script: str, *, stdin: bytes = b"", timeout_s: float) -> Finished:
        """Run a POSIX sh script (through ``exec sh -s``: the login shell never sees it). ``stdin`` is for the script's own
        commands. Output is drained while it runs, at most 8 MiB of it kept."""
        ...

    def pour(self, script: str, sink: Callable[[bytes], None], *, timeout_s: float) -> Finished:
        """Run a POSIX sh script whose output goes to ``sink`` as it comes, however much it is; the host waits where ``sink`` does."""
        ...

    def python(
        self, interpreter: str, program: Path, *, stdin: bytes = b"", arguments: Sequence[str] = (), setup: Sequence[str] = (),
        sink: Callable[[bytes], None] | None = None, timeout_s: float,
    ) -> Finished:
        """Run one of our own programs, a module or a package with ``__main__.py``, with the host's ``interpreter``, after lines of
        sh that prepare its environment; it is put on the host as one file, once, by content. Its output is kept, or goes to ``sink``
        as it comes."""
        ...

    def stream(self, interpreter: str, program: Path, *, timeout_s: float) -> Channel:
        """Start ``program`` and keep talking to it; ``timeout_s`` is for the start."""
        ...

    def put_tree(self, directory: str, files: Mapping[str, bytes], *, timeout_s: float) -> None:
        """Write small files below ``directory`` (made where missing) in one tar stream, whole or not at all by name."""
        ...

    def put_objects(self, store: str, objects: Iterable[tuple[str, Path]], *, timeout_s: float, progress: Progress | None = None) -> None:
        """Send files named by their sha256 into ``store`` (``<2 letters>/<digest>``, mode 0444) in one stream; skip what is there,
        go on inside a file where an earlier call was interrupted. What arrives damaged is not stored, and a HostError."""
        ...

    def link_tree(self, store: str, folder: str, manifest: Mapping[str, str], *, timeout_s: float) -> int:
        """Make ``folder`` a tree of hard links to objects in ``store`` (path to digest), whole or not at all; one that is there stays.
        Returns how many had to be symbolic links. HostError for objects that are not there."""
        ...

    def get(self, path: str, sink: BinaryIO, *, limit_bytes: int, timeout_s: float) -> int:
        """Copy a file from the host into ``sink``; returns its size; HostError when it is larger than the limit or missing."""
        ...

    def close(self) -> None: ...
