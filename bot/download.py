"""One file from Slack into a folder: with the bearer token, a deadline and a size, whole or not at all."""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import IO
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from bot.settings import Tokens
from recipes.arriving.archive_members import GZIP_START, SUFFIXES, ZIP_START, ZSTD_START

_CHUNK_BYTES = 1 << 20
_SHORTEST_DEADLINE_S = 600.0
_SLOWEST_BYTES_PER_S = 50_000
_MAGIC = (*((0, start) for start in (*ZIP_START, GZIP_START, ZSTD_START)), (257, b"ustar"))


class DownloadError(Exception):
    """A file was not fetched; the message says why and what to do. ``passing`` when trying again may help."""

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


class _NoRedirects(HTTPRedirectHandler):
    """Slack redirects only to its sign-in page; and a redirect must never carry the token elsewhere."""

    def redirect_request(self, *args: object, **kwargs: object) -> None:
        """Do not follow."""


@dataclass(frozen=True)
class Downloader:
    """Fetches files that people shared. ``timeout_s`` is how long one read may take."""

    tokens: Tokens
    timeout_s: float
    clock: Callable[[], float] = time.monotonic

    def fetch(self, url: str, target: Path, *, size_bytes: int, stop: Event) -> None:
        """Put the file at ``target``, durable and whole; DownloadError otherwise, and then nothing is left."""
        self._require_slack(url)
        partial = target.with_name(target.name + ".part")
        try:
            with partial.open("wb") as file:
                self._stream(url, file, size_bytes=size_bytes, stop=stop)
                file.flush()
                os.fsync(file.fileno())
            if target.name.lower().endswith(SUFFIXES):
                _require_archive(partial)
            partial.replace(target)
            _sync_folder(target.parent)
        except OSError as error:
            why = error.strerror or error
            raise DownloadError(f"it could not be written to the inbox: {why}. Free disk space, then share it again.") from error
        finally:
            partial.unlink(missing_ok=True)

    def _require_slack(self, url: str) -> None:
        """The token goes to Slack, and to the address that the settings give for it, and nowhere else."""
        parts, home = urlsplit(url), urlsplit(self.tokens.api_url)
        of_slack = parts.scheme == "https" and (parts.hostname or "").endswith(".slack.com")
        if not of_slack and (parts.scheme, parts.netloc) != (home.scheme, home.netloc):
            raise DownloadError("it does not lie with Slack. Share the file itself, not a link to it.")

    def _stream(self, url: str, file: IO[bytes], *, size_bytes: int, stop: Event) -> None:
        deadline = self.clock() + max(_SHORTEST_DEADLINE_S, size_bytes / _SLOWEST_BYTES_PER_S)
        request = Request(url, headers={"Authorization": f"Bearer {self.tokens.bot}"})  # noqa: S310 - _require_slack
        try:
            with closing(build_opener(_NoRedirects).open(request, timeout=self.timeout_s)) as response:
                self._require_file(response, size_bytes)
                done = 0
                while chunk := response.read(_CHUNK_BYTES):
                    done += len(chunk)
                    if done > size_bytes or self.clock() > deadline or stop.is_set():
                        break
                    file.write(chunk)
        except HTTPError as error:
            raise _refused(error) from error
        except (OSError, http.client.HTTPException) as error:
            raise DownloadError(f"Slack did not send it ({error}). Share it again, or look at the network.", passing=True) from error
        if done != size_bytes:
            raise DownloadError(f"{done:,} of its {size_bytes:,} bytes came. Share it again, or look at the network.", passing=True)

    @staticmethod
    def _require_file(response: http.client.HTTPResponse, size_bytes: int) -> None:
        length = response.headers.get("Content-Length")
        if response.headers.get_content_type() == "text/html":
            raise DownloadError("Slack sent a sign-in page instead. The app needs the scope files:read: reinstall it from the manifest.")
        if length is not None and length != str(size_bytes):
            raise DownloadError(f"Slack announced {size_bytes:,} bytes and sends {length}. Share it again.")


def _refused(error: HTTPError) -> DownloadError:
    if error.code in (301, 302, 303, 307, 308, 401, 403):
        return DownloadError("Slack does not let the app read it. The app needs the scope files:read: reinstall it from the manifest.")
    if error.code in (404, 410):
        return DownloadError("it is no longer there. Share it again.")
    return DownloadError(f"Slack answered {error.code}. Share it again later.", passing=error.code >= 500 or error.code == 429)


def _require_archive(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(512)
    if not any(head[at : at + len(magic)] == magic for at, magic in _MAGIC):
        raise DownloadError(f"it is no archive, whatever its name says. Share one of {', '.join(SUFFIXES)}.")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
