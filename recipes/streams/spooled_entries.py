"""Entries of a large file on disk between the pass that finds them and the one that reads them; memory holds a few."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

from recipes.streams.spool import Spool, decoded, encoded

Entry = TypeVar("Entry")
PIECE = 64


class SpooledEntries(Sequence[Entry], Generic[Entry]):
    """A sequence of what make returns for tuples of marshal's kinds. Add all, settle, then take any of them, from any process."""

    def __init__(self, make: Callable[..., Entry], directory: Path | None = None) -> None:
        self._make, self._spool = make, Spool(directory)
        self._held: list[tuple[Any, ...]] = []
        self._count = 0

    def add(self, entry: tuple[Any, ...]) -> None:
        """Add one more, as a tuple."""
        self._held.append(entry)
        self._count += 1
        if len(self._held) == PIECE:
            self.settle()

    def settle(self) -> None:
        """Write what is held; call it after the last, and only then."""
        if self._held:
            self._spool.append(encoded(self._held))
            self._held.clear()

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Entry: ...

    @overload
    def __getitem__(self, place: slice) -> list[Entry]: ...

    def __getitem__(self, place: int | slice) -> Entry | list[Entry]:
        if isinstance(place, int):
            if not 0 <= place < self._count:
                raise IndexError(place)
            return self[place : place + 1][0]
        start, stop, _ = place.indices(self._count)
        pieces = range(start // PIECE, -(-stop // PIECE))
        entries = [entry for piece in pieces for entry in decoded(self._spool.read(piece))]
        first = start - start // PIECE * PIECE
        return [self._make(*entry) for entry in entries[first : first + max(0, stop - start)]]
