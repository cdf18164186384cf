"""Rows that come in any order, brought together by image without holding them all.

Rows collect in memory and are spilled, chunk of images by chunk of images; a chunk is then small enough to be grouped at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

from recipes.streams.spool import Spool, decoded, encoded

Row: TypeAlias = tuple[Any, ...]
"""Of what marshal knows: numbers, texts, None, tuples, lists, dicts."""

HELD_ROWS = 50_000


class Grouping:
    """Rows by image number, 0 or more; ``size`` images make a chunk. Add all, then take the chunks, each any number of times."""

    def __init__(self, size: int, directory: Path | None = None) -> None:
        self.size = size
        self._spool = Spool(directory)
        self._pieces: dict[int, list[int]] = defaultdict(list)
        self._held: dict[int, list[tuple[int, Row]]] = defaultdict(list)
        self._count = 0

    def add(self, image: int, row: Row) -> None:
        """Add a row of an image."""
        self._held[image // self.size].append((image, row))
        self._count += 1
        if self._count >= HELD_ROWS:
            self.settle()

    def extend(self, rows: Iterable[tuple[int, Row]]) -> None:
        """Add rows of several images."""
        held, size = self._held, self.size
        for row in rows:
            held[row[0] // size].append(row)
            self._count += 1
        if self._count >= HELD_ROWS:
            self.settle()

    def settle(self) -> None:
        """Spill what is held. Call it after the last row, before processes are forked."""
        for chunk in sorted(self._held):
            self._pieces[chunk].append(len(self._spool))
            self._spool.append(encoded(self._held[chunk]))
        self._held.clear()
        self._count = 0

    def chunk(self, number: int) -> dict[int, list[Row]]:
        """The rows of a chunk's images by image number, each image's in the order they were added."""
        rows: dict[int, list[Row]] = defaultdict(list)
        for piece in self._pieces.get(number, ()):
            for image, row in decoded(self._spool.read(piece)):
                rows[image].append(row)
        return rows
