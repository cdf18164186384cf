"""Finds images whose content is in two splits, or in one split twice, in some thirty bytes an image."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import TypeAlias

from recipes.checks.check import Finding, Findings, Kind
from recipes.dataset import ImageRecord

Key: TypeAlias = Callable[[ImageRecord], bytes | None]
"""Equal for images of equal content, and hardly ever for others; None for an image that is not compared."""
Digest: TypeAlias = Callable[[str], str | None]
KEY_BYTES = 8


class Contents:
    """An observer that remembers a key for the content of every image. digest(path) tells equal keys from equal contents; None where
    it cannot."""

    def __init__(self, key: Key, digest: Digest) -> None:
        self._key = key
        self._digest = digest
        self._keys = array("Q")
        self._splits = array("I")
        self._split_numbers: dict[str | None, int] = {}
        self._texts = bytearray()
        self._ends = array("Q", (0,))

    def __call__(self, record: ImageRecord) -> None:
        """Take in one image that has a file."""
        key = self._key(record) if record.path is not None and record.copy_of is None else None
        if key is not None:
            number = int.from_bytes(hashlib.blake2b(key, digest_size=KEY_BYTES).digest())
            self._add(number, record.split, f"{record.name}\0{record.path}".encode())

    def fresh(self) -> Contents:
        """One that has seen nothing."""
        return Contents(self._key, self._digest)

    def merge(self, other: Contents) -> None:
        """Take in what another has seen."""
        splits = list(other._split_numbers)
        for place, key in enumerate(other._keys):
            self._add(key, splits[other._splits[place]], bytes(other._texts[other._ends[place] : other._ends[place + 1]]))

    def __getstate__(self) -> dict[str, object]:
        """Without the functions, which may hold much; whoever merges has them."""
        return self.__dict__ | {"_key": None, "_digest": None}

    def _add(self, key: int, split: str | None, text: bytes) -> None:
        self._keys.append(key)
        self._splits.append(self._split_numbers.setdefault(split, len(self._split_numbers)))
        self._texts += text
        self._ends.append(len(self._texts))

    def findings(self) -> tuple[Finding, ...]:
        """Equal contents."""
        found = Findings()
        splits = list(self._split_numbers)
        for members in self._suspects():
            first: dict[str, tuple[str, str | None]] = {}
            for place in members:
                name, path = self._texts[self._ends[place] : self._ends[place + 1]].decode().split("\0")
                content, split = self._digest(path), splits[self._splits[place]]
                if content is None:
                    continue
                other, other_split = first.setdefault(content, (name, split))
                if split != other_split:
                    found.add(Kind.LEAK, f"{name} in {split} is {other} in {other_split}")
                elif name != other:
                    found.add(Kind.DUPLICATE_IMAGE, f"{name} is {other}")
        return found.all()

    def _suspects(self) -> Iterator[list[int]]:
        """Groups of places with one key, in the order of their first members."""
        order = sorted(range(len(self._keys)), key=self._keys.__getitem__)
        groups = [members for _, group in groupby(order, key=self._keys.__getitem__) if len(members := list(group)) > 1]
        yield from sorted(groups)

