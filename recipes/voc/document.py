"""One annotation file of Pascal VOC: what it says of its image, and its objects.

Nearly every file is written like the devkit's own, and those are matched by a few regular expressions
(recipes.voc.canonical), three times as fast as a parser. Whatever differs goes to the XML parser (recipes.voc.tree); the
outcome is the same.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TypeAlias

from recipes.dataset import Attributes, Flags
from recipes.errors import Defects, FormatError, Where
from recipes.voc import canonical

FIRST_BYTES = 32_768
LARGEST_BYTES = 4 * 2**20

VocObject: TypeAlias = tuple[str, float, float, float, float, Flags, Attributes | None, int]
"""Name, xmin, ymin, xmax, ymax as written, flags, attributes, and the line of its <object>."""


@dataclass(frozen=True, slots=True)
class Document:
    """filename and database as written (empty where missing), size as (width, height) or None; parts and actions count what is left out."""

    filename: str
    size: tuple[int, int] | None
    database: str
    objects: list[VocObject]
    parts: int = 0
    actions: int = 0


def read_document(path: str, name: str, defects: Defects) -> Document | None:
    """The annotation file at path, called name in messages; None where defects were found and told."""
    try:
        data = _bytes(path, name)
    except FormatError as error:
        defects.add_error(error)
        return None
    return parse(data, name, defects)


def parse(data: bytes, name: str, defects: Defects) -> Document | None:
    """The document in the bytes of a file; None where defects were found and told."""
    found = canonical.match(data)
    if found is not None:
        return Document(*found)
    from recipes.voc import tree

    return tree.parse(data, name, defects)


def _bytes(path: str, name: str) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            data = os.read(handle, FIRST_BYTES)
            if len(data) == FIRST_BYTES:
                if os.fstat(handle).st_size > LARGEST_BYTES:
                    raise FormatError(f"The annotation file is larger than {LARGEST_BYTES:,} bytes, which is refused.", where=Where(name))
                with open(handle, "rb", closefd=False) as file:
                    data += file.read(LARGEST_BYTES)
        finally:
            os.close(handle)
    except OSError as error:
        raise FormatError(f"The annotation file cannot be read: {error.strerror}.", where=Where(name)) from error
    return data
