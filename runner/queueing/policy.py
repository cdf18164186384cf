"""The rules of a queue that a team can set. ``deploy/settings.sample.yaml`` explains each."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Policy(BaseModel):
    """Who gets GPUs when, and how many.

    ``half_life_days``: after so long, what somebody has used counts half. ``patience_days``: it also counts half for every so many days
    that their run has waited, so that nobody starves. ``weights``: a person's share of the GPUs against the others' 1. ``person_gpus``
    and ``channel_gpus``: how many GPUs the running runs of one person, or of one channel, may hold together. ``free_mib``: a GPU counts
    as free while programs that are not ours hold no more than this. ``preempting_priority``: who has at least this priority may stop a
    running training whose priority is lower, once it has written its next checkpoint; None: nobody may. ``preemption_grace_s``: how
    long that checkpoint is waited for. ``approval_gpu_hours``: a training that may take more waits until an operator approves it; None:
    none does. ``approve_own``: whether operators may approve what they asked for themselves.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    half_life_days: float = Field(default=7.0, gt=0)
    patience_days: float = Field(default=2.0, gt=0)
    weights: dict[str, float] = Field(default_factory=dict)
    person_gpus: int | None = Field(default=None, gt=0)
    channel_gpus: int | None = Field(default=None, gt=0)
    free_mib: int = Field(default=500, ge=0)
    preempting_priority: int | None = None
    preemption_grace_s: float = Field(default=3600.0, ge=0)
    approval_gpu_hours: float | None = Field(default=None, gt=0)
    approve_own: bool = False
