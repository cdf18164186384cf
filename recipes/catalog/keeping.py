"""Contents of the catalog that belong to no dataset: own modules of presets, start checkpoints, pictures that somebody gave.

``kept/<digest>`` is an empty file that says so; sweeping leaves what it names. It is written under the lock that whoever adds holds,
so that a sweep can never come between a content and its mark.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from recipes.catalog.catalog import Catalog
from recipes.catalog.objects import ObjectStore, StoredFile, sync_path

KEPT = "kept"


def keep(catalog: Catalog, sources: Iterable[Path | bytes]) -> tuple[StoredFile, ...]:
    """Store contents, those of files by copying them, durably and until they are released."""
    marks = catalog.root / KEPT
    objects = ObjectStore(catalog.objects.root)  # of its own: what a thread syncs is what it has put
    with catalog.staging() as scratch:
        stored = tuple(_put(objects, source, scratch) for source in sources)
        objects.sync()
        marks.mkdir(exist_ok=True)
        for file in stored:
            (marks / file.digest).touch()
        sync_path(marks)
    return stored


def _put(objects: ObjectStore, source: Path | bytes, scratch: Path) -> StoredFile:
    if isinstance(source, Path):
        return objects.put(source, move=False)
    fresh = scratch / "content"
    fresh.write_bytes(source)
    return objects.put(fresh, move=True)


def release(catalog: Catalog, digests: Iterable[str]) -> None:
    """Leave contents to the next sweep; those that were not kept are passed over."""
    for digest in digests:
        (catalog.root / KEPT / digest).unlink(missing_ok=True)


def kept(catalog: Catalog) -> frozenset[str]:
    """The digests of everything that is kept."""
    marks = catalog.root / KEPT
    return frozenset(path.name for path in marks.iterdir()) if marks.is_dir() else frozenset()
