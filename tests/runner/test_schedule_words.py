"""Words to cron lines, cron lines to times, times to words."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import RequestError
from runner.schedule_words import EXAMPLES, next_times, occurrences, parse_timing, times_in_words

NOW = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)  # a Saturday

UNDERSTOOD = [
    ("every day 02:30", "30 2 * * *", "UTC"),
    ("daily at 2:30", "30 2 * * *", "UTC"),
    ("nightly 02:30", "30 2 * * *", "UTC"),
    ("every day at noon", "0 12 * * *", "UTC"),
    ("every day at 6pm", "0 18 * * *", "UTC"),
    ("every day at 12:15 am", "15 0 * * *", "UTC"),
    ("Every  Weekday 02:30 europe/berlin", "30 2 * * 1-5", "Europe/Berlin"),
    ("weekends 09:00 UTC", "0 9 * * 6,0", "UTC"),
    ("every monday 06:00", "0 6 * * 1", "UTC"),
    ("sundays 23:59", "59 23 * * 0", "UTC"),
    ("every mon, wed and fri at 06:00", "0 6 * * 1,3,5", "UTC"),
    ("thurs 06:00", "0 6 * * 4", "UTC"),
    ("first monday 06:00", "0 6 * * 1#1", "UTC"),
    ("the 3rd tuesday of the month at 06:00 America/New_York", "0 6 * * 2#3", "America/New_York"),
    ("last friday of the month 18:00", "0 18 * * 5L", "UTC"),
    ("every 6h", "0 */6 * * *", "UTC"),
    ("every 6 hours Europe/Berlin", "0 */6 * * *", "Europe/Berlin"),
    ("every 24 hours", "0 0 * * *", "UTC"),
    ("every 15 minutes", "*/15 * * * *", "UTC"),
    ("every 60m", "0 * * * *", "UTC"),
    ("every minute", "* * * * *", "UTC"),
    ("hourly", "0 * * * *", "UTC"),
    ("every hour", "0 * * * *", "UTC"),
    ("30 2 * * 1-5", "30 2 * * 1-5", "UTC"),
    ("*/10 2-4 1,15 * mon Asia/Tokyo", "*/10 2-4 1,15 * MON", "Asia/Tokyo"),
]


@pytest.mark.parametrize(("text", "cron", "zone"), UNDERSTOOD)
def test_words_become_a_cron_line_in_a_zone(text: str, cron: str, zone: str) -> None:
    timing = parse_timing(text, zone="UTC")

    assert (timing.cron, timing.zone) == (cron, zone)
    assert timing.words == " ".join(text.split())


def test_the_zone_of_the_installation_serves_where_none_is_named() -> None:
    assert parse_timing("every day 02:30", zone="Asia/Kathmandu").zone == "Asia/Kathmandu"


@pytest.mark.parametrize("line", EXAMPLES)
def test_the_lines_that_errors_show_are_understood(line: str) -> None:
    assert parse_timing(line, zone="UTC")


REFUSED = [
    ("", "1 to 200 letters"),
    ("x" * 201, "1 to 200 letters"),
    ("every day", "names no time of day"),
    ("02:30", "names no day"),
    ("every day 25:00", "25:00"),
    ("every day 02:61", "02:61"),
    ("every day 13pm", "13pm"),
    ("every day 02:30 14:30", "more than one time of day"),
    ("every mondey 06:00", "Did you mean monday?"),
    ("every fortnight 06:00", "I do not know 'fortnight'"),
    ("every 7h", "does not divide a day evenly"),
    ("every 0h", "does not divide a day evenly"),
    ("every 25 minutes", "does not divide an hour evenly"),
    ("every day 02:30 Europe/Berln", "Did you mean Europe/Berlin?"),
    ("every day 02:30 Nowhere/Land", "no time zone 'Nowhere/Land'"),
    ("61 2 * * *", "bad minute"),
    ("0 2 * *", "five fields"),
    ("0 2 * * * *", "no time zone '*'"),
    ("0 0 31 2 *", "bad day-of-month"),
    ("0 0 * * 1#9", "bad day-of-week"),
    ("monday first 06:00", "is not understood"),
    ("tomorrow 06:00", "I do not know 'tomorrow'"),
]


@pytest.mark.parametrize(("text", "says"), REFUSED)
def test_what_is_not_understood_is_named_and_lines_that_work_are_shown(text: str, says: str) -> None:
    with pytest.raises(RequestError, match=re.escape(says)) as refusal:
        parse_timing(text, zone="UTC")

    assert "`every day 02:30`" in str(refusal.value)


PIECES = ["every", "day", "monday", "first", "last", "6h", "02:30", "*", "*/5", "1-5", "0", "L", "#", "9pm", "UTC"]


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES)).map(" ".join)))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        timing = parse_timing(text, zone="Europe/Berlin")
    except RequestError:
        return
    assert next_times(timing.cron, timing.zone, after=NOW, count=1)


def _local(moments: list[datetime]) -> list[str]:
    return [f"{moment:%a %d %b %H:%M %Z}" for moment in moments]


def test_a_time_that_the_clocks_skip_comes_right_after_the_gap() -> None:
    start = datetime(2027, 3, 27, 12, tzinfo=UTC)

    times = next_times("30 2 * * *", "Europe/Berlin", after=start)

    assert _local(times) == ["Sun 28 Mar 03:00 CEST", "Mon 29 Mar 02:30 CEST", "Tue 30 Mar 02:30 CEST"]


def test_a_time_that_comes_twice_counts_once() -> None:
    start = datetime(2027, 10, 30, 12, tzinfo=UTC)

    times = next_times("30 2 * * *", "Europe/Berlin", after=start)

    assert _local(times) == ["Sun 31 Oct 02:30 CEST", "Mon 01 Nov 02:30 CET", "Tue 02 Nov 02:30 CET"]


def test_between_the_two_passes_of_an_hour_the_next_time_is_tomorrow() -> None:
    second_pass = datetime(2027, 10, 31, 1, 15, tzinfo=UTC)  # 02:15 CET, after 02:30 CEST has been

    assert _local(next_times("30 2 * * *", "Europe/Berlin", after=second_pass, count=1)) == ["Mon 01 Nov 02:30 CET"]


def test_sunday_is_zero_and_seven_as_posix_has_it() -> None:
    assert next_times("0 3 * * 1", "UTC", after=NOW, count=1)[0].strftime("%A") == "Monday"
    assert next_times("0 3 * * 0", "UTC", after=NOW) == next_times("0 3 * * 7", "UTC", after=NOW)


ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu"]
LINES = ["30 2 * * *", "0 2,3 * * *", "*/20 * * * *", "0 */6 * * *", "15 0 * * 0", "30 1-3 * * *", "0 0 1 * *"]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("cron", LINES)
def test_beginning_anywhere_gives_the_same_times_as_never_stopping(zone: str, cron: str) -> None:
    """A restart at any moment neither loses nor doubles an occurrence, clock changes included."""
    starts = [datetime(2027, month, 1, tzinfo=UTC) for month in (3, 4, 9, 10, 11)]
    for start in starts:
        end = start + timedelta(days=10 if cron.startswith("*/") else 33)
        unbroken = list(takewhile(lambda moment, end=end: moment < end, occurrences(cron, zone, after=start)))
        stepped, latest = [], start
        while (latest := next(occurrences(cron, zone, after=latest))) < end:
            stepped.append(latest)
        assert stepped == unbroken
        instants = [moment.astimezone(UTC) for moment in unbroken]
        assert instants == sorted(set(instants))


def test_a_daily_line_comes_once_on_every_local_day_of_a_year() -> None:
    for zone in ZONES:
        start = datetime(2026, 12, 31, 12, tzinfo=ZoneInfo(zone))
        days = [moment.date() for moment in next_times("30 2 * * *", zone, after=start, count=365)]
        assert len(set(days)) == 365, zone
        assert days[-1] - days[0] == timedelta(days=364), zone


def test_times_in_words_name_the_day_and_the_zone() -> None:
    times = next_times("30 2 * * *", "Europe/Berlin", after=NOW)

    assert times_in_words(times, now=NOW) == "tomorrow (Sun 22 Nov) 02:30 CET, Mon 23 Nov 02:30 CET, Tue 24 Nov 02:30 CET"


def test_today_and_another_year_are_said() -> None:
    assert times_in_words(next_times("0 6 * * *", "UTC", after=NOW, count=1), now=NOW) == "today (Sat 21 Nov) 06:00 UTC"
    assert times_in_words(next_times("0 6 1 2 *", "UTC", after=NOW, count=1), now=NOW) == "Mon 1 Feb 2027 06:00 UTC"


def test_today_is_the_day_in_the_zone_of_the_schedule() -> None:
    late = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)  # already the 22nd in Berlin

    assert times_in_words(next_times("30 2 * * *", "Europe/Berlin", after=late, count=1), now=late).startswith("today (Sun 22 Nov)")
