"""Many file names in little memory: one text and where each name ends, some twenty bytes a name instead of ninety."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import overload


class FileNames(Sequence[str]):
    """Names in ascending order, as a tuple of them would be; looking one up is a binary search."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        """Take in names that come in ascending order (ValueError otherwise)."""
        text, ends, last = bytearray(), array("Q", (0,)), ""
        for name in names:
            if name < last:
                raise ValueError(f"{name!r} comes after {last!r}")
            text += name.encode()
            ends.append(len(text))
            last = name
        self._text, self._ends = bytes(text), ends

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        number = place + len(self) if place < 0 else place
        if not 0 <= number < len(self):
            raise IndexError(place)
        return self._text[self._ends[number] : self._ends[number + 1]].decode()

    def __iter__(self) -> Iterator[str]:
        text, start = self._text, 0
        for end in self._ends[1:]:
            yield text[start:end].decode()
            start = end

    def __contains__(self, name: object) -> bool:
        return self.find(name) is not None

    def find(self, name: object) -> int | None:
        """The place of a name, None where it is not there."""
        if not isinstance(name, str):
            return None
        place = bisect_left(self, name)
        return place if place < len(self) and self[place] == name else None

    def below(self, prefix: str) -> range:
        """The places of the names that begin with prefix."""
        return range(bisect_left(self, prefix), bisect_left(self, prefix + "\U0010ffff"))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(str.__eq__, self, other))

    def __hash__(self) -> int:
        return hash(self._text)
