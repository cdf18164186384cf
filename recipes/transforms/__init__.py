"""Transforms: one file each. A transform takes a dataset and gives one back, and accounts for all it leaves out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeAlias

from recipes.dataset import Annotation, Dataset, ImageRecord
from recipes.ledger import Ledger
from recipes.parameters import Parameters
from recipes.registry import scan


@dataclass(frozen=True, slots=True)
class Transform:
    """A member of the kind: its name in recipes, its parameters, and what it does to a dataset.

    apply is given an instance of parameters; it returns at once and works as the stream is drawn.
    """

    name: str
    parameters: type[Parameters]
    apply: Callable[[Dataset, Any], Dataset]


BoxEdit: TypeAlias = Callable[[ImageRecord, Annotation], Annotation | str]
"""Gives the annotation that goes on (the same, or a changed one), or the reason for leaving it out."""


@cache
def transforms() -> Mapping[str, Transform]:
    """Every transform by name."""
    return scan(sys.modules[__name__], attribute="TRANSFORM", kind=Transform)


def edit_boxes(dataset: Dataset, step: str, edit: BoxEdit) -> Dataset:
    """The dataset with every annotation passed through edit; images stay, even where no box is left."""

    def stream(ledger: Ledger) -> Iterator[ImageRecord]:
        for record in dataset.stream(ledger):
            yield _edited(record, step, edit, ledger)

    return replace(dataset, stream=stream)


def _edited(record: ImageRecord, step: str, edit: BoxEdit, ledger: Ledger) -> ImageRecord:
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


def _same(one: Annotation, other: Annotation) -> bool:
    return one is other
