"""The schedules."""

from __future__ import annotations

from collections.abc import Sequence

from bot.views.blocks import Message, fitting, section
from bot.views.words import code, count, name, person, prose
from runner.service.schedules import Schedule

SHOWN = 40


def schedule_list(schedules: Sequence[tuple[Schedule, str]]) -> Message:
    """Every schedule with its next times in words."""
    if not schedules:
        text = 'There is no schedule. `schedule add "every day 02:30" run rtmdet-nano on fish` adds one.'
        return text, [section(text)]
    entries = [_entry(schedule, times) for schedule, times in schedules[:SHOWN]]
    heading = f"*{count(len(schedules), 'schedule')}*"
    rest = [f"… and {len(schedules) - SHOWN} more"] if len(schedules) > SHOWN else []
    return "\n".join([heading, *entries, *rest]), fitting([section(heading), *(section(entry) for entry in [*entries, *rest])])


def _entry(schedule: Schedule, times: str) -> str:
    sign, label = ("⏸️", "") if schedule.paused else ("⏰", "next: ")
    head = f"{sign} {code(schedule.id)}  {code(schedule.command, 200)} {name(schedule.words, 120)}, {person(schedule.owner)}"
    return f"{head}\n      {label}{prose(times, 400)}"
