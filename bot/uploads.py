"""Files that people drop into a channel: noted at once, fetched in the background, each ingested once."""

from __future__ import annotations

import logging
import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import humanize

from bot.calls import Done, Refused, Slack
from bot.download import Downloader, DownloadError
from bot.shared_files import SharedFile, dataset_name, format_name, is_asked_for, shared_files
from bot.thread_files import TO_BE_FOUND
from recipes.names import is_dataset_name
from runner.crash_points import crash_point
from runner.entities import Place
from runner.errors import SignalboxError
from runner.service import people
from runner.service.house import House, Requester, role_of
from runner.service.outbox import NewDelivery
from runner.service.people import Upload

_log = logging.getLogger(__name__)
_FIRST_WAIT_S, _LONGEST_WAIT_S, _TRIES = 2.0, 300.0, 10


def uploads_in(event: Mapping[str, Any], *, owner: str, channel: str) -> list[Upload]:
    """The files of a message that are to become datasets, each with its name."""
    thread, text = event.get("thread_ts"), event.get("text")
    said = text if isinstance(text, str) else ""
    return [
        upload_of(
            file, dataset=dataset_name(said, file.name), owner=owner, channel=channel, format_name=format_name(said),
            thread=thread if isinstance(thread, str) else None,
        )
        for file in shared_files(event) if is_asked_for(said, file.name)
    ]


def upload_of(
    file: SharedFile, *, dataset: str, owner: str, channel: str, thread: str | None, format_name: str | None, asked: str = ""
) -> Upload:
    """A file that is wanted as a dataset: once, or once for each ``asked`` (a dialog's id)."""
    return Upload(
        id=f"{file.id}-{asked}" if asked else file.id, file_name=file.name, dataset=dataset, size_bytes=file.size_bytes, url=file.url,
        owner=owner, channel=channel, thread=thread, state="wanted", error=None, format=format_name,
    )


class Uploads:
    """Fetches what is wanted, one after the other. Used by one thread."""

    def __init__(self, house: House, slack: Slack, downloader: Downloader, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._house = house
        self._slack = slack
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
        target: Path | None = None
        try:
            if upload.url == TO_BE_FOUND:
                found = _thread_file(self._slack, upload)
                upload = replace(upload, file_name=found.name, size_bytes=found.size_bytes, url=found.url)
            target = self._house.settings.inbox / f"{upload.id}-{safe_name(upload.file_name)}"
            self._check(upload)
            self._downloader.fetch(upload.url, target, size_bytes=upload.size_bytes, stop=stop)
            crash_point("bot.after_upload_downloaded")
            place = Place(upload.channel, upload.thread)
            who = Requester(upload.owner, role_of(self._house, upload.owner, upload.channel), "upload", f"upload:{upload.id}", place)
            people.submit_upload(self._house, who, upload, target)
        except DownloadError as error:
            if stop.is_set():
                return
            if error.passing and self._failures.get(upload.id, 0) + 1 < _TRIES:
                self._try_later(upload, error)
            else:
                self._refuse(upload, str(error))
        except SignalboxError as error:
            if target is not None:
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
        text = f"`{safe_name(upload.file_name)}` was not taken: {why}"
        body = {"text": text, "thread": upload.thread, "person": upload.owner}
        notice = NewDelivery(f"upload:{upload.id}:refused", upload.channel, "text", body)
        people.refuse_upload(self._house, upload, error=why, notice=notice)


def _thread_file(slack: Slack, upload: Upload) -> SharedFile:
    """The one file of the message that the upload's thread hangs on; DownloadError where there is none, or several."""
    answer = slack.call("conversations.replies", channel=upload.channel, ts=upload.thread, limit=1)
    if isinstance(answer, Refused):
        raise DownloadError(f"Slack does not show its message ({answer}). Invite the app to the channel, or share the file again.")
    if not isinstance(answer, Done):
        raise DownloadError("Slack did not show its message in time.", passing=True)
    messages = answer.data.get("messages")
    first = messages[0] if isinstance(messages, list) and messages and isinstance(messages[0], dict) else {}
    files = shared_files(first)
    if not files:
        raise DownloadError("the message that this thread hangs on has no archive, no annotations and no video. Share one with `data add`.")
    if len(files) > 1:
        raise DownloadError("its message has several. Choose one: the message's menu has Import as dataset.")
    return files[0]


def safe_name(name: str) -> str:
    """A file name of letters, digits, dot, dash and underscore; its end, which says what it is, is kept."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name.rpartition("/")[2])[-100:].lstrip(".-") or "archive"


def _size(number: int) -> str:
    return humanize.naturalsize(number)


def clear_partial(inbox: Path) -> None:
    """Remove what an earlier process left half fetched."""
    for path in inbox.rglob("*.part"):
        path.unlink(missing_ok=True)
