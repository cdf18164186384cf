"""Entries on disk between two passes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from recipes.streams.spooled_entries import SpooledEntries


@dataclass(frozen=True)
class Pair:
    number: int
    text: str


@pytest.mark.parametrize("count", [0, 1, 64, 65, 200])
def test_they_come_back_as_they_were_added_whatever_the_slice(count: int, tmp_path: Path) -> None:
    entries = SpooledEntries(Pair, tmp_path)
    pairs = [Pair(number, "x" * number) for number in range(count)]
    for pair in pairs:
        entries.add((pair.number, pair.text))
    entries.settle()
    assert len(entries) == count
    for place in (slice(0, 10), slice(60, 70), slice(63, 64), slice(10, 5), slice(None), slice(190, 400)):
        assert entries[place] == pairs[place]
    assert list(entries) == pairs
    with pytest.raises(IndexError):
        entries[count]
    assert list(tmp_path.iterdir()) == []
