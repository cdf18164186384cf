"""What ends a running run that nobody asked to stop: its own time limit, and a run of higher priority that may take its devices."""

from __future__ import annotations

from datetime import timedelta

from sqlite_utils import Database

from runner.crash_points import crash_point
from runner.entities import Attempt, Run
from runner.queue_scene import turn_of
from runner.queueing.decide import Preempt
from runner.service.house import House
from runner.states import Reason
from runner.store import events, progress, runs

SIGNALBOX = "signalbox"
NOTICES = (50, 80, 90)
"""Per cent of a time limit after which the owner is told."""


def enforce(house: House, run: Run, attempt: Attempt) -> None:
    """Tell how far a time limit is used up, and ask for the stop that a limit or a preemption calls for. Twice is as good as once."""
    if run.stop_requested_by is not None or attempt.claimed_at is None or attempt.ended_at is not None:
        return
    limit_s = turn_of(run).limit_s
    if limit_s is not None:
        _limit(house, run, timedelta(seconds=limit_s), (house.now() - attempt.claimed_at).total_seconds())
    if run.preempted_for is not None and run.preempted_at is not None:
        _give_way(house, run)


def preempt(house: House, run: Run, decision: Preempt) -> None:
    """Note that a training gives its devices to another, after its next checkpoint; its owner is told."""
    if run.preempted_for is not None or run.stop_requested_by is not None:
        return
    with house.store.writing() as db:
        runs.note_preemption(db, run, decision.for_run, now=house.now())
        payload = {"for_run": decision.for_run, "grace_s": house.settings.queue.preemption_grace_s}
        events.record(db, "preempting", at=house.now(), run_id=run.id, payload=payload)
    crash_point("runner.after_preemption_noted")


def ended_early(house: House, db: Database, run: Run) -> Run | None:
    """Move on a run whose attempt was stopped by a limit or a preemption; None where a person stopped it."""
    if run.stop_reason is Reason.TIME_LIMIT:
        limit = timedelta(seconds=turn_of(run).limit_s or 0)
        detail = f"Its time limit of {_in_words(limit)} was reached. `resume {run.id}` goes on from its newest checkpoint."
        return runs.transition(db, run, Reason.TIME_LIMIT, now=house.now(), detail=detail)
    if run.stop_reason is Reason.PREEMPTED:
        detail = f"It gave its devices to {run.preempted_for} and goes on from its newest checkpoint when it is its turn again."
        moved = runs.transition(db, run, Reason.PREEMPTED, now=house.now(), detail=detail)
        runs.forget_stop(db, run.id)
        runs.check_checkpoints_again(db, run.id)
        return moved
    return None


def _limit(house: House, run: Run, limit: timedelta, used_s: float) -> None:
    share = 100 * used_s / limit.total_seconds()
    due = max((notice for notice in NOTICES if notice <= share), default=0)
    if share < 100 and due <= run.limit_told:
        return
    if share >= 100:
        _stop(house, run, Reason.TIME_LIMIT)
    else:
        with house.store.writing() as db:
            runs.note_limit_told(db, run.id, due)
            left_s = round(limit.total_seconds() - used_s)
            events.record(db, "time_limit_near", at=house.now(), run_id=run.id, payload={"per_cent": due, "left_s": left_s})


def _give_way(house: House, run: Run) -> None:
    """A stop between checkpoints would waste an epoch, and none of the programs saves on a signal."""
    assert run.preempted_at is not None
    db = house.store.reading()
    written = progress.newest_checkpoint_at(db, run.id)
    over = house.now() - run.preempted_at >= timedelta(seconds=house.settings.queue.preemption_grace_s)
    if over or (written is not None and written > run.preempted_at):
        _stop(house, run, Reason.PREEMPTED)


def _stop(house: House, run: Run, reason: Reason) -> None:
    with house.store.writing() as db:
        runs.request_stop(db, run, by=SIGNALBOX, now=house.now(), reason=reason)
    crash_point("runner.after_stop_decided")


def _in_words(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours:g} h" if hours >= 1 else f"{hours * 60:g} min"
