"""What this process knows of the present: the hosts as the runner last wrote them down, and what it would decide of a run on them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

from sqlite_utils import Database

from runner.approving import unapproved
from runner.decisions import Decision, HostFacts, decide_pending
from runner.entities import Place, Run
from runner.kinds import all_kinds
from runner.queue_scene import Candidates, Past, Scenes, turn_of
from runner.service.house import House, Requester
from runner.specs import TrainSpec
from runner.states import Reason
from runner.store import hosts, runs
from runner.store.connection import Store
from runner.store.live_runs import LiveRuns

NOBODY_YET = "RUN"
"""The id of a run that is not there, as lines to type have it: no other can have it."""


class Book:
    """What one process remembers of the queue between two questions, so that of thousands only those that changed are read again."""

    def __init__(self) -> None:
        self.asking = threading.Lock()
        self.live = LiveRuns()
        self.candidates = Candidates()
        self.scenes = Scenes()


_BOOKS: WeakKeyDictionary[Store, Book] = WeakKeyDictionary()


def book_of(house: House) -> Book:
    """The one of this process."""
    return _BOOKS.setdefault(house.store, Book())


def past_now(house: House) -> Past:
    """What has been, up to now or shortly before."""
    book = book_of(house)
    with book.asking:
        return book.scenes.past(house)


def nobodys_run(house: House, who: Requester, spec: TrainSpec) -> Run:
    """The run that this would be if it were submitted now."""
    now = house.now()
    return Run(
        id=NOBODY_YET, nonce="", spec=spec, state=Reason.SUBMITTED.state, reason=Reason.SUBMITTED, detail="", owner=who.person,
        place=Place(who.place.channel), parent_id=None, host=None, attempt=0, created_at=now, updated_at=now, priority=spec.turn.priority,
    )


def facts_now(db: Database) -> list[HostFacts]:
    """The hosts as the runner last wrote them down."""
    return [  # when a host was last seen decides nothing
        HostFacts(
            replace(host, seen_at=None), connected=not host.trouble, trouble=host.trouble,
            environments=hosts.environments(db, host=host.name),
        )
        for host in hosts.all_hosts(db)
    ]


def foreseen(house: House, db: Database, run: Run, facts: Sequence[HostFacts], *, approved: bool = False) -> Decision:
    """What is decided of a run as if it were prepared already, and ``approved`` where that is said."""
    needs = replace(all_kinds()[run.kind].needs(run), prepares=False)
    costs = "" if approved else unapproved(run, house.settings.queue, lambda: past_now(house).learned)
    awaited = runs.awaited(db, turn_of(run).after)
    return decide_pending(run, needs, facts, acting=False, now=house.now(), awaited=awaited, unapproved=costs)
