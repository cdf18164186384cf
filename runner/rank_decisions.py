"""What a run on several hosts does next: a pure function of what is known of its rank on each. All start together, and end together.

Each rank has evidence of its own, and a fence of its own. One that fails, is lost, or does not come in time ends all others; a host that
says nothing ends nobody. Nothing is concluded before every rank is known to be over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from runner.decisions import CLAIM_PATIENCE, Conclude, Decision, Launch, Meet, Move, Nothing, Several, Stage, Stop
from runner.entities import Attempt, Run
from runner.states import Reason

COMES_WITHIN = timedelta(minutes=2)
"""After the first rank has claimed; until then the others wait for it, and do nothing else."""
LAST_WORDS = timedelta(seconds=5)
"""So long the others may end by themselves once one has failed: what they say of it tells the cause from its echo."""
LEAVES_WITHIN = timedelta(minutes=1)
"""After the first rank has ended well: all work is done then, and all that matters is written."""


@dataclass(frozen=True, slots=True)
class Part:
    """A rank and its host as the runner sees them now. ``acting``: something is under way for it there; ``broken``: it could not be
    started."""

    attempt: Attempt
    connected: bool
    trouble: str = ""
    acting: bool = False
    launched_at: datetime | None = None
    broken: bool = False


def decide_ranks(run: Run, parts: Sequence[Part], *, now: datetime) -> Decision:
    """What to do on which hosts, the first rank's first."""
    if all(_over(run, part.attempt) for part in parts):
        return Conclude()
    why = _why_all_end(run, parts, now)
    if run.reason is Reason.UNCLEAR and run.stop_requested_by is None:
        return Nothing()
    left = [part for part in parts if not _over(run, part.attempt)]
    reachable = [part for part in left if part.connected and not part.acting]
    acts: list[Move | Meet | Stage | Launch | Stop] = []
    if run.reason is not Reason.UNCLEAR:
        acts += _reason(run, parts, left, why)
    if why is not None:
        acts += [Stop(part.attempt.rank) for part in reachable if _may_be_stopped(run, part, parts, now)]
    elif any(part.attempt.claimed_at for part in parts) or all(part.connected for part in parts):
        acts += _starting(parts, reachable, now)
    return Several(tuple(acts)) if acts else Nothing()


def _over(run: Run, attempt: Attempt) -> bool:
    """Whether nothing of a rank is left: never claimed and fenced, or ended and, where it was stopped or failed, swept."""
    if attempt.ended_at is None:
        return attempt.fenced and attempt.claimed_at is None
    return attempt.fenced or attempt.exit_code is None or (attempt.exit_code == 0 and run.stop_requested_by is None)


def _failed(attempt: Attempt) -> bool:
    if attempt.ended_at is None:
        return attempt.fenced
    return attempt.exit_code != 0


def _why_all_end(run: Run, parts: Sequence[Part], now: datetime) -> str | None:
    """Why all ranks have to end now; None where they shall go on."""
    first = parts[0].attempt
    if run.stop_requested_by is not None:
        return f"Asked by {run.stop_requested_by}."
    failed = [part.attempt for part in parts if _failed(part.attempt)]
    if failed:
        return f"It has ended on {_names(failed)}, so it is ended on the other hosts too."
    if any(part.broken for part in parts):
        return f"It cannot start on {_names([part.attempt for part in parts if part.broken])}."
    if first.ended_at is not None and now - first.ended_at > LEAVES_WITHIN:
        return f"It is done; what is left on {_names([part.attempt for part in parts if part.attempt.ended_at is None])} is ended."
    claims = [part.attempt.claimed_at for part in parts if part.attempt.claimed_at is not None]
    late = [part.attempt for part in parts if part.attempt.claimed_at is None]
    if claims and late and now - min(claims) > COMES_WITHIN:
        return f"It did not start on {_names(late)} within {COMES_WITHIN.seconds // 60} minutes, so it is ended everywhere."
    return None


def _may_be_stopped(run: Run, part: Part, parts: Sequence[Part], now: datetime) -> bool:
    """At once where somebody asked for it, and where nothing of it has begun; else its last words are waited for."""
    if run.stop_requested_by is not None or part.attempt.claimed_at is None or part.attempt.ended_at is not None:
        return True
    ends = [each.attempt.ended_at for each in parts if each.attempt.ended_at is not None]
    # A host whose clock is ahead must not keep the others waiting.
    return all(not timedelta(0) <= now - ended_at <= LAST_WORDS for ended_at in ends)


def _reason(run: Run, parts: Sequence[Part], left: Sequence[Part], why: str | None) -> list[Move]:
    silent = [part for part in left if not part.connected]
    if silent:
        trouble = " ".join(f"{part.attempt.host}: {part.trouble}" for part in silent if part.trouble)
        return [Move(Reason.UNREACHABLE, trouble)] if trouble and (run.reason is not Reason.UNREACHABLE) else []
    if why is not None:
        wanted = Move(Reason.STOPPING, why)
    elif all(part.attempt.claimed_at is not None for part in parts):
        wanted = Move(Reason.WORKING)
    else:
        wanted = Move(Reason.LAUNCHING if all(part.attempt.staged for part in parts) else Reason.STAGING)
    return [wanted] if run.reason is not wanted.reason else []


def _starting(parts: Sequence[Part], reachable: Sequence[Part], now: datetime) -> list[Meet | Stage | Launch]:
    """Where to meet is known before anything is laid, and everything is laid before anything is launched."""
    if parts[0].attempt.port is None:
        return [Meet()] if parts[0] in reachable else []
    if not all(part.attempt.staged for part in parts):
        return [Stage(part.attempt.rank) for part in reachable if not part.attempt.staged]
    return [
        Launch(part.attempt.rank) for part in reachable
        if part.attempt.claimed_at is None and (part.launched_at is None or now - part.launched_at > CLAIM_PATIENCE)
    ]


def _names(attempts: Sequence[Attempt]) -> str:
    return " and ".join(attempt.host for attempt in attempts)
