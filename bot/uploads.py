"""Archives that people drop into a channel: noted at once, fetched in the background, each ingested once."""

from __future__ import annotations

import logging
import re
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event
from typing import Any

import humanize

from bot.download import Downloader, DownloadError
from recipes.names import is_dataset_name
from runner.crash_points import crash_point
from runner.entities import Place
from runner.errors import SignalboxError
from runner.service import people
from runner.service.house import House, Requester, role_of
from runner.service.outbox import NewDelivery
from runner.service.people import Upload

_log = logging.getLogger(__name__)
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.zst")
_NAMED = re.compile(r"\bdata\s+add\s+(?P<first>\S+)|\bas\s+(?P<last>\S+)\s*$", re.IGNORECASE)
_FILE_ID = re.compile(r"[A-Z0-9]{2,32}")
_FIRST_WAIT_S, _LONGEST_WAIT_S, _TRIES = 2.0, 300.0, 10


def uploads_in(event: Mapping[str, Any], *, owner: str, channel: str) -> list[Upload]:
    """The archives that a message shares, each with the dataset it is to become."""
    thread, said = event.get("thread_ts"), event.get("text")
    files = event.get("files")
    found = [file for file in files if isinstance(file, dict) and _is_archive(file)] if isinstance(files, list) else []
    return [
        Upload(
            id=file["id"], file_name=file["name"], dataset=dataset_name(said if isinstance(said, str) else "", file["name"]),
            size_bytes=file["size"], url=str(file.get("url_private_download") or file.get("url_private") or ""), owner=owner,
            channel=channel, thread=thread if isinstance(thread, str) else None, state="wanted", error=None,
        )
        for file in found
    ]


def dataset_name(said: str, file_name: str) -> str:
    """What the message names (``data add NAME``, ``as NAME``), else a name made from the file's; perhaps no valid one."""
    named = _NAMED.search(said)
    if named:
        return (named["first"] or named["last"]).strip("`*_.,").lower()
    stem = file_name.lower()
    for suffix in sorted(ARCHIVES, key=len, reverse=True):
        stem = stem.removesuffix(suffix)
    return re.sub(r"[^a-z0-9_-]+", "-", stem).strip("-_")[:63] or "dataset"


class Uploads:
    """Fetches what is wanted, one after the other. Used by one thread."""

    def __init__(self, house: House, downloader: Downloader, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._house = house
        self._downloader = downloader
        self._clock = clock
        self._failures: dict[str, int] = {}
        self._not_before: dict[str, float] = {}

    def step(self, stop: Event) -> None:
        """Fetch every file that may be tried now."""
        for upload in people.wanted_uploads(self._house):
            if not stop.is_set() and self._clock() >= self._not_before.get(upload.id, 0.0):
                self._take(upload, stop)

    def _take(self, upload: Upload, stop: Event) -> None:
        target = self._house.settings.inbox / f"{upload.id}-{_safe(upload.file_name)}"
        try:
            self._check(upload)
            self._downloader.fetch(upload.url, target, size_bytes=upload.size_bytes, stop=stop)
            crash_point("bot.after_upload_downloaded")
            place = Place(upload.channel, upload.thread)
            who = Requester(upload.owner, role_of(self._house, upload.owner), "upload", f"upload:{upload.id}", place)
            people.submit_upload(self._house, who, upload, target)
        except DownloadError as error:
            if stop.is_set():
                return
            if error.passing and self._failures.get(upload.id, 0) + 1 < _TRIES:
                self._try_later(upload, error)
            else:
                self._refuse(upload, str(error))
        except SignalboxError as error:
            target.unlink(missing_ok=True)
            self._refuse(upload, str(error))

    def _check(self, upload: Upload) -> None:
        limit, free = self._house.settings.limits.upload_bytes, shutil.disk_usage(self._house.settings.inbox).free
        if not is_dataset_name(upload.dataset):
            raise DownloadError(
                f"{upload.dataset!r} cannot be a dataset's name: lower-case letters, digits, - and _, at most 63. "
                "Share the file again with `as NAME`."
            )
        if upload.size_bytes > limit:
            raise DownloadError(
                f"it has {_size(upload.size_bytes)}; at most {_size(limit)} are taken (limits.upload_bytes in the settings). "
                "Split it, or ask an admin to raise the limit."
            )
        if upload.size_bytes > free:
            raise DownloadError(
                f"it has {_size(upload.size_bytes)}, and the disk of the inbox has {_size(free)} left. Free some, then share it again."
            )

    def _try_later(self, upload: Upload, error: DownloadError) -> None:
        failures = self._failures[upload.id] = self._failures.get(upload.id, 0) + 1
        wait_s = min(_FIRST_WAIT_S * 2.0 ** (failures - 1), _LONGEST_WAIT_S)
        self._not_before[upload.id] = self._clock() + wait_s
        _log.warning("%s (%s) is not fetched yet: %s Trying again in %.0f s.", upload.file_name, upload.id, error, wait_s)

    def _refuse(self, upload: Upload, why: str) -> None:
        _log.warning("%s (%s) by %s is not taken: %s", upload.file_name, upload.id, upload.owner, why)
        text = f"`{_safe(upload.file_name)}` was not taken: {why}"
        body = {"text": text, "thread": upload.thread, "person": upload.owner}
        notice = NewDelivery(f"upload:{upload.id}:refused", upload.channel, "text", body)
        people.refuse_upload(self._house, upload, error=why, notice=notice)


def _is_archive(file: Mapping[str, Any]) -> bool:
    file_id, name, size = file.get("id"), file.get("name"), file.get("size")
    return (
        isinstance(file_id, str) and _FILE_ID.fullmatch(file_id) is not None
        and isinstance(name, str) and name.lower().endswith(ARCHIVES)
        and isinstance(size, int) and not file.get("is_external")
    )


def _safe(name: str) -> str:
    """A file name of letters, digits, dot, dash and underscore; its end, which says what it is, is kept."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name.rpartition("/")[2])[-100:].lstrip(".-") or "archive"


def _size(number: int) -> str:
    return humanize.naturalsize(number)


def clear_partial(inbox: Path) -> None:
    """Remove what an earlier process left half fetched."""
    for path in inbox.glob("*.part"):
        path.unlink(missing_ok=True)
