"""The question whether a costly run may go on."""

from __future__ import annotations

from collections.abc import Sequence

from bot.views.blocks import Button, Message, actions, section
from bot.views.runs_in_words import title
from bot.views.states import explanation
from bot.views.words import count, person, prose, sentence
from runner.entities import Run
from runner.states import Reason

SHOWN = 6


def approval_request(run: Run, approvers: Sequence[str]) -> Message:
    """What a run may cost, for those who may approve it, each mentioned once; what was decided meanwhile is said instead."""
    if run.reason is not Reason.WAITING_FOR_APPROVAL or run.approved_by is not None:
        text = f"*{title(run)}* `{run.id}` no longer waits for approval: {run.reason.in_words}."
        return text, [section(text)]
    called = " ".join(map(person, approvers[:SHOWN])) or "There is no operator who may approve this; an admin can `grant` the role."
    more = f" and {count(len(approvers) - SHOWN, 'other')}" if len(approvers) > SHOWN else ""
    text = f"⏳ {called}{more} *{title(run)}* `{run.id}` waits for approval.\n{sentence(prose(explanation(run), 600))}"
    row = [Button("Approve", f"approve {run.id}", "primary"), Button("Refuse", f"approve {run.id} --refuse", "danger"),
           Button("Show it", f"show {run.id}")]
    return text, [section(text), actions(row)]
