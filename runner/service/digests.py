"""What happened in a while, for a place: what ran, what came out, how many GPU-hours it took, what failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from runner.entities import Run
from runner.service.house import House
from runner.service.outbox import NewDelivery, add
from runner.service.subscriptions import Hours, wanted_by
from runner.specs import Kind
from runner.states import State
from runner.store import past_runs, progress, runs, subscriptions, usage

SPAN = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Measured:
    """A training with its best mAP, and the best that its preset had on that dataset before."""

    run: Run
    ap: float
    before: float | None


@dataclass(frozen=True, slots=True)
class Digest:
    """``ended`` and ``running`` runs of the span, and what they took of the GPUs in it."""

    since: datetime
    until: datetime
    ended: Sequence[Run]
    running: Sequence[Run]
    measured: Sequence[Measured]
    gpu_hours: float

    @property
    def failed(self) -> Sequence[Run]:
        """Those that failed."""
        return [run for run in self.ended if run.state is State.FAILED]


def digest(house: House, place: str, *, until: datetime) -> Digest:
    """The last day of a place: the runs that report there or are asked for by that person, and those that they subscribed to."""
    since, db = until - SPAN, house.store.reading()
    seen = [run for run in runs.between(db, since, until) if place in (run.place.channel, run.owner) or wanted_by(house, run).get(place)]
    ended = [run for run in seen if run.ended_at is not None and run.ended_at <= until]
    measured = [found for run in ended if run.kind is Kind.TRAIN and (found := _measured(house, run)) is not None]
    return Digest(
        since, until, ended, [run for run in seen if run.state is State.RUNNING], measured,
        usage.gpu_seconds(db, [run.id for run in seen], since=since, until=until) / 3600,
    )


def owe_due(house: House, body: Callable[[Digest, Hours], Mapping[str, object] | None]) -> int:
    """Owe every place its digest whose time has come, once a day; ``body`` None: there is nothing to say. Returns how many were due."""
    now, due = house.now(), [hours for hours in subscriptions.hours(house.store.reading()).values() if hours.digest_due(house.now())]
    for hours in due:
        today = now.astimezone(ZoneInfo(hours.zone)).date()
        told = body(digest(house, hours.place, until=now), hours)
        with house.store.writing() as db:
            subscriptions.put_hours(db, replace(hours, digest_on=today))
            if told is not None:
                add(house, NewDelivery(f"digest:{hours.place}:{today}", hours.place, "text", told))
    return len(due)


def _measured(house: House, run: Run) -> Measured | None:
    db = house.store.reading()
    ap = progress.best_ap(db, [run.id])
    if ap is None:
        return None
    return Measured(run, ap, progress.best_ap(db, past_runs.alike(db, run)))
