"""Versions are removed: their numbers stay taken, what nobody else uses is freed, and everything else stays whole.

First the manifest is renamed, which is all that removing takes: from then on the version is not there. Then the objects that no manifest
uses, and that nothing else keeps (keeping.py), are unlinked. A crash in between leaves objects that nobody uses; the next sweep frees
them, and those of crashed imports.

Why nothing that somebody is adding can be lost: whoever adds holds the lock 'adding' shared, from before it looks for any content until
its manifest is published, and sweeping holds it alone. So while a sweep reads the manifests and unlinks, no object can become used that
was not when the manifests were read. Where somebody is adding, a sweep does not wait: it is left to the next one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from recipes.catalog.catalog import Catalog
from recipes.catalog.keeping import kept
from recipes.catalog.objects import StoredFile
from recipes.catalog.versions import DatasetVersion, parse_reference
from recipes.errors import CatalogError
from recipes.progress import Progress, silent

QUICKLY_READ_BYTES = 40_000_000


@dataclass(frozen=True, slots=True)
class Swept:
    """What was freed."""

    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Removal:
    """What became of a wish to remove versions; freed None where somebody was adding, so that freeing is left to the next sweep."""

    removed: tuple[str, ...]
    freed: Swept | None

    def sentence(self) -> str:
        """The same for a person."""
        gone = f"{', '.join(self.removed)} {'is' if len(self.removed) == 1 else 'are'} removed."
        if self.freed is None:
            return f"{gone} Something is being added at the moment: what nobody uses is freed by the next `remove` or `verify`."
        return f"{gone} {self.freed.files:,} files with {self.freed.size_bytes / 1e6:,.1f} MB are freed."


def versions_of(catalog: Catalog, reference: str) -> tuple[str, ...]:
    """fish@2 itself, or every version of fish, oldest first; CatalogError where there is none."""
    name, number = parse_reference(reference)
    if number is not None:
        return (catalog.get(reference).reference,)
    return tuple(f"{name}@{known}" for known in catalog.numbers(name)) or (catalog.get(reference).reference,)


def would_free(catalog: Catalog, references: Iterable[str], *, hurried: bool = False) -> Swept | None:
    """What removing these versions would free: the contents that no other version has.

    None where whoever asks is hurried and there are too many manifests to read in a second or so.
    """
    if hurried and catalog.manifest_bytes() > QUICKLY_READ_BYTES:
        return None
    wanted = set(references)
    theirs: set[StoredFile] = set()
    others: set[StoredFile] = set()
    for version in _everything(catalog):
        (theirs if version.reference in wanted else others).update(_contents(version))
    keeps = kept(catalog)
    only = {file for file in theirs - others if file.digest not in keeps}
    return Swept(len(only), sum(file.size_bytes for file in only))


def remove(catalog: Catalog, references: Iterable[str], *, progress: Progress = silent) -> Removal:
    """Remove these versions (fish@2, each with its number) and free what nobody else uses.

    CatalogError where one never was; one that is gone already is passed over, so that what a crash cut short can be done again.
    """
    parsed = [parse_reference(reference) for reference in references]
    if unnumbered := [name for name, number in parsed if number is None]:
        raise CatalogError(f"Which version of {unnumbered[0]}?", remedy=f"Write {unnumbered[0]}@1, or name every version.")
    for name, number in parsed:
        assert number is not None
        catalog.retire(name, number)
    return Removal(tuple(f"{name}@{number}" for name, number in parsed), sweep(catalog, progress=progress))


def sweep(catalog: Catalog, *, progress: Progress = silent) -> Swept | None:
    """Free every content that no version uses and nobody keeps; None where somebody is adding.

    CatalogError, and nothing freed, where a manifest is damaged: what it uses is not known.
    """
    with catalog.nobody_adds() as alone:
        if not alone:
            return None
        used = {file.digest for version in _everything(catalog) for file in _contents(version)} | kept(catalog)
        files = size_bytes = 0
        for freed in catalog.objects.sweep(used):
            files, size_bytes = files + 1, size_bytes + freed
            progress(files, 0, "freeing files")
        return Swept(files, size_bytes)


def _everything(catalog: Catalog) -> Iterable[DatasetVersion]:
    for name in catalog.names():
        yield from (catalog.get(f"{name}@{number}") for number in catalog.numbers(name))


def _contents(version: DatasetVersion) -> frozenset[StoredFile]:
    return version.contents | ({version.preview} if version.preview else set())
