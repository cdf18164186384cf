"""Who did what, as a list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from bot.views.blocks import Message, fitting, section
from bot.views.words import clock, code, name, shortened
from runner.service.audit import Act

SHOWN = 25


def audit_page(found: Sequence[Act], *, zone: tzinfo, now: datetime) -> Message:
    """The newest acts, a line each. Nobody is mentioned: to be looked up is no reason for a phone to ring."""
    if not found:
        text = "Nobody has asked for anything like that."
        return text, [section(text)]
    lines = [_line(act, zone, now) for act in found[:SHOWN]]
    more = [f"… and more; {code('audit --as csv')} brings all of it as a file."] if len(found) > SHOWN else []
    return "\n".join([*lines, *more]), fitting([section("\n".join(part)) for part in _fives([*lines, *more])])


def _line(act: Act, zone: tzinfo, now: datetime) -> str:
    made = f" → `{act.run_id}`" if act.run_id else ""
    refused = "" if act.done else f"\n      refused: {name(act.said, 160)}"
    sign = "✅" if act.done else "⛔"
    return f"{sign} {clock(act.at, zone, near=now)}  {code(act.person)} ({name(act.door)})  {code(shortened(act.line, 200))}{made}{refused}"


def _fives(lines: Sequence[str]) -> Sequence[Sequence[str]]:
    return [lines[start : start + 5] for start in range(0, len(lines), 5)]
