"""States and reasons of a run. State is what logic branches on; reason is what people read.

A reason belongs to exactly one state, so a run's reason alone says its state.
"""

from __future__ import annotations

from enum import StrEnum

IN_SLURMS_QUEUE = "Waits in Slurm's queue"
"""So begins the detail of a run that a cluster has taken and not yet begun."""


class State(StrEnum):
    """Where a run is in its life."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"

    @property
    def final(self) -> bool:
        """Whether a run in this state never changes again."""
        return self in (State.SUCCEEDED, State.CANCELLED, State.FAILED)


class Reason(StrEnum):
    """Why a run is in its state."""

    SUBMITTED = "SUBMITTED"
    PREPARING = "PREPARING"
    WAITING_FOR_GPU = "WAITING_FOR_GPU"
    WAITING_FOR_HOST = "WAITING_FOR_HOST"
    WAITING_FOR_ENVIRONMENT = "WAITING_FOR_ENVIRONMENT"
    WAITING_FOR_DATASET = "WAITING_FOR_DATASET"
    WAITING_FOR_RUN = "WAITING_FOR_RUN"
    WAITING_FOR_QUOTA = "WAITING_FOR_QUOTA"
    WAITING_FOR_APPROVAL = "WAITING_FOR_APPROVAL"
    HELD = "HELD"
    RETRYING = "RETRYING"
    PREEMPTED = "PREEMPTED"

    STAGING = "STAGING"
    LAUNCHING = "LAUNCHING"
    WORKING = "WORKING"
    UNREACHABLE = "UNREACHABLE"
    UNCLEAR = "UNCLEAR"
    STOPPING = "STOPPING"

    COMPLETED = "COMPLETED"

    BY_USER = "BY_USER"
    SUPERSEDED = "SUPERSEDED"

    BAD_SPEC = "BAD_SPEC"
    ENVIRONMENT_ERROR = "ENVIRONMENT_ERROR"
    CODE_ERROR = "CODE_ERROR"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    HOST_OUT_OF_MEMORY = "HOST_OUT_OF_MEMORY"
    DIVERGED = "DIVERGED"
    STALLED = "STALLED"
    COLLECTIVE_TIMEOUT = "COLLECTIVE_TIMEOUT"
    DATA_ERROR = "DATA_ERROR"
    CHECKPOINT_ERROR = "CHECKPOINT_ERROR"
    DISK_FULL = "DISK_FULL"
    GPU_FAULT = "GPU_FAULT"
    KILLED = "KILLED"
    TIME_LIMIT = "TIME_LIMIT"
    NONZERO_EXIT = "NONZERO_EXIT"
    LOST = "LOST"
    INTERNAL_ERROR = "INTERNAL_ERROR"

    @property
    def state(self) -> State:
        """The one state this reason belongs to."""
        return _STATE_OF[self]

    @property
    def in_words(self) -> str:
        """The reason as people read it, in lower case: ``waiting for gpu``."""
        return self.value.replace("_", " ").lower().replace("gpu", "GPU")


def _states() -> dict[Reason, State]:
    members = list(Reason)
    first = {State.PENDING: Reason.SUBMITTED, State.RUNNING: Reason.STAGING, State.SUCCEEDED: Reason.COMPLETED,
             State.CANCELLED: Reason.BY_USER, State.FAILED: Reason.BAD_SPEC}
    starts = {reason: state for state, reason in first.items()}
    table: dict[Reason, State] = {}
    current = State.PENDING
    for member in members:
        current = starts.get(member, current)
        table[member] = current
    return table


_STATE_OF = _states()

RESUMABLE_CAUSES = frozenset({Reason.LOST, Reason.COLLECTIVE_TIMEOUT, Reason.GPU_FAULT})
"""Failures that are no fault of the run: tried again by themselves, up to three times."""
