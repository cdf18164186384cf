"""One file from the web into a folder: whole, bounded in size and time, and resumed where the server can.

What a broken connection left is kept under the URL's digest and taken up again with Range and If-Range (RFC 9110, sections
13.1.5 and 14.2), by a later process as well; a file that changed meanwhile, or a server without ranges, starts it anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPMessage
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import orjson

from recipes.arriving.archive import can_be_a_dataset
from recipes.arriving.archive_members import GZIP_START, ZIP_START, ZSTD_START
from recipes.arriving.web import Answer, Door, FetchError, ask, require_url
from recipes.progress import Progress, silent

PIECE = 1 << 18
FRUITLESS = 6
DRIP_WINDOW_S = 60.0
KEPT_S = 7 * 24 * 3600.0
CONTENT_SUFFIXES = {GZIP_START: ".tar.gz", ZSTD_START: ".tar.zst", **dict.fromkeys(ZIP_START, ".zip")}


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What a download may cost.

    A server that is silent for read_timeout_s, or gives less than slowest_bytes_per_s over a minute, is left and asked again;
    pause_s doubles with each request that brought nothing.
    """

    max_bytes: int = 200 * 1024**3
    timeout_s: float = 6 * 3600.0
    read_timeout_s: float = 30.0
    slowest_bytes_per_s: int = 1000
    pause_s: float = 1.0
    private_addresses: bool = False


@dataclass(frozen=True, slots=True)
class _Download:
    """One URL on its way into its own folder, until a moment (monotonic)."""

    url: str
    place: Path
    limits: FetchLimits
    deadline: float
    progress: Progress

    @property
    def part(self) -> Path:
        """What came so far."""
        return self.place / "part"

    @property
    def note(self) -> Mapping[str, str]:
        """What the server said of the file that came so far."""
        try:
            return {str(key): str(value) for key, value in orjson.loads((self.place / "note").read_bytes()).items()}
        except (FileNotFoundError, ValueError, AttributeError):
            return {}


@contextmanager
def fetched(
    url: str, folder: Path, limits: FetchLimits, *, sha256: str | None = None, progress: Progress = silent, any_file: bool = False
) -> Iterator[Path]:
    """The file behind a URL, in a folder of its own below ``folder`` and named for what it is; gone afterwards.

    It has to be an archive, unless ``any_file`` will do.
    FetchError says what is wrong with the URL, the server or the file; what came so far is kept where trying again may help.
    """
    require_url(url)
    if sha256 is not None and not is_sha256(sha256):
        raise FetchError(f"{sha256!r} is no SHA-256.", remedy="It has 64 hexadecimal digits; `sha256sum FILE` prints it.")
    _sweep(folder)
    with _own_place(url, folder) as place:
        download = _Download(url, place, limits, time.monotonic() + limits.timeout_s, progress)
        try:
            _complete(download)
            _verify(download, sha256)
            path = place / (download.note.get("name", "download") if any_file else _file_name(download))
            download.part.rename(path)
        except FetchError as error:
            if not error.passing:
                shutil.rmtree(place, ignore_errors=True)
            raise
        try:
            yield path
        finally:
            shutil.rmtree(place, ignore_errors=True)


def is_sha256(text: str) -> bool:
    """Whether a text is a SHA-256 in hexadecimal digits."""
    return re.fullmatch(r"[0-9a-fA-F]{64}", text) is not None


