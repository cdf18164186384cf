"""Reads a large JSON object whose values are long lists, a window at a time, so that memory does not grow with the file.

A list is cut where one object ends and the next begins. Such a place may also lie inside an object or a text; then what
comes before it is no whole JSON, the parser says so, and another place is tried. So a cut that parses is right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from recipes.errors import FormatError, Where

Batch: TypeAlias = list[Any]
WINDOW = 1 << 18
LARGEST_ENTRY = 1 << 28
TRIED_CUTS = 30
BETWEEN = re.compile(rb"\}\s*,\s*\{")
BLANK = re.compile(rb"[ \t\r\n]*")
KEY = re.compile(rb'"(?:[^"\\]|\\.)*"[ \t\r\n]*:[ \t\r\n]*', re.DOTALL)
SCALAR = re.compile(rb"[^,}\s]+")
AFTER = "unexpected content after document"
BOM = b"\xef\xbb\xbf"


def sections(path: Path, name: str) -> Iterator[tuple[str, Any]]:
    """The values of the file's object: (key, value), but for a list (key, its entries) in batches, at least one.

    FormatError names the file (by name) and the line where it is no JSON object.
    """
    with path.open("rb") as file:
        yield from _Reader(file, name).sections()


class _Reader:
    """The file with a window of unread bytes; offset is where the window begins."""

    def __init__(self, file: Any, name: str) -> None:
        self._file = file
        self._name = name
        self._data = b""
        self._offset = 0
        self._ended = False
        self._fill(WINDOW)
        if self._data.startswith(BOM):
            self._skip(len(BOM))

    def sections(self) -> Iterator[tuple[str, Any]]:
        if self._peek() != b"{":
            raise self._error("The file holds no JSON object")
        self._skip(1)
        first = True
        while (found := self._peek()) != b"}":
            if not first:
                if found != b",":
                    raise self._error("This is not JSON: a comma or the end of the object is missing")
                self._skip(1)
                self._peek()
            first = False
            key = self._key()
            if self._peek() == b"[":
                yield from ((key, batch) for batch in self._list())
            else:
                yield key, self._value()
        self._skip(1)
        if self._peek():
            raise self._error("This is not JSON: something follows the object's end")

    def _key(self) -> str:
        match = KEY.match(self._data)
        while match is None and self._grow():
            match = KEY.match(self._data)
        if match is None:
            raise self._error("This is not JSON: a key is missing")
        key: str = self._loads(match[0].rstrip(b" \t\r\n:"))
        self._skip(match.end())
        return key

    def _value(self) -> Any:
        """A value that is no list."""
        while True:
            if self._data[:1] not in (b"{", b'"'):
                scalar = SCALAR.match(self._data)
                end = scalar.end() if scalar and (self._ended or scalar.end() < len(self._data)) else 0
            else:
                end = self._whole(self._data)
            if end:
                value = self._loads(self._data[:end])
                self._skip(end)
                return value
            if not self._grow():
                return self._loads(self._data)

    def _list(self) -> Iterator[Batch]:
        """The entries of a list, batch by batch; the window begins at its bracket."""
        self._skip(1)
        first = True
        while True:
            self._fill(WINDOW)
            if self._peek() == b"]":
                self._skip(1)
                if first:
                    yield []
                return
            batch, used, ended = self._batch()
            yield batch
            first = False
            self._skip(used)
            if ended:
                return

    def _batch(self) -> tuple[Batch, int, bool]:
        """Some whole entries, how many bytes they and what follows them take, and whether the list ends there."""
        while True:
            for cut, (end, following) in enumerate(self._cuts()):
                try:
                    return orjson.loads(b"[" + self._data[:end] + b"]"), following, False
                except orjson.JSONDecodeError:
                    if cut == 0 and (whole := self._whole(b"[" + self._data)):
                        return orjson.loads(b"[" + self._data[: whole - 1]), whole - 1, True
            if whole := self._whole(b"[" + self._data):
                return orjson.loads(b"[" + self._data[: whole - 1]), whole - 1, True
            if not self._grow():
                self._loads(b"[" + self._data, before=1)
                raise self._error("This is not JSON: the file ends inside a list")

    def _cuts(self) -> Iterator[tuple[int, int]]:
        """Places between two objects, the last one first: where the object ends, and where the next begins."""
        last = len(self._data)
        for _ in range(TRIED_CUTS):
            last = self._data.rfind(b"{", 0, last)
            if last < 0:
                return
            end = self._data.rfind(b"}", 0, last)
            match = BETWEEN.match(self._data, end) if end >= 0 else None
            if match and match.end() == last + 1:
                yield end + 1, last

    def _whole(self, text: bytes) -> int:
        """Where the JSON value ends that text begins with; 0 where it does not end in it."""
        try:
            orjson.loads(text)
        except orjson.JSONDecodeError as error:
            if error.msg != AFTER:
                return 0
            return error.pos if text.isascii() else len(text.decode()[: error.pos].encode())
        return len(text)

    def _loads(self, text: bytes, *, before: int = 0) -> Any:
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError as error:
            at = len(text.decode(errors="replace")[: error.pos].encode()) - before
            raise self._error(f"This is not JSON: {error.msg}", at=at) from error

    def _error(self, message: str, *, at: int = 0) -> FormatError:
        self._file.seek(0)
        line = 1 + sum(piece.count(b"\n") for piece in self._pieces(self._offset + at))
        return FormatError(f"{message}.", where=Where(self._name, line), remedy="Export it again, or mend that line.")

    def _pieces(self, end: int) -> Iterator[bytes]:
        while end > 0 and (piece := self._file.read(min(end, WINDOW))):
            end -= len(piece)
            yield piece

    def _peek(self) -> bytes:
        """Pass over blanks; the next byte, or nothing at the end."""
        while True:
            blank = BLANK.match(self._data)
            self._skip(blank.end() if blank else 0)
            if self._data or not self._grow():
                return self._data[:1]

    def _skip(self, count: int) -> None:
        if count:
            self._data = self._data[count:]
            self._offset += count

    def _fill(self, size: int) -> None:
        while len(self._data) < size and not self._ended:
            more = self._file.read(size - len(self._data))
            self._ended = not more
            self._data += more

    def _grow(self) -> bool:
        """Twice the window; False at the end of the file."""
        if self._ended:
            return False
        if len(self._data) > LARGEST_ENTRY:
            raise self._error(f"An entry is longer than {LARGEST_ENTRY:,} bytes")
        self._fill(max(WINDOW, 2 * len(self._data)))
        return True
