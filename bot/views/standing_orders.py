"""The schedules, with their next times; the triggers, with what they did last and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from bot.views.blocks import Message, fitting, section
from bot.views.words import clock, code, count, name, person, prose
from runner.service.standing_orders import StandingOrder
from runner.service.triggers import Trigger, TriggerFiring

SHOWN = 40


def schedule_list(found: Sequence[tuple[StandingOrder, str]]) -> Message:
    """Every schedule with its next times in words."""
    entries = [
        _entry("⏰", each, f"{code(each.command, 200)} {name(each.words, 120)}", [prose(f"{'' if each.paused else 'next: '}{times}", 400)])
        for each, times in found[:SHOWN]
    ]
    return _list("schedule", 'schedule add "every day 02:30" run rtmdet-nano on fish', entries, of=len(found))


def trigger_list(found: Sequence[tuple[Trigger, Sequence[TriggerFiring]]], *, zone: tzinfo) -> Message:
    """Every trigger with its last firings."""
    entries = [
        _entry("🧪 only notes:" if each.dry_run else "⚡", each, f"{name(each.words, 120)} → {code(each.command, 200)}", [
            f"{clock(firing.at, zone)}: {firing.outcome.value}, because {prose(firing.because, 120)} ({code(firing.command, 120)})"
            for firing in firings
        ] or ["has not fired yet"])
        for each, firings in found[:SHOWN]
    ]  # fmt: skip
    return _list("trigger", 'trigger add "new data fish" retrain rtmdet-nano on fish', entries, of=len(found))


def _entry(sign: str, order: StandingOrder, does: str, lines: Sequence[str]) -> str:
    head = f"{'⏸️' if order.paused else sign} {code(order.id)}  {does}, {person(order.owner)}"
    return "\n".join([head, *(f"      {line}" for line in lines)])


def _list(noun: str, example: str, entries: Sequence[str], *, of: int) -> Message:
    if not of:
        text = f"There is no {noun}. `{example}` adds one."
        return text, [section(text)]
    rest = [f"… and {of - SHOWN} more"] if of > SHOWN else []
    lines = [f"*{count(of, noun)}*", *entries, *rest]
    return "\n".join(lines), fitting(section(line) for line in lines)
