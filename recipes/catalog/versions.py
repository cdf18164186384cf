"""What a version of a dataset is: an immutable manifest of files, with where it came from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from recipes.catalog.objects import StoredFile
from recipes.errors import CatalogError, Where
from recipes.names import is_dataset_name, unsafe_path
from recipes.summary import Summary

SCHEMA = 1
REFERENCE = re.compile(r"([^@]+)(?:@(\d{1,9}))?")


@dataclass(frozen=True, slots=True)
class Lineage:
    """How a version came to be: the file or version it was made from, and the recipe with its resolved parameters.

    created_at is UTC, ISO 8601; created_by is whoever asked, as the caller names people.
    """

    source: str
    tool: str
    created_at: str
    created_by: str | None = None
    recipe: str | None = None
    recipe_text: str | None = None
    parameters: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """One version: a name, a number, and all that was known when it was made.

    files maps relative names to contents; fingerprint is equal exactly where files are; preview is a PNG kept in the
    store that is no part of the dataset.
    """

    name: str
    number: int
    format: str
    summary: Summary
    files: dict[str, StoredFile]
    fingerprint: str
    lineage: Lineage
    preview: StoredFile | None = None
    schema: int = SCHEMA

    @property
    def reference(self) -> str:
        """As people write it: fish@3."""
        return f"{self.name}@{self.number}"

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(file.size_bytes for file in self.files.values())

    @property
    def contents(self) -> frozenset[StoredFile]:
        """Every content once: what a host needs to have."""
        return frozenset(self.files.values())

    def card(self) -> dict[str, Any]:
        """All but the list of files, as plain JSON values: for a card or a terminal."""
        plain: dict[str, Any] = orjson.loads(dump(self))
        del plain["files"]
        return {"reference": self.reference, **plain, "files": len(self.files), "size_bytes": self.size_bytes}


@dataclass(frozen=True, slots=True)
class ManifestDiff:
    """What changed between two versions, by file name."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


_MANIFEST = TypeAdapter(DatasetVersion)


def dump(version: DatasetVersion) -> bytes:
    """The manifest as it is stored: deterministic JSON."""
    return orjson.dumps(version, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS) + b"\n"


def parse(text: bytes, *, where: Where) -> DatasetVersion:
    """A stored manifest; CatalogError where it is damaged or of a newer kind, or names files that leave their folder."""
    try:
        version = _MANIFEST.validate_json(text)
    except ValidationError as error:
        remedy = "Restore it from a backup."
        raise CatalogError("The manifest is damaged.", where=where, remedy=remedy) from error
    if version.schema != SCHEMA:
        raise CatalogError(f"The manifest is of kind {version.schema}; this program knows {SCHEMA}.", where=where)
    for name in version.files:
        if unsafe_path(name):
            raise CatalogError(f"The manifest names {name!r}: {unsafe_path(name)}.", where=where)
    return version


def fingerprint(files: Mapping[str, StoredFile]) -> str:
    """One digest for a set of files: SHA-256 over 'digest name' lines, sorted by name."""
    lines = "".join(f"{files[name].digest} {name}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def diff(old: DatasetVersion, new: DatasetVersion) -> ManifestDiff:
    """What changed from one version to another."""
    return ManifestDiff(
        tuple(sorted(new.files.keys() - old.files.keys())),
        tuple(sorted(old.files.keys() - new.files.keys())),
        tuple(sorted(name for name in old.files.keys() & new.files.keys() if old.files[name] != new.files[name])),
    )


def lacking(version: DatasetVersion, present: Iterable[str]) -> tuple[StoredFile, ...]:
    """The contents a host lacks, given the digests it has, each once, in a stable order: what one tar stream sends."""
    have = frozenset(present)
    return tuple(sorted((file for file in version.contents if file.digest not in have), key=lambda file: file.digest))


def parse_reference(reference: str) -> tuple[str, int | None]:
    """('fish', 3) of fish@3, ('fish', None) of fish; CatalogError for what is no name."""
    match = REFERENCE.fullmatch(reference)
    if match is None or not is_dataset_name(match[1]):
        raise CatalogError(f"{reference!r} is no dataset.", remedy="Write fish for the newest version, or fish@3.")
    return match[1], int(match[2]) if match[2] else None


def require_name(name: str) -> None:
    """CatalogError where a dataset cannot be called so."""
    if not is_dataset_name(name):
        remedy = "Use up to 63 lower-case letters, digits, dashes and underscores, beginning with a letter or digit."
        raise CatalogError(f"A dataset cannot be called {name!r}.", remedy=remedy)
