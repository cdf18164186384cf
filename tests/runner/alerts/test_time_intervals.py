"""Times that come again, in named zones."""

from __future__ import annotations

from datetime import datetime

import pytest
from pydantic import ValidationError

from runner.alerts.time_intervals import TimeInterval

NIGHT = {"times": [{"start_time": "22:00", "end_time": "24:00"}, {"start_time": "00:00", "end_time": "06:30"}], "location": "Europe/Berlin"}


@pytest.mark.parametrize(("interval", "moment", "inside"), [
    (NIGHT, "2026-11-21T20:59:59+00:00", False), (NIGHT, "2026-11-21T21:00:00+00:00", True), (NIGHT, "2026-11-21T23:00:00+00:00", True),
    (NIGHT, "2026-11-22T05:29:00+00:00", True), (NIGHT, "2026-11-22T05:30:00+00:00", False),
    (NIGHT, "2026-07-21T20:30:00+00:00", True),  # summer time: an hour earlier
    ({"weekdays": ["saturday", "sunday"]}, "2026-11-21T12:00:00+00:00", True),
    ({"weekdays": ["monday:friday"]}, "2026-11-21T12:00:00+00:00", False),
    ({"weekdays": ["Monday:Friday"]}, "2026-11-20T12:00:00+00:00", True),
    ({"days_of_month": ["-1"]}, "2028-02-29T12:00:00+00:00", True), ({"days_of_month": ["-1"]}, "2028-02-28T12:00:00+00:00", False),
    ({"days_of_month": ["25:-1"]}, "2026-11-26T12:00:00+00:00", True), ({"days_of_month": ["30:31"]}, "2026-02-28T12:00:00+00:00", False),
    ({"days_of_month": ["1:5", "-3:-1"]}, "2026-11-27T12:00:00+00:00", False),
    ({"months": ["november:december"]}, "2026-11-21T12:00:00+00:00", True), ({"months": ["1:3"]}, "2026-11-21T12:00:00+00:00", False),
    ({"years": ["2026"]}, "2026-12-31T23:30:00+00:00", True),
    ({"years": ["2026"], "location": "Europe/Berlin"}, "2026-12-31T23:30:00+00:00", False),
    ({"weekdays": ["friday"], "months": ["11"]}, "2026-11-21T12:00:00+00:00", False), ({}, "2026-11-21T12:00:00+00:00", True),
])
def test_what_lies_inside(interval: dict[str, object], moment: str, inside: bool) -> None:
    assert TimeInterval.model_validate(interval).contains(datetime.fromisoformat(moment)) is inside


@pytest.mark.parametrize(("interval", "words"), [
    ({"times": [{"start_time": "8:00", "end_time": "9:00"}]}, "no time of day"),
    ({"times": [{"start_time": "22:00", "end_time": "06:00"}]}, "past midnight"),
    ({"weekdays": ["friday:monday"]}, "ends before it begins"), ({"weekdays": ["fryday"]}, "is none of"),
    ({"days_of_month": ["32"]}, "is none of"), ({"days_of_month": ["0"]}, "is none of"), ({"months": ["13"]}, "is none of"),
    ({"location": "Europe/Berlyn"}, "no time zone"), ({"hours": []}, "Extra inputs"),
])
def test_what_makes_no_sense_is_refused(interval: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        TimeInterval.model_validate(interval)
