"""Many file names in little memory: one text and where each name begins, some twenty bytes a name instead of ninety."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

SAMPLED = 64


class FileNames(Sequence[str]):
    """Names in ascending order, as a tuple of them would be. Looking one up takes a search among every 64th, and one behind it.

    A name begins behind a NUL, which no file's name holds, and ends before the next. The order of texts is that of their UTF-8.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        """Take in names that come in ascending order (ValueError otherwise)."""
        text, starts, last = bytearray(b"\0"), array("Q"), b""
        for name in names:
            encoded = name.encode()
            if encoded < last:
                raise ValueError(f"{name!r} comes after {last.decode()!r}")
            starts.append(len(text))
            text += encoded + b"\0"
            last = encoded
        self._text, self._starts = bytes(text), starts
        self._samples = [self._bytes(place) for place in range(0, len(starts), SAMPLED)]

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        number = place + len(self._starts) if place < 0 else place
        if not 0 <= number < len(self._starts):
            raise IndexError(place)
        return self._bytes(number).decode()

    def __iter__(self) -> Iterator[str]:
        for place in range(len(self._starts)):
            yield self._bytes(place).decode()

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._position(name.encode()) > 0

    def find(self, name: str) -> int | None:
        """The place of a name, None where it is not there."""
        position = self._position(name.encode())
        return bisect_left(self._starts, position) if position else None

    def below(self, prefix: str) -> range:
        """The places of the names that begin with prefix."""
        length = len(prefix)
        return range(bisect_left(self, prefix), bisect_right(self, prefix, key=lambda name: name[:length]))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(str.__eq__, self, other))

    def __hash__(self) -> int:
        return hash(self._text)

    def _bytes(self, place: int) -> bytes:
        end = self._starts[place + 1] - 1 if place + 1 < len(self._starts) else -1
        return self._text[self._starts[place] : end]

    def _position(self, name: bytes) -> int:
        """Where a name begins in the text; 0 where it is not there."""
        sample = bisect_right(self._samples, name)
        if not sample or b"\0" in name:
            return 0
        first = self._starts[(sample - 1) * SAMPLED]
        last = self._starts[sample * SAMPLED] if sample < len(self._samples) else len(self._text)
        return self._text.find(b"\0%b\0" % name, first - 1, last) + 1
