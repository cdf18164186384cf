"""Looks into the folders of hosts that triggers wait for files in: one listing a host and interval, over the connection there is.

A file counts once it is at rest. Its time of change (ctime) on the host's own clock says that: every byte written and a move into the
folder set it, and no copying program can set it back. What was there before a trigger was added does not fire it.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from runner.errors import HostError, SignalboxError
from runner.links import HostLink
from runner.service import triggers
from runner.service.causes import FileAppears
from runner.service.house import House
from runner.store.triggers import Trigger
from runner.transports.base import Transport
from runner.transports.scripts import settings

EVERY = timedelta(seconds=20)
AFTER_TROUBLE = timedelta(minutes=10)
"""Looks into a folder of a file server that does not answer must not pile up there."""
AT_REST = timedelta(seconds=60)
TIMEOUT_S = 10.0
MOST_BYTES = 2**20
MOST_NEW = 20
"""Files that fire a trigger in one look; more follow in the next."""
_LOOK = r"""
[ -d "$folder/" ] && [ -r "$folder/" ] || { echo "$folder is no folder that this user can read" >&2; exit 74; }
date +%s.%N
find -H "$folder/" -maxdepth 1 -type f -name "$name" ! -name "$but" -printf '%s %T@ %C@ %f\0' 2>/dev/null | head -c "$most"
"""
_FILE = re.compile(r"(?P<size>\d{1,18}) (?P<written>-?\d{1,12}\.\d+) (?P<changed>-?\d{1,12}\.\d+) (?P<name>[^/]+)", re.DOTALL)
log = logging.getLogger(__name__)


class Listed(NamedTuple):
    """A file as its host lists it. ``written`` is its own time of writing, ``rests`` for how long nobody has changed it there."""

    name: str
    size_bytes: int
    written: str
    rests: timedelta


class _Asked(NamedTuple):
    """A look into the folders of one host that is under way."""

    at: datetime
    waiting: Sequence[tuple[Trigger, FileAppears]]
    answer: Future[list[Sequence[Listed] | SignalboxError]]


@dataclass(slots=True)
class FileLooks:
    """Looks for every trigger that waits for files. Nothing here waits for a host."""

    house: House
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, thread_name_prefix="files"))
    _due: dict[str, datetime] = field(default_factory=dict)
    _under_way: dict[str, _Asked] = field(default_factory=dict)

    def look(self, links: Mapping[str, HostLink]) -> None:
        """Take in the listings that have come, and ask for those that are due."""
        now = self.house.now()
        for host, asked in list(self._under_way.items()):
            if asked.answer.done():
                del self._under_way[host]
                for (trigger, cause), found in zip(asked.waiting, asked.answer.result(), strict=True):
                    self._take(trigger, cause, found, asked=asked.at, answered=now)
        wanted: defaultdict[str, list[tuple[Trigger, FileAppears]]] = defaultdict(list)
        for trigger, cause in triggers.waiting_for_files(self.house):
            wanted[cause.host].append((trigger, cause))
        for host, waiting in wanted.items():
            link = links.get(host)
            if link is not None and link.connected and host not in self._under_way and now >= self._due.get(host, now):
                self._due[host] = now + EVERY
                answer = self._threads.submit(_listings, link.transport, [cause for _, cause in waiting])
                self._under_way[host] = _Asked(now, waiting, answer)

    def close(self) -> None:
        """Look no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _take(
        self, trigger: Trigger, cause: FileAppears, found: Sequence[Listed] | SignalboxError, *, asked: datetime, answered: datetime
    ) -> None:
        if isinstance(found, SignalboxError):
            if not isinstance(found, HostError):
                self._due[cause.host] = asked + AFTER_TROUBLE
            if triggers.note_trouble(self.house, trigger, str(found)):
                log.warning("%s cannot look for %s: %s", trigger.id, trigger.words, found)
            return
        # The host looked at some time between the two. A file that came right after the trigger must count; and what a run wrote
        # last must be seen as written while it was at work.
        came = [each for each in found if AT_REST <= each.rests < answered - trigger.created_at]
        told = triggers.keys(self.house, trigger)
        new = [each for each in came if cause.key(each.name, each.size_bytes, each.written) not in told]
        for each in sorted(new, key=lambda each: each.rests, reverse=True)[:MOST_NEW]:
            happened = cause.happened(self.house, each.name, each.size_bytes, each.written, at=asked - each.rests)
            triggers.fire(self.house, trigger, happened)


def _listings(transport: Transport, causes: Sequence[FileAppears]) -> list[Sequence[Listed] | SignalboxError]:
    """For each cause the files there, or why they cannot be listed."""
    found: list[Sequence[Listed] | SignalboxError] = []
    for cause in causes:
        try:
            found.append(list_files(transport, cause))
        except SignalboxError as error:
            found.append(error)
    return found


def list_files(transport: Transport, cause: FileAppears) -> list[Listed]:
    """The plain files that a cause speaks of; hidden ones are those that copying programs have not finished. HostError where the folder
    cannot be read or has too many."""
    but = "" if cause.pattern.startswith(".") else ".*"
    asked = settings(folder=cause.folder, name=cause.pattern, but=but, most=str(MOST_BYTES))
    finished = transport.shell(asked + _LOOK, timeout_s=TIMEOUT_S)
    if finished.exit_code:
        raise HostError(f"{cause.host}: {finished.stderr.decode('utf-8', 'replace').strip()[-300:]}.")
    now, _, lines = finished.stdout.partition(b"\n")
    if len(lines) >= MOST_BYTES:
        raise HostError(f"{cause.host}:{cause.folder} has too many files named so to be listed.")
    found = [_FILE.fullmatch(line.decode("utf-8", "replace")) for line in lines.split(b"\0")]
    return [
        Listed(each["name"], int(each["size"]), each["written"], timedelta(seconds=float(now) - float(each["changed"])))
        for each in found if each
    ]
