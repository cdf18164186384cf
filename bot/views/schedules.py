"""The schedules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bot.views.blocks import Message, fitting, section
from bot.views.words import code, count, name, person, prose

SHOWN = 40


class Scheduled(Protocol):
    """What is shown of a schedule."""

    @property
    def id(self) -> str: ...
    @property
    def words(self) -> str: ...
    @property
    def command(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def paused(self) -> bool: ...


def schedule_list(schedules: Sequence[tuple[Scheduled, str]]) -> Message:
    """Every schedule with its next times in words."""
    if not schedules:
        text = 'There is no schedule. `schedule add "every day 02:30" run rtmdet-nano on fish` adds one.'
        return text, [section(text)]
    entries = [_entry(schedule, times) for schedule, times in schedules[:SHOWN]]
    heading = f"*{count(len(schedules), 'schedule')}*"
    rest = [f"… and {len(schedules) - SHOWN} more"] if len(schedules) > SHOWN else []
    return "\n".join([heading, *entries, *rest]), fitting([section(heading), *(section(entry) for entry in [*entries, *rest])])


def _entry(schedule: Scheduled, times: str) -> str:
    sign, label = ("⏸️", "") if schedule.paused else ("⏰", "next: ")
    head = f"{sign} {code(schedule.id)}  {code(schedule.command, 200)} {name(schedule.words, 120)}, {person(schedule.owner)}"
    return f"{head}\n      {label}{prose(times, 400)}"
