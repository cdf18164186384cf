"""Somebody approves of what a run may cost, or refuses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from runner.entities import Run
from runner.errors import NotAllowedError, RequestError
from runner.service.house import House, Requester
from runner.service.roles import who_may
from runner.service.runs import find
from runner.settings import Role
from runner.states import Reason
from runner.store import events, runs


@dataclass(frozen=True, slots=True)
class Decision:
    """Who said yes or no to a run, when, and why not."""

    approved: bool
    by: str
    at: datetime
    reason: str


def decision(house: House, run: Run) -> Decision | None:
    """What was decided of a run; None where nobody has."""
    found = [event for event in events.of_run(house.store.reading(), run.id) if event.kind in ("approved", "refused")]
    if not found:
        return None
    last = found[-1]
    return Decision(last.kind == "approved", last.actor or "", last.at, str(last.payload.get("reason", "")))


def approve(house: House, who: Requester, run_id: str) -> Run:
    """Let a run that waits for approval go on. NotAllowedError for whoever may not approve it; RequestError where nothing waits for it."""
    with house.store.writing() as db:
        run = _waiting(house, who, run_id, "approve")
        runs.approve(db, run, who.person, now=house.now())
        return runs.get(db, run.id)


def refuse(house: House, who: Requester, run_id: str, *, reason: str) -> Run:
    """Take a run that waits for approval off the queue; its owner hears why."""
    with house.store.writing() as db:
        run = _waiting(house, who, run_id, "refuse")
        runs.request_stop(db, run, by=who.person, now=house.now())
        events.record(db, "refused", at=house.now(), run_id=run.id, actor=who.person, payload={"reason": reason})
        return run


def approvers(house: House, run: Run) -> Sequence[str]:
    """The people who may approve a run."""
    may = who_may(house, Role.OPERATOR, channel=run.place.channel)
    return [person for person in may if house.settings.queue.approve_own or person != run.owner]


def _waiting(house: House, who: Requester, run_id: str, what: str) -> Run:
    who.must_be(Role.OPERATOR, f"{what} runs")
    run = find(house, run_id)
    if run.owner == who.person and not house.settings.queue.approve_own:
        raise NotAllowedError(f"{run.id} is your own, so another operator has to {what} it (queue.approve_own in the settings).")
    if run.approved_by is not None:
        raise RequestError(f"{run.id} was approved by {run.approved_by} before; {run.reason.in_words}.")
    if run.reason is not Reason.WAITING_FOR_APPROVAL or run.stop_requested_by is not None:
        raise RequestError(f"{run.id} does not wait for approval ({run.reason.in_words}); there is nothing to {what}.")
    return run
