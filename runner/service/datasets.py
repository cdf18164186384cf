"""What people ask of datasets. The catalog on disk is the truth."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from recipes.catalog import DatasetVersion
from runner.entities import DatasetRef
from runner.errors import RequestError
from runner.service.house import House


def find_version(house: House, text: str) -> DatasetVersion:
    """``fish`` (the newest) or ``fish@2``; RequestError with the nearest name."""
    versions = versions_of(house, text)
    return versions[-1]


def versions_of(house: House, text: str) -> list[DatasetVersion]:
    """The versions that ``fish`` (all, oldest first) or ``fish@2`` (that one) means."""
    name, _, number = text.partition("@")
    every = [version for version in house.catalog.list() if version.name == name]
    if not every:
        names = sorted({version.name for version in house.catalog.list()})
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(names)}." if names else "Upload a zip to add the first."
        raise RequestError(f"There is no dataset {name!r}. {hint}")
    if not number:
        return every
    chosen = [version for version in every if str(version.number) == number]
    if not chosen:
        raise RequestError(f"{name} has no version {number}; its versions are {', '.join(str(v.number) for v in every)}.")
    return chosen


def newest_readable(house: House, text: str, formats: Sequence[str]) -> DatasetRef:
    """The newest version that a framework reads; RequestError that names a way to convert when there are only others."""
    versions = versions_of(house, text)
    readable = [version for version in versions if version.format in formats]
    if not readable:
        raw = versions[-1]
        raise RequestError(
            f"{reference(raw)} is {raw.format}; this framework reads {' or '.join(formats)}. "
            f"Convert it first: `convert {raw.name} {raw.format}-to-{formats[0]}`"
        )
    return reference(readable[-1])


def resolve(house: House, text: str, *, recipe: str) -> DatasetRef:
    """The newest version that a recipe reads, or the one named."""
    from recipes.recipe import find_recipe  # the recipes are looked up only when somebody converts

    wanted = find_recipe(recipe).read
    versions = [version for version in versions_of(house, text) if version.format == wanted]
    if not versions:
        newest = find_version(house, text)
        raise RequestError(f"{reference(newest)} is {newest.format}; the recipe {recipe} reads {wanted}.")
    return reference(versions[-1])


def reference(version: DatasetVersion) -> DatasetRef:
    """A dataset version as a run keeps it."""
    return DatasetRef(name=version.name, version=version.number, fingerprint=version.fingerprint, format=version.format)
