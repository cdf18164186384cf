"""Times that come again (nights, weekends, the first of a month), as Alertmanager 0.25 writes and means them (timeinterval.go)."""

from __future__ import annotations

import calendar
import re
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

_CLOCK = re.compile(r"(?:([01]\d|2[0-3]):([0-5]\d))|24:00")
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS = ("", *(calendar.month_name[month].lower() for month in range(1, 13)))
_END_OF_DAY = 24 * 60


def _minute(text: Any) -> int:
    match = _CLOCK.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{str(text)[:20]!r} is no time of day; write '08:30' in quotes, at most '24:00'")
    return int(match[1]) * 60 + int(match[2]) if match[1] else _END_OF_DAY


def _ordinal(text: str, names: tuple[str, ...], least: int, most: int) -> int:
    word = text.strip().lower()
    number = names.index(word) if word in names and word else int(word) if re.fullmatch(r"-?\d{1,4}", word) else None
    if number is None or not least <= number <= most or number == 0 > least:
        raise ValueError(f"{text[:20]!r} is none of {least} to {most}{f' or {names[1]} to {names[-1]}' if names else ''}")
    return number


def _bounds(value: Any, names: tuple[str, ...], least: int, most: int) -> tuple[int, int]:
    first, colon, last = str(value).partition(":")
    begin = _ordinal(first, names, least, most)
    end = _ordinal(last, names, least, most) if colon else begin
    if begin > end and (begin > 0) == (end > 0):
        raise ValueError(f"{str(value)[:40]!r} ends before it begins")
    return begin, end


Minute = Annotated[int, BeforeValidator(_minute)]
Weekdays = Annotated[tuple[int, int], BeforeValidator(lambda value: _bounds(value, _DAYS, 0, 6))]
DaysOfMonth = Annotated[tuple[int, int], BeforeValidator(lambda value: _bounds(value, (), -31, 31))]
Months = Annotated[tuple[int, int], BeforeValidator(lambda value: _bounds(value, _MONTHS, 1, 12))]
Years = Annotated[tuple[int, int], BeforeValidator(lambda value: _bounds(value, (), 1970, 9999))]


class Times(BaseModel):
    """From ``start_time`` up to, not with, ``end_time`` of one day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_time: Minute
    end_time: Minute

    @field_validator("end_time")
    @classmethod
    def _after_start(cls, end: int, info: Any) -> int:
        if end <= info.data.get("start_time", -1):
            raise ValueError("it is not after start_time; what goes past midnight is written as two")
        return end


class TimeInterval(BaseModel):
    """All of what is given must hold; of each, one of the ranges. ``location`` names the zone, UTC where it is left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    times: tuple[Times, ...] = ()
    weekdays: tuple[Weekdays, ...] = ()
    days_of_month: tuple[DaysOfMonth, ...] = ()
    months: tuple[Months, ...] = ()
    years: tuple[Years, ...] = ()
    location: str = "UTC"

    @field_validator("location")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        if name not in available_timezones():
            raise ValueError(f"{name!r} is no time zone; names look like Europe/Berlin")
        return name

    def contains(self, moment: datetime) -> bool:
        """Whether a moment lies in it."""
        local = moment.astimezone(ZoneInfo(self.location))
        minute, weekday = local.hour * 60 + local.minute, local.isoweekday() % 7
        within = ((self.weekdays, weekday), (self.months, local.month), (self.years, local.year))
        return (
            (not self.times or any(each.start_time <= minute < each.end_time for each in self.times))
            and all(not ranges or any(begin <= value <= end for begin, end in ranges) for ranges, value in within)
            and (not self.days_of_month or any(_in_month(each, local) for each in self.days_of_month))
        )


class NamedInterval(BaseModel):
    """Times under the name that routes call them by: what is in one of ``time_intervals``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    time_intervals: tuple[TimeInterval, ...]

    def contains(self, moment: datetime) -> bool:
        """Whether a moment lies in one of them."""
        return any(each.contains(moment) for each in self.time_intervals)


def _in_month(bounds: tuple[int, int], local: datetime) -> bool:
    """Days counted from the end of the month are negative; what lies outside the month is cut off."""
    days = calendar.monthrange(local.year, local.month)[1]
    begin, end = (day if day > 0 else days + day + 1 for day in bounds)
    return begin <= days and max(begin, -days) <= local.day <= min(end, days)
