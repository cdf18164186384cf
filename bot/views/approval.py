"""The question whether a costly run may go on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from bot.views.blocks import Button, Message, actions, section
from bot.views.runs_in_words import title
from bot.views.states import explanation
from bot.views.words import clock, count, escaped, person, prose, sentence
from runner.entities import Run
from runner.service.approvals import Decision
from runner.states import Reason

SHOWN = 6


def approval_request(run: Run, approvers: Sequence[str], decision: Decision | None, *, zone: tzinfo) -> Message:
    """What a run may cost, for those who may approve it, each mentioned once; once that is decided, by whom and when instead."""
    what, show = f"*{title(run)}* `{run.id}`", Button("Show it", f"show {run.id}")
    if decision is not None:
        word = "✅ approved" if decision.approved else "🚫 refused"
        why = f": {escaped(decision.reason)[:300]}" if decision.reason else ""
        text = f"{what} was {word} by {person(decision.by)}, {clock(decision.at, zone)}{why}"
        return text, [section(text), actions([show])]
    if run.reason is not Reason.WAITING_FOR_APPROVAL:
        text = f"{what} no longer waits for approval: {run.reason.in_words}."
        return text, [section(text), actions([show])]
    called = " ".join(map(person, approvers[:SHOWN])) or "There is no operator who may approve this; an admin can `grant` the role."
    more = f" and {count(len(approvers) - SHOWN, 'other')}" if len(approvers) > SHOWN else ""
    text = f"⏳ {called}{more} {what} waits for approval.\n{sentence(prose(explanation(run), 600))}"
    row = [Button("Approve", f"approve {run.id}", "primary"), Button("Refuse", f"approve {run.id} --refuse", "danger"), show]
    return text, [section(text), actions(row)]
