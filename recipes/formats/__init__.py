"""Annotation formats: one file each, with a reader, a writer or both."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from recipes.dataset import Dataset, Feature
from recipes.effort import Effort
from recipes.folder import Folder
from recipes.observing import Audience
from recipes.parameters import NoParameters, Parameters
from recipes.registry import load, module_names, scan

EVERYTHING = frozenset(Feature)


@dataclass(frozen=True, slots=True)
class Sniff:
    """How sure a format is that a folder is its own, from 0 (no) to 1 (certain), and why, in a few words."""

    confidence: float
    reason: str


NOT_MINE = Sniff(0.0, "nothing of this format is there")


@dataclass(frozen=True, slots=True)
class Format:
    """A member of the kind.

    read(folder, options, effort) looks at everything once, raises FormatError with every defect it finds, and returns the
    dataset. write(dataset, destination, options, audience, effort) draws the dataset once, by way of the audience, into an empty
    folder. Neither changes the source. holds names what the format can express; what it cannot is counted and said. usual_splits_only:
    its readers tell splits by names as train and val, and do not see others.
    """

    name: str
    title: str
    sniff: Callable[[Folder], Sniff] | None = None
    read: Callable[[Folder, Any, Effort], Dataset] | None = None
    read_options: type[Parameters] = NoParameters
    write: Callable[[Dataset, Path, Any, Audience, Effort], None] | None = None
    write_options: type[Parameters] = NoParameters
    holds: frozenset[Feature] = EVERYTHING
    usual_splits_only: bool = False


def format_names() -> tuple[str, ...]:
    """The names of all formats; none of them is imported for it."""
    return tuple(module_names(sys.modules[__name__]))


@cache
def format_called(name: str) -> Format:
    """One format, which alone is imported. KeyError where there is none of that name."""
    return load(sys.modules[__name__], name, attribute="FORMAT", kind=Format)


@cache
def formats() -> Mapping[str, Format]:
    """Every format by name."""
    return scan(sys.modules[__name__], attribute="FORMAT", kind=Format)
