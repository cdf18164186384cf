"""Files of datasets on their way to a host's store, in the words that ``host/object_store.py`` understands."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from runner.errors import HostError
from runner.transports.archives import checked

BLOCK = 256 * 1024
DIGEST_LENGTH = 64
# A digest, a blank, what a size can have of digits, and the end of the line.
LINE_BYTES = DIGEST_LENGTH + 22

Progress = Callable[[int, int], None]
"""Told the bytes sent and the bytes to send in all."""


@dataclass(frozen=True, slots=True)
class Piece:
    """An object's bytes from ``held``, which the host has already, to ``size``, as they lie in ``path`` here."""

    digest: str
    path: Path
    size: int
    held: int = 0


def piece(digest: str, path: Path) -> Piece:
    """A whole object. HostError for what is no sha256 in hexadecimal digits; OSError."""
    if len(digest) != DIGEST_LENGTH or not set(digest) <= set("0123456789abcdef"):
        raise HostError(f"{digest!r} is no sha256: 64 hexadecimal digits, small letters.")
    return Piece(digest, path, path.stat().st_size)


class Answer:
    """What the host says that it lacks of the objects, as a sink that a source can wait for."""

    def __init__(self, wanted: Mapping[str, Piece]) -> None:
        self._wanted = wanted
        self._said = bytearray()
        self._ended = threading.Event()

    def __call__(self, data: bytes) -> None:
        """Take more of it. HostError for more than can be true."""
        self._said += data
        if not data or self.whole:
            self._ended.set()
        if len(self._said) > LINE_BYTES * len(self._wanted) + 1:
            raise HostError(f"The store says more than an answer about {len(self._wanted)} objects can have.")

    @property
    def whole(self) -> bool:
        """Whether it came to its end, an empty line."""
        return self._said == b"\n" or self._said.endswith(b"\n\n")

    def lacking(self) -> list[Piece]:
        """Wait for its end; nothing lacks as far as it is not whole."""
        self._ended.wait()
        return _lacking(bytes(self._said), self._wanted) if self.whole else []


def listed(wanted: Iterable[Piece]) -> bytes:
    """The objects that the host shall hold, with their sizes."""
    return "".join([*(f"{piece.digest} {piece.size}\n" for piece in wanted), "\n"]).encode("ascii")


def _lacking(answer: bytes, wanted: Mapping[str, Piece]) -> list[Piece]:
    """Where the host holds more than there is, it is sent all."""
    found = []
    for line in answer.decode("ascii", "replace").splitlines():
        digest, _, held = line.partition(" ")
        if digest in wanted and held.isdigit():
            known = wanted[digest]
            found.append(replace(known, held=int(held) if int(held) <= known.size else 0))
    return found


def frames(wanted: Sequence[Piece], progress: Progress) -> Iterator[bytes]:
    """The pieces as the host reads them, read here as they are sent. OSError when a file shrinks meanwhile."""
    sent, total = 0, sum(piece.size - piece.held for piece in wanted)
    for piece in wanted:
        head = f"{piece.digest} {piece.held} {piece.size}\n".encode("ascii")
        with piece.path.open("rb", buffering=0) as file:
            file.seek(piece.held)
            left = piece.size - piece.held
            while left:
                data = file.read(min(BLOCK, left))
                if not data:
                    raise OSError(f"{piece.path} became shorter while it was sent.")
                left -= len(data)
                yield head + data
                head = b""
                sent += len(data)
                progress(sent, total)
        if head:
            yield head


def links(manifest: Mapping[str, str]) -> bytes:
    """The paths of a tree and the objects they are links to. HostError for a path that leaves the tree."""
    return "".join(f"{digest} {checked(path)}\n" for path, digest in manifest.items()).encode()
