"""What people ask of schedules, and what the face carries out when one was due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from runner.entities import Place, Run
from runner.errors import RequestError
from runner.schedule_words import next_times, parse_timing, times_in_words
from runner.service.house import House, Requester, role_of
from runner.settings import Role
from runner.store import events, runs, schedules
from runner.store.schedules import Overlap, Schedule

__all__ = [
    "Overlap", "Schedule", "add", "all_schedules", "next_in_words", "pause", "ready_firings", "remove", "requester", "run_now",
    "skip_next", "take_firing",
]

SCHEDULE_DOOR = "schedule"
TERMINAL_PREFIX = "terminal:"
MAX_COMMAND_LETTERS = 2000


def add(
    house: House, who: Requester, *, words: str, command: str, overlap: Overlap = Overlap.SKIP, until: date | None = None
) -> tuple[Schedule, str]:
    """Keep a schedule that carries out ``command`` as the person; returns it with its next three times in words.

    ``until`` is its last day, in its zone. RequestError when the words are not understood, the command is empty or itself about
    schedules, or no time is left before its end.
    """
    who.must_be(Role.MEMBER, "add schedules")
    timing = parse_timing(words, zone=house.settings.zone)
    line = _checked_command(command)
    end = None if until is None else datetime.combine(until + timedelta(days=1), time(), ZoneInfo(timing.zone)).astimezone(UTC)
    if end and next_times(timing.cron, timing.zone, after=house.now(), count=1)[0] >= end:
        raise RequestError(f"{timing.words} does not come any more until {until:%-d %b %Y} ({timing.zone}). Name a later day.")
    with house.store.writing() as db:
        schedule = schedules.add(
            db, timing, command=line, owner=who.person, channel=who.place.channel, now=house.now(), overlap=overlap, until=end
        )
        _record(house, who, schedule, "added")
    return schedule, next_in_words(house, schedule)


def all_schedules(house: House) -> list[tuple[Schedule, str]]:
    """Every schedule with its next three times in words, oldest first."""
    return [(schedule, next_in_words(house, schedule)) for schedule in schedules.all_schedules(house.store.reading())]


def pause(house: House, who: Requester, schedule_id: str, *, paused: bool = True) -> Schedule:
    """Stop a schedule from firing, or let it fire again; what fell due while it was paused is passed over."""
    with house.store.writing() as db:
        schedule = _own(house, who, schedule_id, "pause" if paused else "resume")
        if schedule.paused != paused:
            schedules.pause(db, schedule.id, paused=paused)
            if not paused:
                _pass_over(house, schedule)
            _record(house, who, schedule, "paused" if paused else "resumed")
        return schedules.get(db, schedule.id)


def skip_next(house: House, who: Requester, schedule_id: str) -> tuple[Schedule, str]:
    """Pass over a schedule's next time, once; returns that time in words."""
    with house.store.writing() as db:
        schedule = _own(house, who, schedule_id, "skip a time of")
        if schedule.paused:
            raise RequestError(f"{schedule.id} is paused, so there is nothing to skip.")
        times = _next(house, schedule, count=1)
        if not times:
            raise RequestError(f"{schedule.id} has ended, so there is nothing to skip.")
        schedules.skip(db, schedule.id, times[0])
        _record(house, who, schedule, "skipped the next of")
        return schedules.get(db, schedule.id), times_in_words(times, now=house.now())


def run_now(house: House, who: Requester, schedule_id: str) -> Schedule:
    """Carry out a schedule's command now, as its owner, beside its times."""
    with house.store.writing() as db:
        schedule = _own(house, who, schedule_id, "run")
        schedules.fire_now(db, schedule.id, house.now())
        _record(house, who, schedule, "ran")
        return schedule


def remove(house: House, who: Requester, schedule_id: str) -> Schedule:
    """Forget a schedule."""
    with house.store.writing() as db:
        schedule = _own(house, who, schedule_id, "remove")
        schedules.remove(db, schedule.id)
        _record(house, who, schedule, "removed")
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
        going_on = runs.live_of_requests(house.store.reading(), _requests_of(schedule))
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


def requester(house: House, schedule: Schedule, due_at: datetime) -> Requester:
    """Who asks when a schedule fires: its owner, with the role they have now; the same firing always has the same request id."""
    role = Role.ADMIN if schedule.owner.startswith(TERMINAL_PREFIX) else role_of(house, schedule.owner, schedule.channel)
    request_id = f"{_requests_of(schedule)}{due_at.isoformat()}"
    return Requester(schedule.owner, role, SCHEDULE_DOOR, request_id, Place(channel=schedule.channel))


def _requests_of(schedule: Schedule) -> str:
    return f"{SCHEDULE_DOOR}:{schedule.id}:"


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


def _own(house: House, who: Requester, schedule_id: str, what: str) -> Schedule:
    wanted = schedule_id.strip().lower()
    schedule = schedules.get(house.store.reading(), wanted if wanted.startswith("s-") else f"s-{wanted}")
    if schedule.owner != who.person:
        who.must_be(Role.OPERATOR, f"{what} somebody else's schedule ({schedule.id} is {schedule.owner}'s)")
    return schedule


def _checked_command(command: str) -> str:
    line = command.strip()
    example = 'For example `schedule add "every day 02:30" run rtmdet-nano on fish`.'
    if not line:
        raise RequestError(f"A schedule needs a command to carry out. {example}")
    if len(line) > MAX_COMMAND_LETTERS:
        raise RequestError(f"The command has {len(line):,} letters; a schedule keeps at most {MAX_COMMAND_LETTERS:,}.")
    if line.split()[0].lower() == "schedule":
        raise RequestError(f"A schedule cannot change schedules. {example}")
    return line


def _pass_over(house: House, schedule: Schedule) -> None:
    """Note this moment as due and carried out, so that the runner looks for what is due after it."""
    now = house.now()
    with house.store.writing() as db:
        schedules.fire(db, schedule.id, now)
        schedules.take_firing(db, schedule.id, now, now=now)


def _record(house: House, who: Requester, schedule: Schedule, what: str) -> None:
    payload = {"schedule": schedule.id, "what": what, "words": schedule.words, "command": schedule.command}
    with house.store.writing() as db:
        events.record(db, "schedule", at=house.now(), actor=who.person, payload=payload)
