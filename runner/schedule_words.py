"""When a schedule is due: from words or a POSIX cron line to times, and from times to words.

The times are cronsim's, which keeps Debian cron's rules across daylight saving (cron(8), Debian 3.0pl1): a time that the clocks skip
runs right after the gap, a time that comes twice runs once, and lines whose minute or hour begins with ``*`` follow the clock.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from runner.errors import RequestError

MAX_LETTERS = 200
EXAMPLES = (
    "every day 02:30", "every weekday 02:30 Europe/Berlin", "every monday and thursday 06:00", "first monday 06:00", "last friday 18:00",
    "every 6h", "hourly", "30 2 * * 1-5 Europe/Berlin",
)
_DAYS = {"sunday": 0, "monday": 1, "tuesday": 2, "wednesday": 3, "thursday": 4, "friday": 5, "saturday": 6}
_SHORT_DAYS = {"tues": 2, "thur": 4, "thurs": 4} | {name[:3]: number for name, number in _DAYS.items()}
_SETS = {
    "day": "*", "days": "*", "daily": "*", "night": "*", "nights": "*", "nightly": "*",
    "weekday": "1-5", "weekdays": "1-5", "weekend": "6,0", "weekends": "6,0",
}
_ORDINALS = {"first": "#1", "1st": "#1", "second": "#2", "2nd": "#2", "third": "#3", "3rd": "#3", "fourth": "#4", "4th": "#4", "last": "L"}
_FILLERS = frozenset({"every", "each", "at", "on", "the", "of", "month", "and", ","})
_NAMED_TIMES = {"noon": (12, 0), "midnight": (0, 0)}
_TIME = re.compile(r"(\d{1,2}):(\d\d)(am|pm)?|(\d{1,2})(am|pm)")
_INTERVAL = re.compile(r"(\d{1,4})?(h|hours?|hourly|m|mins?|minutes?)")
_CRON_FIELD = re.compile(r"[\d*][\d*/,-]*")
_ZONE = re.compile(r"[A-Za-z]+([/_+-][A-Za-z0-9_+-]+)*")


@dataclass(frozen=True, slots=True)
class Timing:
    """The times of a POSIX cron line in a named zone. ``words`` are what the person typed."""

    words: str
    cron: str
    zone: str


def parse_timing(text: str, *, zone: str) -> Timing:
    """Understand ``every weekday 02:30 Europe/Berlin`` or ``30 2 * * 1-5``; ``zone`` serves where the text names none.

    RequestError names what was not understood and shows lines that are.
    """
    words = " ".join(text.split())
    if not words or len(words) > MAX_LETTERS:
        raise _not_understood(f"A schedule needs its times in 1 to {MAX_LETTERS} letters; you gave {len(words)}.")
    tokens = words.split(" ")
    is_cron = len(tokens) > 1 and all(_CRON_FIELD.fullmatch(token) for token in tokens[:2])
    named = tokens[5] if is_cron and len(tokens) == 6 else None if is_cron else _trailing_zone(tokens)
    if named is not None:
        zone = _zone(named)
        tokens = tokens[:-1]
    cron = " ".join(tokens).upper() if is_cron else _cron_from_words(words, tokens)
    _check_cron(cron, zone, words)
    return Timing(words, cron, zone)


def occurrences(cron: str, zone: str, *, after: datetime) -> Iterator[datetime]:
    """Every time a cron line is due, strictly later than ``after``, in the zone; each exactly once and in order."""
    latest = after
    for moment in CronSim(cron, after.astimezone(ZoneInfo(zone))):
        if moment.astimezone(UTC) > latest.astimezone(UTC):  # inside a repeated hour cronsim begins with its first pass
            latest = moment
            yield moment


def next_times(cron: str, zone: str, *, after: datetime, count: int = 3) -> list[datetime]:
    """The next times a cron line is due, in its zone."""
    return list(islice(occurrences(cron, zone, after=after), count))


def times_in_words(moments: Sequence[datetime], *, now: datetime) -> str:
    """``tomorrow (Sun 22 Nov) 02:30 CET, Mon 23 Nov 02:30 CET``; each time in its own zone."""
    return ", ".join(_in_words(moment, now.astimezone(moment.tzinfo)) for moment in moments)


def _in_words(moment: datetime, now: datetime) -> str:
    year = "" if moment.year == now.year else f" {moment.year}"
    day = f"{moment:%a} {moment.day} {moment:%b}{year}"
    if moment.date() == now.date():
        day = f"today ({day})"
    elif moment.date() == now.date() + timedelta(days=1):
        day = f"tomorrow ({day})"
    return f"{day} {moment:%H:%M} {moment.tzname()}"


def _cron_from_words(words: str, tokens: Sequence[str]) -> str:
    joined = re.sub(r"(\d)\s+(am|pm)\b", r"\1\2", " ".join(tokens).lower().replace(",", " , "))
    kept = [token for token in joined.split() if token not in _FILLERS]
    if joined == "every hour":
        return "0 * * * *"
    interval = _INTERVAL.fullmatch("".join(kept))
    if interval:
        return _interval(words, int(interval[1] or 1), hours=interval[2].startswith("h"))
    times = [token for token in kept if token in _NAMED_TIMES or _TIME.fullmatch(token)]
    days = [token for token in kept if token not in times]
    if len(times) != 1:
        raise _not_understood(f"“{words}” names {'no time of day' if not times else 'more than one time of day'}.", unknown=days)
    hour, minute = _time_of_day(words, times[0])
    return f"{minute} {hour} * * {_days(words, days)}"


def _interval(words: str, every: int, *, hours: bool) -> str:
    whole, unit, of = (24, "hours", "a day") if hours else (60, "minutes", "an hour")
    if every == 0 or whole % every:
        valid = ", ".join(str(number) for number in range(1, whole + 1) if whole % number == 0)
        raise _not_understood(f"“{words}” does not divide {of} evenly; {unit} can be {valid}.")
    if every == whole:
        return "0 0 * * *" if hours else "0 * * * *"
    step = "*" if every == 1 else f"*/{every}"
    return f"0 {step} * * *" if hours else f"{step} * * * *"


def _time_of_day(words: str, token: str) -> tuple[int, int]:
    if token in _NAMED_TIMES:
        return _NAMED_TIMES[token]
    found = _TIME.fullmatch(token)
    assert found is not None  # the caller chose it by this pattern
    hour, minute, half = int(found[1] or found[4]), int(found[2] or 0), found[3] or found[5]
    if half and 1 <= hour <= 12:
        hour = hour % 12 + (12 if half == "pm" else 0)
    elif half:
        hour = 24
    if hour > 23 or minute > 59:
        raise _not_understood(f"{token} in “{words}” is no time of day; times go from 00:00 to 23:59.")
    return hour, minute


def _days(words: str, tokens: Sequence[str]) -> str:
    if len(tokens) == 1 and tokens[0] in _SETS:
        return _SETS[tokens[0]]
    if len(tokens) == 2 and tokens[0] in _ORDINALS and _weekday(tokens[1]) is not None:
        return f"{_weekday(tokens[1])}{_ORDINALS[tokens[0]]}"
    numbers = [_weekday(token) for token in tokens]
    if not tokens:
        raise _not_understood(f"“{words}” names no day.")
    if None in numbers:
        raise _not_understood(f"“{words}” is not understood.", unknown=[token for token in tokens if _weekday(token) is None])
    return ",".join(str(number) for number in numbers)


def _weekday(token: str) -> int | None:
    singular = token.removesuffix("s") if token not in _SHORT_DAYS else token
    return _DAYS.get(singular, _SHORT_DAYS.get(token))


def _trailing_zone(tokens: Sequence[str]) -> str | None:
    last = tokens[-1]
    known = last.lower() in _zones()
    return last if known or ("/" in last and _ZONE.fullmatch(last)) else None


@lru_cache(maxsize=1)
def _zones() -> dict[str, str]:
    return {name.lower(): name for name in available_timezones()}


def _zone(text: str) -> str:
    found = _zones().get(text.lower())
    if found is None:
        near = difflib.get_close_matches(text.lower(), _zones(), n=1)
        hint = f"Did you mean {_zones()[near[0]]}?" if near else "Names look like Europe/Berlin."
        raise _not_understood(f"There is no time zone {text!r}. {hint}")
    return found


def _check_cron(cron: str, zone: str, words: str) -> None:
    fields = cron.split()
    if len(fields) != 5:
        raise _not_understood(f"A cron line has five fields (minute hour day month weekday); “{words}” has {len(fields)}.")
    try:
        found = next_times(cron, zone, after=datetime(2000, 1, 1, tzinfo=UTC), count=1)
    except CronSimError as error:
        raise _not_understood(f"“{words}” is no cron line: {str(error)[:1].lower()}{str(error)[1:]}.") from error
    if not found:
        raise _not_understood(f"“{words}” never comes.")


def _not_understood(what: str, *, unknown: Sequence[str] = ()) -> RequestError:
    known = [*_DAYS, *_SETS, *_ORDINALS]
    unclear = [token for token in unknown if token not in known]
    near = [match for token in unclear for match in difflib.get_close_matches(token, known, n=1)]
    named = f" I do not know {', '.join(repr(token) for token in unclear)}." if unclear else ""
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    return RequestError(f"{what}{named}{hint} Lines that work: {' · '.join(f'`{line}`' for line in EXAMPLES)}")
