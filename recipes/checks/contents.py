"""Which images have the same content, found without reading those that cannot have: sizes and a glance first, then digests of the few."""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, groupby, pairwise

from recipes.dataset import Dataset, ImageRecord
from recipes.effort import Effort
from recipes.errors import FormatError, Where
from recipes.ledger import Ledger
from recipes.observing import Audience

GLANCE_BYTES = 64


def number_of(text: str | bytes) -> int:
    """A number of 64 bits for a text: always the same, and for two texts hardly ever."""
    data = text.encode() if isinstance(text, str) else text
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest())


def root_of(record: ImageRecord) -> str:
    """The name of the image that this one was made from; its own where it is no copy."""
    return record.copy_of or record.name


def twins(dataset: Dataset, effort: Effort, *, copies: bool) -> Mapping[int, int]:
    """The images whose content others have, too: number of the name -> number of the content, in the dataset's order.

    With copies, what counts is the content with its edits. Otherwise each image counts once, as its original, by the name of that.
    """
    glances = array("Q")
    for part in _learned(dataset, lambda record: (_glance(record, edits=copies),), effort, copies=copies):
        glances += part
    several = _repeated(glances)
    if not several:
        return {}

    def pair(record: ImageRecord) -> Iterator[int]:
        if _glance(record, edits=copies) in several:
            yield from (number_of(record.name if copies else root_of(record)), _digest(record, edits=copies))

    found = array("Q")
    for part in _learned(dataset, pair, effort, copies=copies):
        found += part
    same = _repeated(found[1::2])
    return {found[place]: found[place + 1] for place in range(0, len(found), 2) if found[place + 1] in same}


def contents(record: ImageRecord) -> bytes:
    """The bytes of the image's file, without its edits; FormatError where they are gone."""
    assert record.path is not None
    try:
        with open(record.path, "rb") as file:  # noqa: PTH123 - once per image
            if record.span is None:
                return file.read()
            file.seek(record.span[0])
            return file.read(record.span[1])
    except OSError as error:
        raise FormatError(f"The image cannot be read: {error.strerror}.", where=Where(record.name)) from error


def _learned(
    dataset: Dataset, look: Callable[[ImageRecord], Iterable[int]], effort: Effort, *, copies: bool
) -> Iterator[array[int]]:
    """What look gives of every image that has bytes, chunk by chunk."""

    def work(records: Iterator[ImageRecord], _: Ledger) -> array[int]:
        present = (record for record in records if record.path is not None)
        return array("Q", chain.from_iterable(map(look, present if copies else _originals(present))))

    return Audience(Ledger()).results(dataset, work, effort, phase="comparing images")


def _originals(records: Iterator[ImageRecord]) -> Iterator[ImageRecord]:
    """One image of each row of copies."""
    for _, group in groupby(records, key=root_of):
        yield next(group)


def _glance(record: ImageRecord, *, edits: bool) -> int:
    """A number that is equal where contents are, and seldom else: of the size and some bytes from the middle."""
    assert record.path is not None
    try:
        handle = os.open(record.path, os.O_RDONLY)
        try:
            start, size = record.span or (0, os.fstat(handle).st_size)
            middle = os.pread(handle, min(GLANCE_BYTES, size - size // 2), start + size // 2)
        finally:
            os.close(handle)
    except OSError as error:
        raise FormatError(f"The image cannot be read: {error.strerror}.", where=Where(record.name)) from error
    return number_of(b"%d %b %b" % (size, middle, repr(record.edits).encode() if edits and record.edits else b""))


def _digest(record: ImageRecord, *, edits: bool) -> int:
    return number_of(contents(record) + (repr(record.edits).encode() if edits and record.edits else b""))


def _repeated(numbers: Iterable[int]) -> frozenset[int]:
    return frozenset(one for one, other in pairwise(sorted(numbers)) if one == other)
