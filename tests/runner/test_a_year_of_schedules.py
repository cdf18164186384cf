"""A year in every zone whose clocks change: held against Debian cron's documented rules, and looked at as an engine looks.

cron(8) of Debian: jobs "that run at a specific time" whose time the clocks skip "will be run immediately"; those in an interval that
comes twice "aren't rerun"; jobs whose minute or hour begins with ``*`` "are scheduled normally", by the clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import takewhile
from zoneinfo import ZoneInfo, available_timezones

import pytest

from runner.schedule_words import occurrences
from runner.schedules import due
from runner.store.schedules import Schedule

pytestmark = pytest.mark.slow
YEAR, MINUTE = 2027, timedelta(minutes=1)
START, END = datetime(YEAR, 1, 1, 12, tzinfo=UTC), datetime(YEAR + 1, 1, 1, 12, tzinfo=UTC)
SPECIFIC = [(hour, minute) for hour in range(5) for minute in (0, 15, 30, 59)] + [(23, 30)]
BY_THE_CLOCK = ["*/20 * * * *", "5 * * * *", "*/7 1-3 * * *"]


@cache
def changes(zone: str) -> tuple[tuple[datetime, timedelta], ...]:
    """The minutes of the year at which a zone's clocks are set, with how far."""
    info, found, moment = ZoneInfo(zone), [], START

    def offset(at: datetime) -> timedelta:
        return at.astimezone(info).utcoffset() or timedelta()

    while moment < END:
        late = moment + timedelta(hours=12)
        if offset(moment) != offset(late):
            early = moment
            while late - early > MINUTE:
                middle = early + timedelta(minutes=(late - early) // MINUTE // 2)
                early, late = (middle, late) if offset(middle) == offset(early) else (early, middle)
            found.append((late, offset(late) - offset(early)))
        moment += timedelta(hours=12)
    return tuple(found)


def zones() -> list[str]:
    """One zone for each way in which clocks change."""
    of_way = {changes(zone): zone for zone in sorted(available_timezones(), reverse=True) if changes(zone)}
    return sorted(of_way.values())


def minutes_around(change: datetime) -> Iterator[datetime]:
    return (change + timedelta(minutes=each) for each in range(-36 * 60, 36 * 60))


def by_debians_rules(hour: int, minute: int, zone: str, change: datetime) -> list[datetime]:
    """When a job of a specific time runs around a change, minute by minute, by nothing but what is on the clock."""
    info, ran, seen = ZoneInfo(zone), [], set[date]()
    before: datetime | None = None
    for moment in minutes_around(change):
        wall = moment.astimezone(info).replace(tzinfo=None)
        skipped = (wall - before) // MINUTE - 1 if before is not None and wall > before else 0
        for shown in (wall - MINUTE * each for each in range(skipped, -1, -1)):
            if (shown.hour, shown.minute) == (hour, minute) and shown.date() not in seen:
                ran.append(moment)
                seen.add(shown.date())
        before = wall
    return ran


def of_ours(cron: str, zone: str, change: datetime) -> list[datetime]:
    first, last = change - timedelta(hours=36) - MINUTE, change + timedelta(hours=36)
    return [moment.astimezone(UTC) for moment in takewhile(lambda moment: moment < last, occurrences(cron, zone, after=first))]


def test_there_are_clock_changes_to_test() -> None:
    assert len(zones()) > 15
    assert {by for zone in zones() for _, by in changes(zone)} >= {timedelta(hours=1), timedelta(hours=-1), timedelta(minutes=30)}


@pytest.mark.parametrize("zone", zones())
def test_around_a_clock_change_times_are_those_of_debians_cron(zone: str) -> None:
    for change, by in changes(zone):
        for hour, minute in SPECIFIC:
            ours = of_ours(f"{minute} {hour} * * *", zone, change)
            assert ours == by_debians_rules(hour, minute, zone, change), (change, by, hour, minute)


@pytest.mark.parametrize("zone", zones())
def test_lines_with_a_star_follow_the_clock(zone: str) -> None:
    info = ZoneInfo(zone)
    for change, _ in changes(zone):
        for cron, due_at in zip(BY_THE_CLOCK, [
            lambda wall: wall.minute % 20 == 0, lambda wall: wall.minute == 5, lambda wall: wall.minute % 7 == 0 and 1 <= wall.hour <= 3,
        ], strict=True):
            wanted = [moment for moment in minutes_around(change) if due_at(moment.astimezone(info))]
            assert of_ours(cron, zone, change) == wanted, (change, cron)


@pytest.mark.parametrize("zone", zones())
def test_looking_now_and_then_for_a_year_fires_every_local_occurrence_once(zone: str) -> None:
    """Looks come every 5 h 7 min, as after restarts; what is due is fired once, none lost, none doubled."""
    for cron in ("30 2 * * *", "30 1,23 * * *", "0 0 * * 1"):
        wanted = [moment.astimezone(UTC) for moment in takewhile(lambda moment: moment <= END, occurrences(cron, zone, after=START))]
        schedule = Schedule("s-1", "", cron, zone, "ps", "U1", None, START, paused=False, last_due_at=None)
        fired, now = [], START
        while now < END:
            now = min(END, now + timedelta(hours=5, minutes=7))
            owed = due(schedule, now=now)
            assert not owed.missed
            if owed.fire:
                fired += [owed.fire.astimezone(UTC)] * (owed.skipped + 1)
                schedule = Schedule("s-1", "", cron, zone, "ps", "U1", None, START, paused=False, last_due_at=owed.fire)
        assert len(fired) == len(wanted)
        assert set(fired) <= set(wanted)
