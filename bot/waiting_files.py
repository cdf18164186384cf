"""Pictures and videos that were shared with a command: fetched in the background, then the command is carried out, once."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event

from bot.answer import Answer
from bot.calls import Done, Refused, Slack
from bot.download import Downloader, DownloadError
from bot.grammar import answer
from bot.refusals import refused
from bot.shared_files import SharedFile, attached_files
from bot.uploads import safe_name
from recipes.errors import DatasetError
from runner.crash_points import crash_point
from runner.entities import Place
from runner.errors import SignalboxError
from runner.service import given_files, waiting_lines
from runner.service.house import House, Requester, role_of
from runner.service.outbox import NewDelivery
from runner.service.waiting_lines import WaitingLine
from runner.specs import GivenFile

_log = logging.getLogger(__name__)
_FOLDER = "line-"
_FIRST_WAIT_S, _LONGEST_WAIT_S, _TRIES = 2.0, 120.0, 8


class WaitingFiles:
    """Fetches what lines wait for, one line after the other. Used by one thread."""

    def __init__(self, house: House, slack: Slack, downloader: Downloader, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._house = house
        self._slack = slack
        self._downloader = downloader
        self._clock = clock
        self._failures: dict[str, int] = {}
        self._not_before: dict[str, float] = {}

    def step(self, stop: Event) -> None:
        """Carry out every line whose files can be had now."""
        for line in waiting_lines.waiting(self._house):
            if not stop.is_set() and self._clock() >= self._not_before.get(line.id, 0.0):
                self._take(line, stop)

    def _take(self, line: WaitingLine, stop: Event) -> None:
        try:
            given = self._given(line, stop)
        except DownloadError as error:
            if stop.is_set():
                return
            if error.passing and self._failures.get(line.id, 0) + 1 < _TRIES:
                self._try_later(line, error)
                return
            told = refused(f"What was shared with `{line.line}` was not taken: {error}")
        except (SignalboxError, DatasetError) as error:
            told = refused(str(error))
        else:
            crash_point("bot.after_upload_downloaded")
            place = Place(line.channel, line.thread)
            who = Requester(line.owner, role_of(self._house, line.owner, line.channel), "shared files", f"files:{line.id}", place)
            told = answer(self._house, who, line.line, attached=given)
        waiting_lines.settle(self._house, line, _notice(line, told))
        shutil.rmtree(self._folder(line), ignore_errors=True)

    def _given(self, line: WaitingLine, stop: Event) -> tuple[GivenFile, ...]:
        """The files, kept in the catalog; none where the message of a thread has none."""
        shared = [SharedFile(file.id, file.name, file.size_bytes, file.url) for file in line.files] or _of_thread(self._slack, line)
        total, most = sum(file.size_bytes for file in shared), self._house.settings.limits.upload_bytes
        if total > most:
            raise DownloadError(f"the files have {total:,} bytes; at most {most:,} are taken (limits.upload_bytes in the settings).")
        targets = [self._folder(line) / str(place) / safe_name(file.name) for place, file in enumerate(shared)]
        for file, target in zip(shared, targets, strict=True):
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():  # whole, or not there at all
                self._downloader.fetch(file.url, target, size_bytes=file.size_bytes, stop=stop)
        return given_files.keep_files(self._house, targets)

    def _folder(self, line: WaitingLine) -> Path:
        return self._house.settings.inbox / f"{_FOLDER}{line.id}"

    def _try_later(self, line: WaitingLine, error: DownloadError) -> None:
        failures = self._failures[line.id] = self._failures.get(line.id, 0) + 1
        wait_s = min(_FIRST_WAIT_S * 2.0 ** (failures - 1), _LONGEST_WAIT_S)
        self._not_before[line.id] = self._clock() + wait_s
        _log.warning("The files of %r are not fetched yet: %s Trying again in %.0f s.", line.line, error, wait_s)


def clear_settled(house: House) -> None:
    """Remove what a crash left of lines that were carried out."""
    kept = {f"{_FOLDER}{line.id}" for line in waiting_lines.waiting(house)}
    for folder in house.settings.inbox.glob(f"{_FOLDER}*"):
        if folder.name not in kept:
            shutil.rmtree(folder, ignore_errors=True)


def _of_thread(slack: Slack, line: WaitingLine) -> Sequence[SharedFile]:
    """The files of the message that the thread hangs on."""
    found = slack.call("conversations.replies", channel=line.channel, ts=line.thread, limit=1)
    if isinstance(found, Refused):
        raise DownloadError(f"Slack does not show the message of this thread ({found}). Invite the app to the channel.")
    if not isinstance(found, Done):
        raise DownloadError("Slack did not show the message of this thread in time.", passing=True)
    messages = found.data.get("messages")
    first = messages[0] if isinstance(messages, list) and messages and isinstance(messages[0], dict) else {}
    return [] if first.get("bot_id") else attached_files(first)


def _notice(line: WaitingLine, told: Answer) -> NewDelivery:
    body = {"text": told.text, "blocks": list(told.blocks), "thread": line.thread, "person": line.owner}
    return NewDelivery(f"answer:files:{line.id}", line.channel, "text", body)