@contextmanager
def _own_place(url: str, folder: Path) -> Iterator[Path]:
    """A folder for this URL that no other process uses meanwhile."""
    place = folder / hashlib.sha256(url.encode(errors="surrogateescape")).hexdigest()[:32]
    while True:
        place.mkdir(parents=True, exist_ok=True)
        held = os.open(place, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(held).st_nlink:  # else whoever held it has just removed it
                yield place
                return
        except BlockingIOError:
            raise FetchError("It is being fetched already.", url=url, remedy="Wait for that to end.", passing=True) from None
        finally:
            os.close(held)


def _sweep(folder: Path) -> None:
    """Remove what nobody came back for."""
    for place in folder.glob("*/"):
        try:
            newest = max(path.stat().st_mtime for path in (place, *place.iterdir()))
        except FileNotFoundError:
            continue
        if time.time() - newest > KEPT_S:
            shutil.rmtree(place, ignore_errors=True)


def _complete(download: _Download) -> None:
    """The whole file, by as many requests as it takes while each brings it further."""
    download.part.touch()
    fruitless, furthest = 0, download.part.stat().st_size
    while True:
        try:
            _request(download)
        except FetchError as error:
            have = download.part.stat().st_size
            fruitless, furthest = (0, have) if have > furthest else (fruitless + 1, furthest)
            pause_s = max(error.retry_after_s, download.limits.pause_s * 2.0**fruitless)
            if not error.passing or fruitless >= FRUITLESS or time.monotonic() + pause_s > download.deadline:
                raise
            time.sleep(pause_s)
        else:
            return


def _request(download: _Download) -> None:
    """Ask for what is missing, or for everything where nothing tells that it would still be the same file."""
    have, validator = download.part.stat().st_size, download.note.get("validator", "")
    wanted = {"Range": f"bytes={have}-", "If-Range": validator} if have and validator else {}
    door = Door(download.limits.private_addresses, download.limits.read_timeout_s, download.deadline)
    with ask(download.url, wanted, door) as answer:
        begin, total = _span(answer, download, have)
        _require_room(download, begin, total)
        note = {"validator": _validator(answer.headers), "name": _name(answer, download.url)}
        (download.place / "note").write_bytes(orjson.dumps(note))
        done = _receive(answer, download, begin, total)
    if total is not None and done < total:
        message = f"It broke off after {done:,} of {total:,} bytes."
        raise FetchError(message, url=download.url, remedy="Try again: what came is kept.", passing=True)
    download.progress(done, done, "downloading")


def _span(answer: Answer, download: _Download, have: int) -> tuple[int, int | None]:
    """Where the bytes that come belong, and how many the whole file has, if the server says."""
    if answer.status == 200:
        length = answer.headers.get("Content-Length", "")
        return 0, int(length) if re.fullmatch(r"[0-9]{1,18}", length) else None
    span = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", answer.headers.get("Content-Range", ""))
    if answer.status == 206 and span is not None and int(span[1]) == have and int(span[2]) + 1 == int(span[3]):
        return have, int(span[3])
    download.part.write_bytes(b"")
    message = "The server cannot go on where it broke off, so it is fetched anew."
    raise FetchError(message, url=download.url, remedy="Try again.", passing=True)


def _require_room(download: _Download, begin: int, total: int | None) -> None:
    free = shutil.disk_usage(download.place).free
    if total is not None:
        _require_size(total, download)
        if total - begin > free:
            message = f"It has {total:,} bytes, and the disk of the datasets has {free:,} left."
            raise FetchError(message, url=download.url, remedy="Free some, then try again.")


def _require_size(size: int, download: _Download) -> None:
    limit = download.limits.max_bytes
    if size > limit:
        remedy = "Split it, or ask an admin to raise the limit."
        raise FetchError(f"It has {size:,} bytes or more; at most {limit:,} are taken.", url=download.url, remedy=remedy)


def _receive(answer: Answer, download: _Download, begin: int, total: int | None) -> int:
    """Write what comes; how far the file is then. FetchError where it is too much or too slow."""
    done = window_done = begin
    window_at = time.monotonic()
    with download.part.open("r+b") as file:
        file.truncate(begin)
        file.seek(begin)
        while piece := answer.read(PIECE):
            done += len(piece)
            _require_size(done, download)
            file.write(piece)
            download.progress(done, total or 0, "downloading")
            passed_s = time.monotonic() - window_at
            if passed_s > DRIP_WINDOW_S:
                if done - window_done < download.limits.slowest_bytes_per_s * passed_s:
                    message = f"The server sends only {(done - window_done) / passed_s:,.0f} bytes a second."
                    raise FetchError(message, url=download.url, remedy="Try again later.", passing=True)
                window_done, window_at = done, time.monotonic()
    return done


def _validator(headers: HTTPMessage) -> str:
    """What tells later whether it is still the same file: a strong ETag, else its date."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else headers.get("Last-Modified", "")


def _name(answer: Answer, url: str) -> str:
    """What the file is called by whoever serves it; the first name that says what it is."""
    paths = (unquote(urlsplit(address).path) for address in (answer.url, url))
    names = [PurePosixPath(name.replace("\\", "/")).name for name in (answer.headers.get_filename() or "", *paths)]
    chosen = next((name for name in names if can_be_a_dataset(name)), next(filter(None, names), ""))
    return re.sub(r"[^\w. ()+-]+", "_", chosen)[-100:].lstrip(". ") or "download"


def _file_name(download: _Download) -> str:
    """The name, with the suffix of its content where it has none that says what it is."""
    name = download.note.get("name", "download")
    if can_be_a_dataset(name):
        return name
    with download.part.open("rb") as file:
        head = file.read(512)
    suffix = next((suffix for start, suffix in CONTENT_SUFFIXES.items() if head.startswith(start)), "")
    if not suffix and head[257:262] != b"ustar":
        raise FetchError("It is no archive, by its name and by its content.", url=download.url, remedy="Give the address of an archive.")
    return f"{PurePosixPath(name).stem or 'download'}{suffix or '.tar'}"


def _verify(download: _Download, sha256: str | None) -> None:
    if sha256 is None:
        return
    size, done, digest = download.part.stat().st_size, 0, hashlib.sha256()
    with download.part.open("rb") as file:
        while piece := file.read(PIECE):
            done += len(piece)
            digest.update(piece)
            download.progress(done, size, "verifying download")
    if digest.hexdigest() != sha256.lower():
        message = f"Its SHA-256 is {digest.hexdigest()}, not {sha256.lower()}."
        raise FetchError(message, url=download.url, remedy="Look at both: the file may have changed, or come from somebody else.")
