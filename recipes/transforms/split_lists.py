"""Splits a dataset by lists of file names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from recipes.checks.contents import number_of, root_of
from recipes.dataset import Dataset, ImageRecord
from recipes.effort import Effort
from recipes.errors import Defects, FormatError, RecipeError, Where
from recipes.ledger import Ledger
from recipes.observing import Audience
from recipes.parameters import Parameters
from recipes.transforms import Transform

STEP = "split_lists"
MOST_BYTES = 64 * 1024**2


class SplitLists(Parameters):
    """lists: for each split the names of its images, or a text file with one name a line. A name may lack folder or suffix.

    rest: the split of images that are in no list; without it they are left out. Copies go with their original.
    """

    lists: Annotated[dict[str, tuple[str, ...] | str], Field(min_length=1)]
    rest: str | None = None

    @model_validator(mode="after")
    def _named(self) -> SplitLists:
        if not all(self.lists) or self.rest == "":
            raise ValueError("a split needs a name")
        return self

    def describe(self) -> str:
        rest = f"; all others are {self.rest}" if self.rest else "; all others are left out"
        return f"split by lists of names ({', '.join(self.lists)}){rest}"


def apply(dataset: Dataset, parameters: SplitLists, effort: Effort) -> Dataset:
    """The dataset with the listed images in their splits; RecipeError names every line that is no image or is in two lists."""
    splits = tuple(dict.fromkeys([*parameters.lists, *([parameters.rest] if parameters.rest else [])]))
    listed = _listed(parameters, splits)
    _require_images(dataset, listed, parameters, effort)

    def draw(chunk: int, ledger: Ledger) -> Iterator[ImageRecord]:
        for record in dataset.draw(chunk, ledger):
            place = next((listed[key] for key in _keys(root_of(record)) if key in listed), None)
            split = parameters.rest if place is None else splits[place]
            if split is None:
                ledger.drop_image(STEP, "in no list", record)
            else:
                yield replace(record, split=split)

    return replace(dataset, draw=draw, splits=splits)


def _keys(name: str) -> Iterator[int]:
    """What a list may call an image: its whole name first."""
    base = name.rpartition("/")[2]
    for form in (name, name.rpartition(".")[0], base, base.rpartition(".")[0]):
        if form:
            yield number_of(form)


def _listed(parameters: SplitLists, splits: tuple[str, ...]) -> dict[int, int]:
    """The number of each listed name -> the place of its split."""
    listed: dict[int, int] = {}
    defects = Defects()
    for split in parameters.lists:
        for name, where in _names(parameters, split):
            place = splits.index(split)
            if listed.setdefault(number_of(name), place) != place:
                defects.add(f"{name} is also in the list of {splits[listed[number_of(name)]]}.", where)
    _refuse(defects)
    return listed


def _names(parameters: SplitLists, split: str) -> Iterator[tuple[str, Where]]:
    source = parameters.lists[split]
    if not isinstance(source, str):
        yield from ((name, Where(key=f"{STEP}.lists.{split}")) for name in source)
        return
    try:
        with Path(source).open("rb") as file:
            text = file.read(MOST_BYTES + 1)
            if len(text) > MOST_BYTES:
                raise RecipeError(f"The list is larger than {MOST_BYTES:,} bytes.", where=Where(source))
            lines = text.decode("utf-8-sig").splitlines()
    except OSError as error:
        raise RecipeError(f"The list cannot be read: {error.strerror}.", where=Where(source)) from error
    except UnicodeDecodeError as error:
        raise RecipeError("The list is not UTF-8 text.", where=Where(source)) from error
    yield from ((name, Where(source, number)) for number, line in enumerate(lines, start=1) if (name := line.strip()))


def _require_images(dataset: Dataset, listed: dict[int, int], parameters: SplitLists, effort: Effort) -> None:
    def look(records: Iterator[ImageRecord], _: Ledger) -> set[int]:
        return {key for record in records for key in _keys(root_of(record)) if key in listed}

    absent = set(listed)
    for found in Audience(Ledger()).results(dataset, look, effort, phase="matching lists"):
        absent -= found
    defects = Defects()
    for split in parameters.lists if absent else ():
        for name, where in _names(parameters, split):
            if number_of(name) in absent:
                defects.add(f"The dataset has no image {name!r}.", where)
    _refuse(defects)


def _refuse(defects: Defects) -> None:
    try:
        defects.raise_if_any("The set of lists")
    except FormatError as error:
        raise RecipeError(error.message, where=error.where, remedy="Mend the lists.", defects=error.defects, more=error.more) from error


TRANSFORM = Transform(STEP, SplitLists, apply)
