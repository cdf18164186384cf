"""Start checkpoints of presets on their way to a host: fetched here once, kept in the catalog's store, sent before preparing.

So a host needs no internet, every run of a preset starts from the same bytes, and a later attempt finds them where they were.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urldefrag, urlsplit
from urllib.request import url2pathname

from recipes.arriving.archive import Limits, unpack
from recipes.arriving.archive_members import GZIP_START
from recipes.arriving.fetching import FetchLimits, fetched, is_sha256
from recipes.arriving.web import FetchError, is_url, require_url, shown
from recipes.catalog.catalog import Catalog
from recipes.catalog.keeping import keep
from runner.errors import HostError, RequestError, UnreachableError
from runner.service.house import House
from runner.transports.base import Transport
from runner.transports.sending import Progress

STORED = "sha256:"
CHECKSUM = "sha256="
SEND_TIMEOUT_S = 6 * 3600.0
LINK_TIMEOUT_S = 60.0
_TAR_MAGIC = (257, b"ustar")


@dataclass(frozen=True, slots=True)
class StartCheckpoint:
    """A start checkpoint that is here. ``files`` maps its paths to digests; ``path`` is what frameworks are told: its only file, or
    the prefix that the files of a TensorFlow checkpoint share."""

    path: str
    files: Mapping[str, str]

    @property
    def digests(self) -> frozenset[str]:
        """Of all its files."""
        return frozenset(self.files.values())


@dataclass(frozen=True, slots=True)
class StartCheckpoints:
    """Those of one installation: ``folder`` holds what is known of each, the catalog's store their contents."""

    catalog: Catalog
    folder: Path
    limits: FetchLimits

    def on_host(self, transport: Transport, start: str, *, root: str, folder: str, progress: Progress) -> str:
        """The absolute path, on the host, of a preset's start checkpoint, which is brought there where it has to be.

        HostError where it cannot be fetched just now; recipes.errors.DatasetError and RequestError where it never can.
        """
        if start.startswith("/"):
            return start
        here = self.brought(start, progress)
        store, sources = f"{root}/objects", {digest: self.catalog.objects.path(digest) for digest in here.digests}
        transport.put_objects(store, sources.items(), timeout_s=SEND_TIMEOUT_S, progress=progress)
        if [*here.files] == [here.path]:
            digest = here.files[here.path]
            return f"{store}/{digest[:2]}/{digest}"
        transport.link_tree(store, f"{folder}/start", here.files, timeout_s=LINK_TIMEOUT_S)
        return f"{folder}/start/{here.path}"

    def brought(self, start: str, progress: Progress) -> StartCheckpoint:
        """The start checkpoint in this machine's store, fetched if it never was; UnreachableError while another run fetches it,
        HostError where it cannot be written here."""
        known = self.known(start)
        if known is not None:
            return known
        try:
            with self._alone(start):
                found = self.known(start) or self._bring(start, progress)
                note = self._note(start).with_suffix(".new")
                note.write_text(json.dumps({"start": shown_start(start), "path": found.path, "files": dict(found.files)}), encoding="utf-8")
                note.replace(self._note(start))
                return found
        except OSError as error:
            said = f"The start checkpoint {shown_start(start)} cannot be kept on the machine of Signalbox: {error.strerror or error}."
            raise HostError(f"{said} Mend that there (free disk space, say), then run it again.") from error

    def known(self, start: str) -> StartCheckpoint | None:
        """What is here of it already, whole; None where something of it is not."""
        try:
            note = json.loads(self._note(start).read_bytes())
            found = StartCheckpoint(str(note["path"]), {str(name): str(digest) for name, digest in note["files"].items()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return found if all(self.catalog.objects.path(digest).is_file() for digest in found.digests) else None

    def digests(self, start: str) -> frozenset[str]:
        """Of all that is kept here of it."""
        known = self.known(start)
        stored = {start.removeprefix(STORED)} if start.startswith(STORED) else set()
        return frozenset(stored) | (known.digests if known else frozenset())

    def _bring(self, start: str, progress: Progress) -> StartCheckpoint:
        if start.startswith(STORED):
            digest = start.removeprefix(STORED)
            path = self.catalog.objects.path(digest)
            if not path.is_file():
                raise RequestError(f"The start checkpoint {start} is not in the store any more. Add the preset again, or export it again.")
            return self._kept(path, f"{digest[:16]}.pth")
        url, _, checksum = start.partition("#")
        if urlsplit(url).scheme == "file":
            return self._kept(_file_here(url), Path(path_here(url)).name)
        wanted = checksum.removeprefix(CHECKSUM) if checksum else None
        try:
            place, limits = self.folder / "fetched", self.limits
            with fetched(url, place, limits, sha256=wanted, progress=_plain(progress), any_file=True) as path:
                return self._kept(path, path.name)
        except FetchError as error:
            if error.passing:
                raise HostError(f"The start checkpoint cannot be fetched now. {error} Then run it again; what came is kept.") from error
            raise

    def _kept(self, path: Path, name: str) -> StartCheckpoint:
        """Its contents in the store: one file, or those of the one TensorFlow checkpoint that an archive holds."""
        if not _is_tar(path):
            [stored] = keep(self.catalog, [path])
            return StartCheckpoint(name, {name: stored.digest})
        with self.catalog.staging() as scratch:
            archive = scratch / "start.tar"  # an archive is known by its name too, and in the store it has none
            archive.symlink_to(path)
            unpack(archive, scratch / "start", limits=Limits(max_bytes=self.limits.max_bytes, max_members=10_000), title=name)
            prefix, found = _tensorflow_checkpoint(scratch / "start", name)
            stored_files = keep(self.catalog, found.values())
            return StartCheckpoint(prefix, {each: stored.digest for each, stored in zip(found, stored_files, strict=True)})

    def _note(self, start: str) -> Path:
        return self.folder / f"{hashlib.sha256(start.encode()).hexdigest()[:32]}.json"

    @contextmanager
    def _alone(self, start: str) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._note(start).with_suffix(".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UnreachableError(f"The start checkpoint {shown_start(start)} is being fetched for another run.") from error
            yield


def start_checkpoints(house: House) -> StartCheckpoints:
    """Those of this installation, fetched as its settings allow."""
    limits = house.settings.imports
    cost = FetchLimits(max_bytes=limits.size_bytes, timeout_s=limits.timeout_s, private_addresses=limits.private_addresses)
    return StartCheckpoints(house.catalog, house.settings.state / "starts", cost)


def require_start(start: str, catalog: Catalog) -> None:
    """RequestError, or recipes.errors.DatasetError, where this can never be a start checkpoint: nothing is fetched for that."""
    if start.startswith("/"):
        return
    if start.startswith(STORED):
        if not is_sha256(start.removeprefix(STORED)) or not catalog.objects.path(start.removeprefix(STORED)).is_file():
            raise RequestError(f"{start} is not in the store; what is exported with `export RUN --as NAME` is.")
        return
    if not is_url(start):
        raise RequestError(f"{start!r} is no start checkpoint: give its absolute path on the servers, an https URL, or sha256:<digest>.")
    url, fragment = urldefrag(start)
    if fragment and not (fragment.startswith(CHECKSUM) and is_sha256(fragment.removeprefix(CHECKSUM))):
        raise RequestError(f"After # there may only be the file's checksum, #{CHECKSUM}<64 hexadecimal digits>.")
    if urlsplit(url).scheme == "file":
        _file_here(url)
    elif require_url(url).scheme == "http" and not fragment:
        raise RequestError(f"{shown(url)} could be changed on its way here. Give an https URL, or add #{CHECKSUM}<its SHA-256>.")


def start_in_words(start: str, checkpoints: StartCheckpoints) -> str:
    """What a preset starts from, and whether that is here, as the end of a sentence."""
    if start.startswith("/"):
        return f"{start} on the host"
    if checkpoints.known(start) is not None or start.startswith(STORED):
        return f"{shown_start(start)}, which is here and is sent to the host"
    return f"{shown_start(start)}, fetched here once and sent to the host"


def _plain(progress: Progress) -> Callable[[int, int, str], None]:
    return lambda done, total, _phase: progress(done, total)


def shown_start(start: str) -> str:
    """A start checkpoint as people and records may see it."""
    if start.startswith(STORED):
        return start[: len(STORED) + 12]
    return shown(start) if is_url(start) else start


def path_here(url: str) -> str:
    """The path of this machine that a file URL names."""
    return url2pathname(urlsplit(url).path)


def _file_here(url: str) -> Path:
    path = Path(path_here(url))
    if urlsplit(url).netloc not in ("", "localhost") or not path.is_file():
        raise RequestError(f"There is no file {path} on the machine where Signalbox runs.")
    return path


def _is_tar(path: Path) -> bool:
    """Packed or plain; a checkpoint of PyTorch is a zip, or a pickle."""
    offset, magic = _TAR_MAGIC
    with path.open("rb") as file:
        head = file.read(offset + len(magic))
    return head.startswith(GZIP_START) or head[offset:] == magic


def _tensorflow_checkpoint(folder: Path, title: str) -> tuple[str, Mapping[str, Path]]:
    """(prefix, path below the folder to file) of the only checkpoint there: PREFIX.index and PREFIX.data-00000-of-00001."""
    found = sorted(folder.rglob("*.index"))
    if len(found) != 1:
        said = f"holds {len(found)} of them" if found else "holds none"
        raise RequestError(f"{title} is an archive, so it should hold one TensorFlow checkpoint (a file *.index); it {said}.")
    prefix = found[0].with_suffix("")
    part = re.compile(re.escape(prefix.name) + r"\.(index|data-\d{5}-of-\d{5})")
    parts = [path for path in sorted(prefix.parent.iterdir()) if part.fullmatch(path.name)]
    return str(prefix.relative_to(folder)), {str(path.relative_to(folder)): path for path in parts}
