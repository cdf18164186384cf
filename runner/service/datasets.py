"""What people ask of datasets. The catalog on disk is the truth."""

from __future__ import annotations

from collections.abc import Sequence

from recipes.errors import DatasetError
from recipes.recipe import load_recipe
from recipes.versions import DatasetVersion
from runner.entities import DatasetRef
from runner.errors import RequestError
from runner.service.house import House


def find_version(house: House, text: str) -> DatasetVersion:
    """``fish`` (the newest) or ``fish@2``; RequestError with the nearest name or what there is."""
    try:
        return house.catalog.get(text)
    except DatasetError as error:
        raise RequestError(str(error)) from error


def all_versions(house: House) -> list[DatasetVersion]:
    """Every version of every dataset, by name and number."""
    return [version for name in house.catalog.names() for version in house.catalog.versions(name)]


def newest_readable(house: House, text: str, formats: Sequence[str]) -> DatasetRef:
    """The newest version that a framework reads; RequestError that names a way to convert when there are only others."""
    newest = find_version(house, text)
    candidates = [newest] if "@" in text else [*reversed(house.catalog.versions(newest.name))]
    readable = next((version for version in candidates if version.format in formats), None)
    if readable is None:
        raise RequestError(
            f"{newest.reference} is {newest.format}; this framework reads {' or '.join(formats)}. "
            f"Convert it first: `convert {newest.name} {newest.format}-to-{formats[0]}`"
        )
    return reference(readable)


def resolve(house: House, text: str, *, recipe: str) -> DatasetRef:
    """The newest version that a recipe reads, or the one named."""
    newest = find_version(house, text)
    try:
        reader = load_recipe(recipe).reader
    except DatasetError as error:
        raise RequestError(str(error)) from error
    candidates = [newest] if "@" in text else [*reversed(house.catalog.versions(newest.name))]
    readable = next((version for version in candidates if reader is None or version.format == reader.name), None)
    if readable is None:
        raise RequestError(f"{newest.reference} is {newest.format}; the recipe {recipe} reads {reader.name if reader else 'any format'}.")
    return reference(readable)


def frozen(house: House, reference: DatasetRef) -> DatasetVersion:
    """The version that a run froze; RequestError when its content is no longer what it was then."""
    version = find_version(house, str(reference))
    if version.fingerprint != reference.fingerprint:
        raise RequestError(f"{reference} is no longer what it was when this was submitted (its fingerprint differs).")
    return version


def reference(version: DatasetVersion) -> DatasetRef:
    """A dataset version as a run keeps it."""
    return DatasetRef(name=version.name, version=version.number, fingerprint=version.fingerprint, format=version.format)
