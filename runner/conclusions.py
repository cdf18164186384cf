"""What the end of an attempt means for its run: done, cancelled, to be tried again, or failed with its cause."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta

from sqlite_utils import Database

from recipes.errors import DatasetError
from runner.collecting import Brought
from runner.deadlines import ended_early
from runner.diagnosis import Circumstances
from runner.entities import Attempt, Diagnosis, Remedy, Run
from runner.errors import BadSpecError, ConflictError, RequestError, SignalboxError
from runner.kinds import all_kinds
from runner.preparing import prepared_from
from runner.service.house import House
from runner.service.views import log_tail
from runner.specs import ModelSpec, TrainSpec
from runner.states import RESUMABLE_CAUSES, Reason
from runner.store import attempts, events, hosts, progress, runs
from runner.store.connection import DatabaseError

log = logging.getLogger(__name__)

MOST_RETRIES = 3
SAME_EPOCH_FAILURES = 3
TAIL_LINES = 2000
ENDED_BY_SLURM = "slurmstepd"
KILLED = 137
LISTED_FILES = 1000
"""As many are named in the event that tells of them; all lie in the run's results."""


@dataclass(frozen=True, slots=True)
class Made:
    """What an attempt made and that was brought here; ``values`` are those that its kind keeps beside what its log said."""

    brought: Brought = field(default_factory=Brought)
    values: Mapping[str, object] = field(default_factory=dict)


def judged(house: House, run: Run, attempt: Attempt) -> Diagnosis | None:
    """Why an attempt failed, where its end means that. To be found before a transaction: much is read, and nobody may wait for that."""
    return cause(house, run, attempt) if (attempt.exit_code != 0 or attempt.stopped) and run.stop_requested_by is None else None


def conclude(house: House, run: Run, attempt: Attempt, made: Made = Made(), *, diagnosis: Diagnosis | None = None) -> Run:
    """Move a run on after its attempt ended, in the caller's transaction. ``attempt.exit_code`` None: it vanished without a word.
    ``diagnosis`` is what was ``judged``."""
    with house.store.writing() as db:
        early = ended_early(house, db, run)
        if early is not None:
            return early
        if run.stop_requested_by is not None:
            by = run.stop_requested_by
            return runs.transition(db, run, Reason.BY_USER, now=house.now(), detail=f"Stopped by {by}.", actor=by)
        if attempt.exit_code == 0 and not attempt.stopped:  # of several hosts the first: it alone writes what matters
            return _completed(house, run, attempt, made)
        return _failed(house, db, run, attempt, diagnosis or cause(house, run, attempt))


def refusal(error: Exception) -> tuple[Reason, str]:
    """The reason and the sentence of a run that something kept from starting."""
    match error:
        case BadSpecError() | RequestError() | DatasetError():
            return Reason.BAD_SPEC, str(error)
        case SignalboxError():
            return Reason.ENVIRONMENT_ERROR, str(error)
    return Reason.INTERNAL_ERROR, f"Signalbox itself failed ({type(error).__name__}: {error}); the runner's log says where."


def cause(house: House, run: Run, attempt: Attempt) -> Diagnosis:
    """Why an attempt failed, from its exit and the end of its log; on several hosts, from those of the rank that failed of itself."""
    ranks = attempts.ranks(house.store.reading(), run.id, attempt.number)
    if len(ranks) < 2:
        return _cause(house, run, attempt)
    failed = sorted((rank for rank in ranks if rank.ended_at and rank.exit_code != 0), key=_nearness)
    late = [rank for rank in ranks if rank.claimed_at is None]
    if late and all(rank.stopped for rank in failed):
        sentence = f"{run.id} did not start on {' and '.join(rank.host for rank in late)}, so it was ended on its other hosts."
        return Diagnosis(Reason.LOST, sentence, f"`host check {late[0].host}` says how it is there; `retry {run.id}` tries it again.")
    known = [(rank, _cause(house, run, rank)) for rank in failed if rank.stopped == failed[0].stopped]
    # That the others were lost is what every rank says but the one that they lost.
    rank, found = next(((rank, each) for rank, each in known if each.reason is not Reason.COLLECTIVE_TIMEOUT), known[0])
    return replace(found, sentence=f"On {rank.host}: {found.sentence}")


def _nearness(rank: Attempt) -> tuple[object, ...]:
    """How near a rank's end is to the cause: one that vanished says nothing, and is known to have ended after those that lost it."""
    return rank.stopped, rank.exit_code is not None, rank.ended_at


def _cause(house: House, run: Run, attempt: Attempt) -> Diagnosis:
    tail = log_tail(house, run.id, lines=TAIL_LINES, rank=attempt.rank)
    restarted = _restarted(house, attempt)
    if attempt.exit_code is None and not any(ENDED_BY_SLURM in line for line in tail[-15:]):
        return _vanished(run, attempt, tuple(tail[-15:]), restarted=restarted)
    try:
        code = KILLED if attempt.exit_code is None else attempt.exit_code
        found = all_kinds()[run.kind].cause(code, "\n".join(tail).encode(), _circumstances(run, attempt))
    except Exception:  # a defect in reading a log must not keep a run from ending
        log.exception("The log of %s could not be judged", run.id)
        sentence = f"It ended with exit code {attempt.exit_code}."
        return Diagnosis(Reason.NONZERO_EXIT, sentence, f"`log {run.id}` shows what it said.", tuple(tail[-15:]))
    return _vanished(run, attempt, found.tail, restarted=True) if found.reason is Reason.KILLED and restarted else found


