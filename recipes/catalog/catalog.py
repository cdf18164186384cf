"""The catalog: a folder of objects and of manifests, one for each version of a dataset.

    objects/ab/cdef…         contents, read-only                    datasets/fish/3.json    manifests, read-only
    staging/<random>/        work in progress, held by a lock       datasets/fish/2.removed a version that was taken away
    lock                     held while a number is given           adding                  shared by all who add, alone to sweep

A version exists from the moment its manifest has its name, and its objects were made durable before that. So a crash
at any moment leaves the old versions whole, and at most unused objects and a staging folder that the next work clears.
A number is given once: the manifest is linked to its name, which fails where the name is taken; what is removed keeps its number.
How contents that nobody uses any more are freed is told in removal.py.
"""

from __future__ import annotations

import difflib
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, TypeAlias

from recipes.catalog.objects import READ_ONLY, ObjectStore, StoredFile, sync_path
from recipes.catalog.versions import DatasetVersion, Lineage, dump, fingerprint, parse, parse_reference, require_name
from recipes.errors import CatalogError, Where
from recipes.placing import Folders, place, published
from recipes.progress import Progress, silent
from recipes.summary import Summary

RETIRED = ".removed"
SHOWN_USERS = 3
KnownInodes: TypeAlias = Mapping[tuple[int, int], StoredFile]


