"""What people ask of schedules, and what the face carries out when one was due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from runner.entities import Run
from runner.errors import RequestError
from runner.schedule_words import next_times, parse_timing, times_in_words
from runner.service import standing_orders
from runner.service.house import House, Requester
from runner.service.standing_orders import SCHEDULES
from runner.settings import Role
from runner.store import events, runs, schedules
from runner.store.schedules import GRACE, Overlap, Schedule

__all__ = [
    "GRACE", "Overlap", "Schedule", "add", "all_schedules", "next_in_words", "ready_firings", "resume", "run_now", "skip_next",
    "take_firing",
]


def add(
    house: House, who: Requester, *, words: str, command: str, overlap: Overlap = Overlap.SKIP, until: date | None = None,
    grace: timedelta = GRACE,
) -> tuple[Schedule, str]:
    """Keep a schedule that carries out ``command`` as the person; returns it with its next three times in words.

    ``until`` is its last day, in its zone; ``grace`` how late a time may still be carried out. RequestError when the words are not
    understood, the command is empty or itself about schedules, or no time is left before its end.
    """
    who.must_be(Role.MEMBER, "add schedules")
    timing = parse_timing(words, zone=house.settings.zone)
    line = standing_orders.checked(SCHEDULES, command, example='"every day 02:30" run rtmdet-nano on fish')
    end = None if until is None else datetime.combine(until + timedelta(days=1), time(), ZoneInfo(timing.zone)).astimezone(UTC)
    if end and next_times(timing.cron, timing.zone, after=house.now(), count=1)[0] >= end:
        raise RequestError(f"{timing.words} does not come any more until {until:%-d %b %Y} ({timing.zone}). Name a later day.")
    with house.store.writing() as db:
        schedule = Schedule(
            SCHEDULES.new_id(), timing.words, timing.cron, timing.zone, line, who.person, who.place.channel, house.now(), overlap=overlap,
            until=end, grace=grace,
        )
        schedules.add(db, schedule)
        standing_orders.record(house, who, SCHEDULES, schedule, "added")
    return schedule, next_in_words(house, schedule)


def all_schedules(house: House) -> list[tuple[Schedule, str]]:
    """Every schedule with its next three times in words, oldest first."""
    return [(schedule, next_in_words(house, schedule)) for schedule in SCHEDULES.all(house.store.reading())]


def resume(house: House, who: Requester, schedule_id: str) -> Schedule:
    """Let a paused schedule fire again; what fell due while it was paused is passed over."""
    with house.store.writing() as db:
        before = standing_orders.own(house, who, SCHEDULES, schedule_id, "resume")
        if before.paused:
            schedules.pass_over(db, before.id, until=house.now())
        return standing_orders.pause(house, who, SCHEDULES, before.id, paused=False)


def skip_next(house: House, who: Requester, schedule_id: str) -> tuple[Schedule, str]:
    """Pass over a schedule's next time, once; returns that time in words."""
    with house.store.writing() as db:
        schedule = standing_orders.own(house, who, SCHEDULES, schedule_id, "skip a time of")
        if schedule.paused:
            raise RequestError(f"{schedule.id} is paused, so there is nothing to skip.")
        times = _next(house, schedule, count=1)
        if not times:
            raise RequestError(f"{schedule.id} has ended, so there is nothing to skip.")
        schedules.skip(db, schedule.id, times[0])
        standing_orders.record(house, who, SCHEDULES, schedule, "skipped the next of")
        return SCHEDULES.get(db, schedule.id), times_in_words(times, now=house.now())


def run_now(house: House, who: Requester, schedule_id: str) -> Schedule:
    """Carry out a schedule's command now, as its owner, beside its times."""
    with house.store.writing() as db:
        schedule = standing_orders.own(house, who, SCHEDULES, schedule_id, "run")
        schedules.fire_now(db, schedule.id, house.now())
        standing_orders.record(house, who, SCHEDULES, schedule, "ran")
        return schedule


def next_in_words(house: House, schedule: Schedule, *, count: int = 3) -> str:
    """``tomorrow (Sun 22 Nov) 02:30 CET, Mon 23 Nov 02:30 CET, …``, and which one is passed over; for a paused one, that it is paused."""
    if schedule.paused:
        return f"paused; `schedule resume {schedule.id}` lets it fire again"
    times = _next(house, schedule, count=count)
    words = times_in_words(times, now=house.now()) if times else "it has ended"
    skips = schedule.skip_due_at and schedule.skip_due_at > house.now() and schedule.skip_due_at.astimezone(ZoneInfo(schedule.zone))
    return f"{words}; passes over {times_in_words([skips], now=house.now())}" if skips else words


def ready_firings(house: House) -> list[tuple[Schedule, datetime]]:
    """Firings whose command the face has now to carry out, oldest first.

    While runs of an earlier time go on, the schedule's overlap decides: this time is passed over, or waits for them (only the newest
    does), or waits for them to be stopped.
    """
    found: dict[str, list[tuple[Schedule, datetime]]] = {}
    for schedule, due_at in schedules.untaken_firings(house.store.reading()):
        found.setdefault(schedule.id, []).append((schedule, due_at))
    ready = []
    for firings in found.values():
        schedule, newest = firings[-1]
        going_on = runs.live_of_requests(house.store.reading(), standing_orders.requests_of(SCHEDULES, schedule))
        if not going_on:
            ready += firings[:1]  # the next one looks again: what this one starts goes on then
        elif schedule.overlap is Overlap.SKIP:
            _pass_over_for(house, schedule, [due_at for _, due_at in firings], going_on)
        else:
            _pass_over_for(house, schedule, [due_at for _, due_at in firings if due_at != newest], going_on)
            if schedule.overlap is Overlap.REPLACE:
                _replace(house, schedule, going_on)
    return sorted(ready, key=lambda firing: firing[1])


def take_firing(house: House, schedule: Schedule, due_at: datetime) -> None:
    """Note that a firing's command was carried out. Inside the transaction that carries it out, it happens once."""
    with house.store.writing() as db:
        schedules.take_firing(db, schedule.id, due_at, now=house.now())


def _next(house: House, schedule: Schedule, *, count: int) -> list[datetime]:
    """Its next times, without the one to skip and those after its end."""
    times = next_times(schedule.cron, schedule.zone, after=house.now(), count=count + 1)
    return [each for each in times if each != schedule.skip_due_at and (schedule.until is None or each < schedule.until)][:count]


def _pass_over_for(house: House, schedule: Schedule, times: Sequence[datetime], going_on: Sequence[Run]) -> None:
    names = ", ".join(run.id for run in going_on[:4])
    for due_at in times:
        with house.store.writing() as db:
            schedules.take_firing(db, schedule.id, due_at, now=house.now())
            payload = {
                "schedule": schedule.id, "command": schedule.command, "channel": schedule.channel, "due_at": due_at.isoformat(),
                "zone": schedule.zone, "because": f"{names} of an earlier time still goes on.",
            }
            events.record(db, "schedule_skipped", at=house.now(), actor=schedule.owner, payload=payload)


def _replace(house: House, schedule: Schedule, going_on: Sequence[Run]) -> None:
    for run in going_on:
        if run.stop_requested_by is None:
            with house.store.writing() as db:
                runs.request_stop(db, run, by=schedule.owner, now=house.now())
