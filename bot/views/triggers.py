"""The triggers, with what they did last and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from bot.views.blocks import Message, fitting, section
from bot.views.words import clock, code, count, name, person, prose
from runner.service.triggers import Trigger, TriggerFiring

SHOWN = 40


def trigger_list(found: Sequence[tuple[Trigger, Sequence[TriggerFiring]]], *, zone: tzinfo) -> Message:
    """Every trigger, an entry each."""
    if not found:
        text = 'There is no trigger. `trigger add "new data fish" retrain rtmdet-nano on fish` adds one.'
        return text, [section(text)]
    heading = f"*{count(len(found), 'trigger')}*"
    entries = [_entry(trigger, firings, zone) for trigger, firings in found[:SHOWN]]
    rest = [f"… and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return "\n".join([heading, *entries, *rest]), fitting([section(heading), *(section(each) for each in [*entries, *rest])])


def _entry(trigger: Trigger, firings: Sequence[TriggerFiring], zone: tzinfo) -> str:
    sign = "⏸️" if trigger.paused else "🧪" if trigger.dry_run else "⚡"
    tries = ", only says what it would do" if trigger.dry_run else ""
    head = f"{sign} {code(trigger.id)}  {name(trigger.words, 120)} → {code(trigger.command, 200)}, {person(trigger.owner)}{tries}"
    return "\n".join([head, *(f"      {_told(each, zone)}" for each in firings)] if firings else [head, "      has not fired yet"])


def _told(firing: TriggerFiring, zone: tzinfo) -> str:
    return f"{clock(firing.at, zone)}: {firing.outcome.value}, because {prose(firing.because, 120)} ({code(firing.command, 120)})"