class Catalog:
    """Datasets in a folder, which is made where it does not exist. Any number of processes may use it at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.objects = ObjectStore(root / "objects")
        self._datasets = root / "datasets"
        self._staging = root / "staging"
        for folder in (root / "objects", self._datasets, self._staging):
            folder.mkdir(parents=True, exist_ok=True)

    def names(self) -> tuple[str, ...]:
        """Every dataset, by name."""
        return tuple(sorted(folder.name for folder in self._datasets.iterdir() if self.numbers(folder.name)))

    def numbers(self, name: str) -> tuple[int, ...]:
        """The versions of a dataset, oldest first."""
        files = (self._datasets / name).glob("*.json")
        return tuple(sorted(int(file.stem) for file in files if file.stem.isdecimal()))

    def versions(self, name: str) -> tuple[DatasetVersion, ...]:
        """Every version of a dataset, oldest first."""
        return tuple(self._load(name, number) for number in self.numbers(name))

    def get(self, reference: str, *, format_name: str | None = None) -> DatasetVersion:
        """fish@3, or the newest version of fish (of a format, where one is asked for); CatalogError with what there is."""
        name, number = parse_reference(reference)
        numbers = self.numbers(name)
        if not numbers:
            near = difflib.get_close_matches(name, self.names(), n=1)
            known = ", ".join(self.names()) or "none yet"
            hint = f"Did you mean {near[0]}?" if near else f"There are: {known}."
            raise CatalogError(f"There is no dataset {name}.", remedy=hint)
        if number is not None:
            if number not in numbers:
                have = ", ".join(f"{name}@{known}" for known in numbers)
                what = f"{reference} was removed." if number in self._given(name) else f"There is no version {reference}."
                raise CatalogError(what, remedy=f"There are: {have}.")
            return self._load(name, number)
        found = (self._load(name, newest) for newest in reversed(numbers))
        version = next((version for version in found if format_name in {None, version.format}), None)
        if version is None:
            raise CatalogError(f"No version of {name} is {format_name}.", remedy="Convert one first.")
        return version

    def manifest_bytes(self) -> int:
        """Of all manifests together: how much there is to read where every version is looked at."""
        return sum(file.stat().st_size for file in self._datasets.glob("*/*.json"))

    def add_version(
        self,
        folder: Path,
        *,
        name: str,
        summary: Summary,
        lineage: Lineage,
        preview: bytes | None = None,
        staged: KnownInodes | None = None,
        progress: Progress = silent,
    ) -> DatasetVersion:
        """Store the files of a folder and publish them as the next version of a dataset.

        The folder is left alone (None), or it was made in staging and its files are moved: staged then tells the contents
        of those that are links to objects, by inode, so that they are not read again.
        """
        require_name(name)
        with self.staging() as scratch:
            files = self._store(folder, staged, progress)
            picture = self._store_preview(preview, scratch) if preview else None
            version = DatasetVersion(name, 0, summary.format, summary, files, fingerprint(files), lineage, picture)
            self.objects.sync()
            return self._publish(version, scratch)

    def materialize(self, version: DatasetVersion, destination: Path, *, progress: Progress = silent) -> None:
        """Make destination a tree of links to the version's objects (copies on another disk), by one rename.

        Folders are writable, files are not. CatalogError where an object is missing.
        """
        folders = Folders()
        with published(destination) as fresh:
            for done, (name, file) in enumerate(sorted(version.files.items()), start=1):
                target = fresh / name
                folders.make_parent(target)
                try:
                    place(self.objects.path(file.digest), target)
                except FileNotFoundError as error:
                    remedy = "Restore the catalog from a backup, or add the dataset again."
                    raise CatalogError("Its content is missing.", where=self._where(version, name), remedy=remedy) from error
                progress(done, len(version.files), "linking files")

    def inodes(self, version: DatasetVersion) -> KnownInodes:
        """The contents of a version by device and inode, to recognise links to them."""
        known: dict[tuple[int, int], StoredFile] = {}
        for file in version.contents:
            status = self.objects.path(file.digest).stat()
            known[status.st_dev, status.st_ino] = file
        return known

    def verify(self, reference: str | None = None, *, progress: Progress = silent) -> tuple[str, ...]:
        """Read every content again (of one version, or of all): a sentence for each file that is damaged."""
        names = self.names() if reference is None else ()
        versions = [self.get(reference)] if reference else [v for name in names for v in self.versions(name)]
        users: dict[StoredFile, list[str]] = {}
        for version in versions:
            for name, file in version.files.items():
                users.setdefault(file, []).append(str(self._where(version, name)))
            if version.preview:
                users.setdefault(version.preview, []).append(f"the preview of {version.reference}")
        damaged = ((file, self.objects.trouble(file)) for file in _counted(users, progress))
        return tuple(f"{_named(users[file])}: {what}." for file, what in damaged if what)

    def retire(self, name: str, number: int) -> bool:
        """Take a version away for ever, in one step; whether it was there. What it held stays until it is swept."""
        home = self._datasets / name
        try:
            (home / f"{number}.json").rename(home / f"{number}{RETIRED}")
        except FileNotFoundError as error:
            if number not in self._given(name):
                raise CatalogError(f"There is no version {name}@{number}.") from error
            return False
        sync_path(home)
        return True

    @contextmanager
    def nobody_adds(self) -> Iterator[bool]:
        """Keep everybody from adding; False, and no such hold, where somebody is at it."""
        with (self.root / "adding").open("w") as adding:
            try:
                fcntl.flock(adding, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    def preview_path(self, version: DatasetVersion) -> Path | None:
        """The version's picture (a PNG), where it has one."""
        return self.objects.path(version.preview.digest) if version.preview else None

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder on the catalog's disk for work in progress; it vanishes afterwards, after a crash with the next one.

        Until then no object is freed: what the work finds stored already may be what it is about to use.
        """
        folder, held = self._claim_staging()
        with held, (self.root / "adding").open("w") as adding:
            fcntl.flock(adding, fcntl.LOCK_SH)
            self._clear_abandoned()
            try:
                folder.mkdir()
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
                Path(held.name).unlink(missing_ok=True)

    def _claim_staging(self) -> tuple[Path, IO[str]]:
        """A new name whose lock this process holds; another may have cleared it between making and locking."""
        while True:
            folder = self._staging / uuid.uuid4().hex
            held = folder.with_suffix(".lock").open("x")
            fcntl.flock(held, fcntl.LOCK_EX)
            if os.fstat(held.fileno()).st_nlink:
                return folder, held
            held.close()

    def _clear_abandoned(self) -> None:
        """Remove the staging folders of processes that are no more: nobody holds their locks."""
        for lock in self._staging.glob("*.lock"):
            try:
                with lock.open() as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
                    lock.unlink(missing_ok=True)
            except (BlockingIOError, FileNotFoundError):
                continue

    def _store(self, folder: Path, staged: KnownInodes | None, progress: Progress) -> dict[str, StoredFile]:
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() or path.is_symlink())
        files: dict[str, StoredFile] = {}
        for done, name in enumerate(names, start=1):
            path = folder / name
            status = path.stat()
            stored = staged.get((status.st_dev, status.st_ino)) if staged else None
            files[name] = stored or self.objects.put(path, move=staged is not None and not path.is_symlink())
            progress(done, len(names), "storing files")
        return files

    def _store_preview(self, preview: bytes, scratch: Path) -> StoredFile:
        path = scratch / "preview.png"
        path.write_bytes(preview)
        return self.objects.put(path, move=True)

    def _publish(self, version: DatasetVersion, scratch: Path) -> DatasetVersion:
        """Give the version its number and its name, in one step, under the catalog's lock."""
        home = self._datasets / version.name
        with (self.root / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            home.mkdir(exist_ok=True)
            numbered = replace(version, number=max(self._given(version.name), default=0) + 1)
            manifest = scratch / "manifest.json"
            manifest.write_bytes(dump(numbered))
            manifest.chmod(READ_ONLY)
            sync_path(manifest)
            os.link(manifest, home / f"{numbered.number}.json")
            sync_path(home)
            sync_path(self._datasets)
        return numbered

    def _given(self, name: str) -> Iterator[int]:
        """Every number that was ever given, whatever became of its manifest."""
        for file in (self._datasets / name).glob("*.*"):
            number = file.name.partition(".")[0]
            if number.isdecimal():
                yield int(number)

    def _load(self, name: str, number: int) -> DatasetVersion:
        path = self._datasets / name / f"{number}.json"
        return parse(path.read_bytes(), where=Where(str(path)))

    def _where(self, version: DatasetVersion, name: str) -> Where:
        return Where(f"{version.reference}/{name}")


def _named(users: list[str]) -> str:
    more = len(users) - SHOWN_USERS
    return ", ".join(users[:SHOWN_USERS]) + (f" and {more:,} more" if more > 0 else "")


def _counted(files: Mapping[StoredFile, object], progress: Progress) -> Iterator[StoredFile]:
    for done, file in enumerate(files, start=1):
        progress(done, len(files), "verifying")
        yield file
