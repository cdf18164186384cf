"""Adds the images of other datasets."""

from __future__ import annotations

import os
import weakref
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Annotated

from pydantic import Field

from recipes.dataset import Dataset, ImageRecord
from recipes.effort import Effort
from recipes.ledger import Ledger
from recipes.parameters import Parameters
from recipes.sources import open_folder, unpacked
from recipes.transforms import Transform

STEP = "merge"


class Merge(Parameters):
    """sources: folders or archives of other datasets, in whatever format they are. format: that of all of them, if it must be told.

    Their images get the name of their folder or archive in front; equal class names are one class; splits stay.
    """

    sources: Annotated[tuple[Path, ...], Field(min_length=1)]
    format: str | None = None

    def describe(self) -> str:
        return f"add the images of {', '.join(map(str, self.sources))}"


@dataclass(frozen=True, slots=True)
class _Part:
    """A dataset and what its names get in front."""

    dataset: Dataset
    prefix: str

    def renamed(self, record: ImageRecord) -> ImageRecord:
        """An image of it under its name among all."""
        if not self.prefix:
            return record
        return replace(
            record,
            name=self.prefix + record.name,
            video=self.prefix + record.video if record.video is not None else None,
            copy_of=self.prefix + record.copy_of if record.copy_of is not None else None,
            source_file=self.prefix + record.source_file if record.source_file else "",
        )


def apply(dataset: Dataset, parameters: Merge, effort: Effort) -> Dataset:
    """The dataset followed by the others, one after the other; archives stay unpacked as long as the result is in use.

    FormatError or ArchiveError says what is wrong with one of them.
    """
    stack = ExitStack()
    try:
        parts = [_Part(dataset, ""), *_opened(parameters, effort, stack)]
    except BaseException:
        stack.close()
        raise
    ends = list(accumulate(part.dataset.chunks for part in parts))

    def draw(chunk: int, ledger: Ledger) -> Iterator[ImageRecord]:
        number = bisect_right(ends, chunk)
        part = parts[number]
        return map(part.renamed, part.dataset.draw(chunk - ends[number] + part.dataset.chunks, ledger))

    weakref.finalize(draw, _close, stack, os.getpid())
    return replace(
        dataset,
        classes=tuple(dict.fromkeys(name for part in parts for name in part.dataset.classes)),
        draw=draw,
        chunks=ends[-1],
        total=sum(part.dataset.total for part in parts),
        splits=tuple(dict.fromkeys(name for part in parts for name in part.dataset.splits)),
        notes=(*(f"{part.prefix}{note}" for part in parts for note in part.dataset.notes), *_notes(parts)),
    )


def _opened(parameters: Merge, effort: Effort, stack: ExitStack) -> Iterator[_Part]:
    taken: set[str] = set()
    for path in parameters.sources:
        root = stack.enter_context(unpacked(path, effort))
        source = open_folder(root, effort, format_name=parameters.format)
        stem = path.name.split(".")[0] or "dataset"
        prefix = next(name for name in _candidates(stem) if name not in taken)
        taken.add(prefix)
        yield _Part(source.dataset, f"{prefix}/")


def _candidates(stem: str) -> Iterator[str]:
    yield stem
    number = 2
    while True:
        yield f"{stem}-{number}"
        number += 1


def _notes(parts: Sequence[_Part]) -> Iterator[str]:
    for part in parts[1:]:
        if bool(part.dataset.splits) != bool(parts[0].dataset.splits):
            which = "is in splits, the first one is not" if part.dataset.splits else "is in no split, the first one is"
            yield f"{part.prefix.removesuffix('/')} {which}: add a split step after merge."


def _close(stack: ExitStack, pid: int) -> None:
    """Remove what was unpacked; a forked process leaves that to the one that unpacked it."""
    if os.getpid() == pid:
        stack.close()


TRANSFORM = Transform(STEP, Merge, apply)
