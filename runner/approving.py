"""Whether a training may cost so much that somebody has to approve it first."""

from __future__ import annotations

from collections.abc import Callable

from runner.entities import Run
from runner.queue_scene import Learned
from runner.queueing.policy import Policy
from runner.specs import TrainSpec

S_PER_HOUR = 3600.0


def unapproved(run: Run, policy: Policy, learned: Callable[[], Learned]) -> str:
    """Why a training waits for an approval, in one sentence; empty where it needs none.

    It may cost what measured epochs say, at most what its own time limit allows. What nobody knows may cost any amount.
    """
    limit = policy.approval_gpu_hours
    if limit is None or run.approved_by is not None or run.attempt or not isinstance(run.spec, TrainSpec):
        return ""
    known = [seconds for seconds in (learned().lasts_s(run), run.spec.turn.limit_s) if seconds is not None]
    gpus = max(1, run.spec.gpus)
    hours = min(known) * gpus / S_PER_HOUR if known else None
    if hours is not None and hours <= limit:
        return ""
    costs = f"It may take {hours:,.3g} GPU-hours" if hours is not None else "Nobody knows yet how many GPU-hours it takes"
    free = f"with `--time {max(1, int(limit / gpus * 60))}m` it would need no approval"
    return f"{costs}; more than {limit:g} wait until an operator approves: `approve {run.id}` ({free})."
