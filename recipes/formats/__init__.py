"""Annotation formats: one file each, with a reader, a writer or both."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from recipes.dataset import Dataset
from recipes.folder import Folder
from recipes.ledger import Ledger
from recipes.parameters import NoParameters, Parameters
from recipes.progress import Progress
from recipes.registry import scan


@dataclass(frozen=True, slots=True)
class Sniff:
    """How sure a format is that a folder is its own, from 0 (no) to 1 (certain), and why, in a few words."""

    confidence: float
    reason: str


NOT_MINE = Sniff(0.0, "nothing of this format is there")


@dataclass(frozen=True, slots=True)
class Format:
    """A member of the kind.

    read(folder, options, progress) looks at everything once, raises FormatError with every defect it finds, and
    returns the dataset. write(dataset, destination, options, ledger, progress) draws the stream once into an empty
    folder. Neither changes the source.
    """

    name: str
    title: str
    sniff: Callable[[Folder], Sniff] | None = None
    read: Callable[[Folder, Any, Progress], Dataset] | None = None
    read_options: type[Parameters] = NoParameters
    write: Callable[[Dataset, Path, Any, Ledger, Progress], None] | None = None
    write_options: type[Parameters] = NoParameters


@cache
def formats() -> Mapping[str, Format]:
    """Every format by name."""
    return scan(sys.modules[__name__], attribute="FORMAT", kind=Format)
