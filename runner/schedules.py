"""The clock of schedules: APScheduler wakes us when a row of the schedules table is due, and the table alone says what that means.

Nothing is kept in APScheduler beyond the process. An occurrence is fired by writing its row, once, in the transaction that records the
event; so a wake-up too many changes nothing, and one that was lost is made good by the next look at the table.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from runner.crash_points import crash_point
from runner.schedule_words import next_times, occurrences
from runner.store import events, schedules
from runner.store.connection import Store
from runner.store.schedules import Schedule

LOOK_EVERY_S = 5.0
_LOOK = "look at the table"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Due:
    """What a look at one schedule found: the occurrence to fire, how many older ones it stands for, and those that came too late."""

    fire: datetime | None = None
    skipped: int = 0
    missed: Sequence[datetime] = ()


def due(schedule: Schedule, *, now: datetime) -> Due:
    """Decide what a schedule owes at ``now``: the newest occurrence within its grace, once; older ones are missed."""
    if schedule.paused:
        return Due()
    found = []
    for moment in occurrences(schedule.cron, schedule.zone, after=schedule.last_due_at or schedule.created_at):
        if moment.astimezone(UTC) > now or (schedule.until is not None and moment.astimezone(UTC) >= schedule.until):
            break
        found.append(moment)
    missed = tuple(moment for moment in found if now - moment.astimezone(UTC) > schedule.grace)
    in_time = found[len(missed):]
    return Due(in_time[-1], len(in_time) - 1, missed) if in_time else Due(missed=missed)


def settle(store: Store, schedule_id: str, *, now: datetime) -> datetime | None:
    """Fire what a schedule owes and record what it missed, in one transaction; returns the occurrence that was fired.

    A schedule that was removed meanwhile owes nothing.
    """
    fired = None
    with store.writing() as db:
        schedule = schedules.BOOK.find(db, schedule_id)
        owed = due(schedule, now=now) if schedule else Due()
        if schedule and owed.missed:
            latest = owed.missed[-1]
            if schedules.fire(db, schedule.id, latest):
                schedules.take_firing(db, schedule.id, latest, now=now)
                late = {"count": len(owed.missed), "first_due_at": _text(owed.missed[0]), "grace_s": schedule.grace.total_seconds()}
                events.record(db, "schedule_missed", at=now, actor=schedule.owner, payload=_payload(schedule, latest) | late)
        if schedule and owed.fire and schedules.fire(db, schedule.id, owed.fire):
            payload = _payload(schedule, owed.fire) | {"skipped": owed.skipped}
            if owed.fire == schedule.skip_due_at:
                schedules.take_firing(db, schedule.id, owed.fire, now=now)
                events.record(db, "schedule_skipped", at=now, actor=schedule.owner, payload=payload | {"because": "It was asked to."})
            else:
                events.record(db, "schedule_fired", at=now, actor=schedule.owner, payload=payload)
                fired = owed.fire
    if fired:
        crash_point("runner.after_schedule_fired")
    return fired


class ScheduleEngine:
    """Fires schedules at their times until stopped; rows added, paused or removed count within a few seconds, or at ``look()``.

    ``fired`` is called with a schedule's id after its firing is in the database (to wake whoever carries it out).
    """

    def __init__(self, store: Store, *, now: Callable[[], datetime], fired: Callable[[str], None] = lambda _: None) -> None:
        self._store = store
        self._now = now
        self._fired = fired
        # One thread, so one database connection, and one look at a time. Lateness is judged by the table, not by APScheduler.
        self._scheduler = BackgroundScheduler(
            timezone=UTC, daemon=True, executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )

    def start(self) -> None:
        """Begin with a look at the table, which also settles what fell due while nobody looked."""
        self._scheduler.add_job(self._look, "interval", seconds=LOOK_EVERY_S, id=_LOOK, next_run_time=datetime.now(UTC))
        self._scheduler.start()

    def look(self) -> None:
        """Look at the table now: a row has changed."""
        with suppress(JobLookupError):
            self._scheduler.modify_job(_LOOK, next_run_time=datetime.now(UTC))

    def stop(self) -> None:
        """Stop firing; waits for the firing under way."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def _look(self) -> None:
        with self._connection():
            rows = [schedule for schedule in schedules.BOOK.all(self._store.reading()) if not schedule.paused]
            kept = {_LOOK, *(schedule.id for schedule in rows)}
            for job in self._scheduler.get_jobs():
                if job.id not in kept:
                    job.remove()
            for schedule in rows:
                self._settle_and_wait(schedule)

    def _settle_and_wait(self, schedule: Schedule) -> None:
        try:
            self._settle(schedule.id)
            if self._scheduler.get_job(schedule.id) is None:
                self._scheduler.add_job(self._wake, CronTrigger(schedule.cron, schedule.zone), args=[schedule.id], id=schedule.id)
        except Exception:  # one bad row must not stop the others
            log.exception("Schedule %s could not be settled; the next look tries again.", schedule.id)

    def _wake(self, schedule_id: str) -> None:
        with self._connection():
            self._settle(schedule_id)

    def _settle(self, schedule_id: str) -> None:
        if settle(self._store, schedule_id, now=self._now()):
            self._fired(schedule_id)

    @contextmanager
    def _connection(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._store.close()


class CronTrigger(BaseTrigger):  # type: ignore[misc]  # apscheduler has no types
    """The times of a cron line in a zone, as ``schedule_words.occurrences`` has them."""

    def __init__(self, cron: str, zone: str) -> None:
        self._cron = cron
        self._zone = zone

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """APScheduler's question: the first time later than the previous one and not before now."""
        after = previous_fire_time or now
        return next(iter(next_times(self._cron, self._zone, after=after, count=1)), None)


def _payload(schedule: Schedule, due_at: datetime) -> dict[str, object]:
    return {
        "schedule": schedule.id, "words": schedule.words, "command": schedule.command, "owner": schedule.owner,
        "channel": schedule.channel, "due_at": _text(due_at), "zone": schedule.zone,
    }


def _text(moment: datetime) -> str:
    return moment.isoformat()
