"""What people ask of schedules, and what the face carries out when one was due."""

from __future__ import annotations

from datetime import datetime

from runner.entities import Place
from runner.errors import RequestError
from runner.schedule_words import next_times, parse_timing, times_in_words
from runner.service.house import House, Requester, role_of
from runner.settings import Role
from runner.store import events, schedules
from runner.store.schedules import Schedule

__all__ = [
    "Schedule", "add", "all_schedules", "next_in_words", "pause", "remove", "requester", "take_firing", "untaken_firings",
]

SCHEDULE_DOOR = "schedule"
TERMINAL_PREFIX = "terminal:"
MAX_COMMAND_LETTERS = 2000


def add(house: House, who: Requester, *, words: str, command: str) -> tuple[Schedule, str]:
    """Keep a schedule that carries out ``command`` as the person; returns it with its next three times in words.

    RequestError when the words are not understood or the command is empty or itself about schedules.
    """
    who.must_be(Role.MEMBER, "add schedules")
    timing = parse_timing(words, zone=house.settings.zone)
    line = _checked_command(command)
    with house.store.writing() as db:
        schedule = schedules.add(
            db, words=timing.words, cron=timing.cron, zone=timing.zone, command=line, owner=who.person,
            channel=who.place.channel, now=house.now(),
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


def remove(house: House, who: Requester, schedule_id: str) -> Schedule:
    """Forget a schedule."""
    with house.store.writing() as db:
        schedule = _own(house, who, schedule_id, "remove")
        schedules.remove(db, schedule.id)
        _record(house, who, schedule, "removed")
        return schedule


def next_in_words(house: House, schedule: Schedule, *, count: int = 3) -> str:
    """``tomorrow (Sun 22 Nov) 02:30 CET, Mon 23 Nov 02:30 CET, …``; for a paused one, that it is paused."""
    if schedule.paused:
        return f"paused; `schedule resume {schedule.id}` lets it fire again"
    now = house.now()
    return times_in_words(next_times(schedule.cron, schedule.zone, after=now, count=count), now=now)


def untaken_firings(house: House) -> list[tuple[Schedule, datetime]]:
    """Firings whose command the face has still to carry out, oldest first."""
    return schedules.untaken_firings(house.store.reading())


def take_firing(house: House, schedule: Schedule, due_at: datetime) -> None:
    """Note that a firing's command was carried out. Inside the transaction that carries it out, it happens once."""
    with house.store.writing() as db:
        schedules.take_firing(db, schedule.id, due_at, now=house.now())


def requester(house: House, schedule: Schedule, due_at: datetime) -> Requester:
    """Who asks when a schedule fires: its owner, with the role they have now; the same firing always has the same request id."""
    role = Role.ADMIN if schedule.owner.startswith(TERMINAL_PREFIX) else role_of(house, schedule.owner, schedule.channel)
    request_id = f"{SCHEDULE_DOOR}:{schedule.id}:{due_at.isoformat()}"
    return Requester(schedule.owner, role, SCHEDULE_DOOR, request_id, Place(channel=schedule.channel))


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
