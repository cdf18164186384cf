"""Transforms: one file each. A transform takes a dataset and gives one back, and accounts for all it leaves out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeAlias

from recipes.dataset import Annotation, Dataset, ImageRecord
from recipes.effort import Effort
from recipes.errors import RecipeError, Where
from recipes.ledger import Ledger
from recipes.parameters import Parameters
from recipes.registry import load, module_names, scan


@dataclass(frozen=True, slots=True)
class Transform:
    """A member of the kind: its name in recipes, its parameters, and what it does to a dataset.

    apply is given an instance of parameters; what it does to one image must not depend on the images drawn before it (they may
    be drawn by another process). What needs the whole dataset is learned by drawing it once inside apply.
    """

    name: str
    parameters: type[Parameters]
    apply: Callable[[Dataset, Any, Effort], Dataset]


BoxEdit: TypeAlias = Callable[[ImageRecord, Annotation], Annotation | str]
"""Gives the annotation that goes on (the same, or a changed one), or the reason for leaving it out."""

ImageEdit: TypeAlias = Callable[[ImageRecord, Ledger], Iterable[ImageRecord]]
"""Gives what becomes of an image: nothing, itself, copies; what is left out is told to the ledger."""


def transform_names() -> tuple[str, ...]:
    """The names of all transforms; none of them is imported for it."""
    return tuple(module_names(sys.modules[__name__]))


@cache
def transform_called(name: str) -> Transform:
    """One transform, which alone is imported. KeyError where there is none of that name."""
    return load(sys.modules[__name__], name, attribute="TRANSFORM", kind=Transform)


@cache
def transforms() -> Mapping[str, Transform]:
    """Every transform by name."""
    return scan(sys.modules[__name__], attribute="TRANSFORM", kind=Transform)


def edit_images(dataset: Dataset, edit: ImageEdit, *, copies: int = 1) -> Dataset:
    """The dataset with every image passed through edit, which makes at most that many of one (so far as is known beforehand)."""

    def draw(chunk: int, ledger: Ledger) -> Iterator[ImageRecord]:
        for record in dataset.draw(chunk, ledger):
            yield from edit(record, ledger)

    return replace(dataset, draw=draw, total=dataset.total * copies)


def edit_boxes(dataset: Dataset, step: str, edit: BoxEdit) -> Dataset:
    """The dataset with every annotation passed through edit; images stay, even where no box is left."""
    return edit_images(dataset, lambda record, ledger: (with_boxes(record, step, edit, ledger),))


def with_boxes(record: ImageRecord, step: str, edit: BoxEdit, ledger: Ledger) -> ImageRecord:
    """One image with every annotation passed through edit."""
    kept: list[Annotation] = []
    for annotation in record.annotations:
        result = edit(record, annotation)
        if isinstance(result, str):
            ledger.drop_box(step, result, record, annotation)
        else:
            kept.append(result)
    if len(kept) == len(record.annotations) and all(map(_same, kept, record.annotations)):
        return record
    return replace(record, annotations=tuple(kept))


def require_splits(dataset: Dataset, splits: Collection[str], step: str) -> None:
    """RecipeError where a parameter names a split that the dataset does not have."""
    for split in splits:
        if split not in dataset.splits:
            known = f"There are: {', '.join(dataset.splits)}." if dataset.splits else "Split it first."
            raise RecipeError(f"The dataset has no split {split!r}.", where=Where(key=step), remedy=known)


def _same(one: Annotation, other: Annotation) -> bool:
    return one is other
