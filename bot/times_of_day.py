"""Times of day and zones, as people type them."""

from __future__ import annotations

import difflib
import re
from datetime import time
from zoneinfo import available_timezones

import click

from runner.errors import RequestError

_TIME = re.compile(r"(?P<hour>[01]?\d|2[0-3])[:.](?P<minute>[0-5]\d)")
OFF = "off"


def time_of_day(text: str) -> time | None:
    """``08:30``; None for ``off``. RequestError for anything else."""
    if text.lower() == OFF:
        return None
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise RequestError(f"{text!r} is no time of day; write 08:30 or 22:00, or off.")
    return time(int(found["hour"]), int(found["minute"]))


def span_of_day(text: str) -> tuple[time, time] | None:
    """``22:00-07:00``; None for ``off``. RequestError for anything else, and for hours that never end."""
    if text.lower() == OFF:
        return None
    begin, dash, end = re.sub("[\u2010-\u2015]", "-", text).partition("-")
    if not dash:
        raise RequestError(f"{text!r} is no span of hours; write 22:00-07:00, or off.")
    first, last = time_of_day(begin), time_of_day(end)
    if first is None or last is None or first == last:
        raise RequestError(f"{text!r} is no span of hours that begins and ends; write 22:00-07:00, or off.")
    return first, last


def known_zone(_context: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """The name of a time zone, in whatever case."""
    if value is None:
        return None
    names = {name.lower(): name for name in available_timezones()}
    if value.lower() not in names:
        near = difflib.get_close_matches(value.lower(), names, n=1)
        meant = f" Did you mean {names[near[0]]}?" if near else ""
        raise click.BadParameter(f"{value!r} is no time zone; names look like Europe/Berlin.{meant}", param=param)
    return names[value.lower()]
