"""Command lines that wait until the files shared with them are here."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from runner.errors import RequestError
from runner.service import outbox
from runner.service.house import House, Requester
from runner.service.outbox import NewDelivery
from runner.store import waiting_lines
from runner.store.waiting_lines import WaitingLine, WantedFile

__all__ = ["WaitingLine", "WantedFile", "keep", "settle", "waiting"]


def keep(house: House, who: Requester, line: str, files: Sequence[WantedFile]) -> None:
    """Note the line of a request that cannot be carried out before its files are fetched; without files, those of its thread."""
    if who.place.channel is None:
        raise RequestError("Only what is said in a channel can wait for files.")
    line_id = hashlib.sha256(who.request_id.encode()).hexdigest()[:16]
    kept = WaitingLine(line_id, line, who.person, who.place.channel, who.place.thread, tuple(files))
    with house.store.writing() as db:
        waiting_lines.keep(db, kept, now=house.now())


def waiting(house: House) -> list[WaitingLine]:
    """Every line that waits, oldest first."""
    return waiting_lines.waiting(house.store.reading())


def settle(house: House, line: WaitingLine, answer: NewDelivery) -> None:
    """A line was carried out, or never will be: owe the answer that says so, both or neither."""
    with house.store.writing() as db:
        waiting_lines.settle(db, line.id, now=house.now())
        outbox.add(house, answer)
