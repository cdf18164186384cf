"""Ids of many entries in little memory, as they mostly are: one after the other."""

from __future__ import annotations

from array import array
from itertools import groupby

PARTS = 64


class Places:
    """Which place an id has in the order of adding. Ids that count up by one need no memory."""

    def __init__(self) -> None:
        self._first = 0
        self._count = 0
        self._by_id: dict[int, int] | None = None

    def __len__(self) -> int:
        return self._count

    def add(self, identity: int) -> bool:
        """Give an id the next place; False where it has one already."""
        if self._by_id is None:
            if self._count == 0:
                self._first = identity
            if identity == self._first + self._count:
                self._count += 1
                return True
            self._by_id = {self._first + place: place for place in range(self._count)}
        if identity in self._by_id:
            return False
        self._by_id[identity] = self._count
        self._count += 1
        return True

    def get(self, identity: int) -> int | None:
        """The place of an id, None where it was not added."""
        if self._by_id is not None:
            return self._by_id.get(identity)
        place = identity - self._first
        return place if 0 <= place < self._count else None


class Once:
    """Finds ids that come more than once, in eight bytes each."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._ascending = array("q")
        self._parts: list[array[int]] | None = None

    def add(self, identity: int) -> None:
        """Take in one id, a number of at most 63 bits."""
        if self._parts is None:
            if self._last is None or identity > self._last:
                self._ascending.append(identity)
                self._last = identity
                return
            self._parts = [array("q") for _ in range(PARTS)]
            for earlier in self._ascending:
                self._parts[earlier % PARTS].append(earlier)
            self._ascending = array("q")
        self._parts[identity % PARTS].append(identity)

    def extend(self, identities: list[int]) -> None:
        """Take in several."""
        following = self._parts is None and bool(identities) and (self._last is None or identities[0] > self._last)
        if following and all(map(int.__lt__, identities, identities[1:])):
            self._ascending.extend(identities)
            self._last = identities[-1]
            return
        for identity in identities:
            self.add(identity)

    def repeated(self) -> list[int]:
        """The ids that came more than once, each once, ascending."""
        if self._parts is None:
            return []
        return sorted(identity for part in self._parts for identity, group in groupby(sorted(part)) if len(list(group)) > 1)
