"""Reads logs whose records take several lines: a table, a printed dictionary, one average precision a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from runner.entities import Record
from runner.log_lines import LineReader, printed

LONGEST = 1024 * 1024
"""Bytes from a record's first line to its last. What is further apart is no record."""


class Block(Protocol):
    """What reads the lines one by one. While it is ``open``, the lines behind it belong to a record that is not complete."""

    @property
    def open(self) -> bool: ...

    def read(self, line: bytes) -> Sequence[Record]: ...

    def drop(self) -> None:
        """Forget the open record: what follows is too far away to belong to it."""


class BlockLogParser:
    """A log parser over a block."""

    def __init__(self, block: Block) -> None:
        self._lines = LineReader()
        self._block = block
        self._held = 0

    @property
    def pending_bytes(self) -> int:
        """How many of the bytes fed belong to a record or a line not yet complete."""
        return self._held + self._lines.pending_bytes

    def feed(self, data: bytes) -> list[Record]:
        """The records that ``data`` completes; never raises."""
        records: list[Record] = []
        lines = self._lines.feed(data)
        for line, text in zip(lines, printed(lines, data), strict=True):
            found = self._block.read(text)
            records += found
            if not self._block.open:
                self._held = 0
                continue
            # A line that ends one record may begin the next.
            self._held = len(line) + 1 + (0 if found else self._held)
            if self._held > LONGEST:
                self._block.drop()
                self._held = 0
        return records
