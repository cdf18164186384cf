"""What others tell through the hooks: kept once, and an event for what is new, on which triggers act."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from runner.service.house import House
from runner.store import events
from runner.store import hooks as store

EVENT = "hook"
FORGOTTEN_AFTER = timedelta(days=90)
"""After it was told last: what has fired since longer is repeated at least every few hours."""


@dataclass(frozen=True, slots=True)
class HookCall:
    """One thing that was told. ``key`` is the same when it is told again; ``name`` and ``labels`` are what triggers look at."""

    key: str
    name: str
    labels: Mapping[str, str]
    resolved: bool = False


def keep(house: House, told: Sequence[HookCall]) -> int:
    """Keep what was told, all or nothing; returns how much of it is new."""
    new, now = 0, house.now()
    with house.store.writing() as db:
        store.forget(db, before=now - FORGOTTEN_AFTER)
        for each in told:
            if store.keep(db, each.key, now=now):
                payload = {"key": each.key, "name": each.name, "labels": dict(each.labels), "resolved": each.resolved}
                events.record(db, EVENT, at=now, payload=payload)
                new += 1
    return new