def _vanished(run: Run, attempt: Attempt, tail: tuple[str, ...], *, restarted: bool) -> Diagnosis:
    remedy = f"`resume {run.id}` goes on from its newest whole checkpoint."
    if restarted:
        return Diagnosis(Reason.LOST, f"{attempt.host} restarted, and {run.id} ended with it.", remedy, tail)
    gone = f"The processes of {run.id} on {attempt.host} are gone and left no exit code"
    if attempt.oom_kills:
        sentence = f"{gone}: its kernel killed for want of memory in that minute."
        return Diagnosis(Reason.HOST_OUT_OF_MEMORY, sentence, f"See with `top` who uses the memory, then {remedy}", tail, Remedy.RESUME)
    return Diagnosis(Reason.LOST, f"{gone}: killed from outside, or the host restarted.", remedy, tail)


def _restarted(house: House, attempt: Attempt) -> bool:
    """Whether a host is certain to have restarted since the claim; of a cluster only the login node's start is known."""
    host = {host.name: host for host in hosts.all_hosts(house.store.reading())}.get(attempt.host)
    if host is None or host.executor == "slurm" or not (attempt.boot_id and host.boot_id):
        return False
    return host.boot_id != attempt.boot_id


def _circumstances(run: Run, attempt: Attempt) -> Circumstances:
    if not isinstance(run.spec, TrainSpec | ModelSpec):
        return Circumstances(attempt.oom_kills)
    prepared = prepared_from(run.prepared) if run.prepared else None
    batch = prepared.batch if prepared else run.spec.overrides.batch or run.spec.preset.batch
    return Circumstances(attempt.oom_kills, batch, prepared.lr if prepared else run.spec.overrides.lr or run.spec.preset.lr)


def _completed(house: House, run: Run, attempt: Attempt, made: Made) -> Run:
    try:
        with house.store.writing() as db:
            _keep_made(house, db, run, made)
            said = all_kinds()[run.kind].completed(house, db, run, attempt)
            detail = " ".join(filter(None, (said, made.brought.left)))
            return runs.transition(db, run, Reason.COMPLETED, now=house.now(), detail=detail)
    except (ConflictError, DatabaseError):
        raise
    except Exception as error:  # or the run would never end
        log.exception("What %s made could not be kept", run.id)
        sentence = f"It ended well, but what it made could not be kept: {type(error).__name__}: {error}."
        with house.store.writing() as db:
            return runs.transition(db, run, Reason.INTERNAL_ERROR, now=house.now(), detail=sentence)


def _keep_made(house: House, db: Database, run: Run, made: Made) -> None:
    if made.values:
        runs.keep_result(db, run.id, {**runs.result(db, run.id), **made.values})
    files = made.brought.files
    if files:
        events.record(db, "results", at=house.now(), run_id=run.id, payload={
            "files": [{"name": name, "size_bytes": size} for name, size in files[:LISTED_FILES]], "count": len(files),
            "size_bytes": made.brought.size_bytes, "left": made.brought.left,
        })


def _failed(house: House, db: Database, run: Run, attempt: Attempt, diagnosis: Diagnosis) -> Run:
    runs.keep_diagnosis(db, run.id, asdict(diagnosis))
    events.record(db, "attempt_failed", at=house.now(), run_id=run.id, payload={
        "attempt": attempt.number, "reason": diagnosis.reason.value, "epoch": _epoch(db, run.id), "exit_code": attempt.exit_code,
    })
    failures = [event.payload for event in events.of_run(db, run.id) if event.kind == "attempt_failed"]
    refusal = _why_not_again(diagnosis.reason, failures)
    if refusal:  # what its signature advises is done already
        remedy = f"Look at {attempt.host} and its GPUs first; `resume {run.id}` then goes on from its newest whole checkpoint."
        diagnosis = replace(diagnosis, sentence=f"{diagnosis.sentence} {refusal}", remedy=remedy)
        runs.keep_diagnosis(db, run.id, asdict(diagnosis))
    if refusal is not None:
        return runs.transition(db, run, diagnosis.reason, now=house.now(), detail=diagnosis.sentence)
    delay = timedelta(seconds=house.settings.limits.retry_delay_s * 2 ** (len(failures) - 1))
    moved = runs.transition(db, run, Reason.RETRYING, now=house.now(), detail=f"{diagnosis.sentence} Attempt {attempt.number + 1} follows.")
    runs.retry_at(db, run.id, house.now() + delay)
    runs.check_checkpoints_again(db, run.id)
    return moved


def _why_not_again(reason: Reason, failures: Sequence[Mapping[str, object]]) -> str | None:
    """None where the run is tried again by itself; else why it is not (empty where that needs no words). The last failure is this one."""
    if reason not in RESUMABLE_CAUSES:
        return ""
    if len(failures) > MOST_RETRIES:
        return f"It was tried {len(failures)} times."
    here = failures[-1]["epoch"]
    if here and sum(1 for failure in failures if failure["epoch"] == here) >= SAME_EPOCH_FAILURES:
        return f"It failed {SAME_EPOCH_FAILURES} times in epoch {here}, so trying again would not help."
    return None


def _epoch(db: Database, run_id: str) -> int:
    latest = progress.latest(db, run_id)
    return latest.epoch if latest else 0
