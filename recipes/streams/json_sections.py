"""Reads a large JSON object whose values are long lists or objects, a window at a time, so that memory does not grow with the file.

A list (or an object) is cut where one object of it ends and the next begins. Such a place may also lie inside an object or
a text; then what comes before it is no whole JSON, the parser says so, and another place is tried. So a cut that parses is right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import orjson

from recipes.errors import FormatError, Where

Batch: TypeAlias = list[Any]
WINDOW = 1 << 18
LARGEST_ENTRY = 1 << 28
TRIED_CUTS = 30
BLANK = re.compile(rb"[ \t\r\n]*")
KEY = re.compile(rb'"(?:[^"\\]|\\.)*"[ \t\r\n]*:[ \t\r\n]*', re.DOTALL)
SCALAR = re.compile(rb"[^,}\s]+")
NO_OBJECTS: Mapping[str, Sequence[str]] = MappingProxyType({})
AFTER = "unexpected content after document"
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class _Many:
    """A list, or an object as a list of members; between matches from the end of an entry to where the next begins, its group."""

    opening: bytes
    closing: bytes
    between: re.Pattern[bytes]


LIST = _Many(b"[", b"]", re.compile(rb"\}\s*,\s*(?=\{)"))


def _object_of(first_keys: Sequence[str]) -> _Many:
    """An object whose members are objects. One of the keys is the first of each of these as a rule: there it is cut."""
    keys = "|".join(map(re.escape, first_keys)).encode()
    return _Many(b"{", b"}", re.compile(rb'\}\s*,\s*(?="(?:[^"\\]|\\.){0,2000}"\s*:\s*\{\s*"(?:%b)")' % keys))


def members(path: Path, name: str, first_keys: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The members of the file's object in batches; each member begins with one of the keys, or memory grows. FormatError as of sections."""
    with path.open("rb") as file:
        yield from _Reader(file, name).members(first_keys)


def sections(path: Path, name: str, *, objects: Mapping[str, Sequence[str]] = NO_OBJECTS) -> Iterator[tuple[str, Any]]:
    """The values of the file's object: (key, value), but for a list (key, its entries) in batches, at least one.

    An object whose key is in objects comes in batches of its members, as of members(), likewise. FormatError names the file (by
    name) and the line where it is no JSON object.
    """
    with path.open("rb") as file:
        yield from _Reader(file, name).sections(objects)


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

    def members(self, first_keys: Sequence[str]) -> Iterator[dict[str, Any]]:
        self._require_object()
        yield from self._many(_object_of(first_keys))
        self._require_end()

    def _require_object(self) -> None:
        if self._peek() != b"{":
            raise self._error("The file holds no JSON object")

    def _require_end(self) -> None:
        if self._peek():
            raise self._error("This is not JSON: something follows the object's end")

    def sections(self, objects: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, Any]]:
        self._require_object()
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
            following = self._peek()
            if following == b"[" or (following == b"{" and key in objects):
                kind = LIST if following == b"[" else _object_of(objects[key])
                yield from ((key, batch) for batch in self._many(kind))
            else:
                yield key, self._value()
        self._skip(1)
        self._require_end()

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

    def _many(self, kind: _Many) -> Iterator[Any]:
        """The entries of a list or members of an object, batch by batch; the window begins at its bracket."""
        self._skip(1)
        first = True
        while True:
            self._fill(WINDOW)
            if self._peek() == kind.closing:
                self._skip(1)
                if first:
                    yield orjson.loads(kind.opening + kind.closing)
                return
            batch, used, ended = self._batch(kind)
            yield batch
            first = False
            self._skip(used)
            if ended:
                return

    def _batch(self, kind: _Many) -> tuple[Any, int, bool]:
        """Some whole entries, how many bytes they and what follows them take, and whether it all ends there."""
        while True:
            for cut, (end, following) in enumerate(self._cuts(kind)):
                try:
                    return orjson.loads(kind.opening + self._data[:end] + kind.closing), following, False
                except orjson.JSONDecodeError:
                    if cut == 0 and (whole := self._whole(kind.opening + self._data)):
                        return orjson.loads(kind.opening + self._data[: whole - 1]), whole - 1, True
            if whole := self._whole(kind.opening + self._data):
                return orjson.loads(kind.opening + self._data[: whole - 1]), whole - 1, True
            if not self._grow():
                self._loads(kind.opening + self._data, before=1)
                raise self._error("This is not JSON: the file ends inside a list or an object")

    def _cuts(self, kind: _Many) -> Iterator[tuple[int, int]]:
        """Places between two entries, the last one first: where the one ends, and where the next begins."""
        last, tried = len(self._data), 0
        while tried < TRIED_CUTS and (last := self._data.rfind(b"}", 0, last)) >= 0:
            match = kind.between.match(self._data, last)
            if match:
                tried += 1
                yield last + 1, match.end()

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
