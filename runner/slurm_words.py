"""What Slurm says of a job, in our words. Its reasons: the manual of squeue, "Job reason codes"."""

from __future__ import annotations

from runner.evidence import Queued, Unstarted
from runner.states import IN_SLURMS_QUEUE

_REASONS = {
    "None": "it has just taken it",
    "Resources": "all that it needs is in use",
    "Priority": "others are before it in Slurm's own queue",
    "Dependency": "it waits for another job",
    "DependencyNeverSatisfied": "it waits for a job that will never end well",
    "BeginTime": "its time to begin has not come",
    "JobHeldUser": "somebody holds it in Slurm (scontrol hold); `scontrol release` there lets it go on",
    "JobHeldAdmin": "an administrator of Slurm holds it",
    "JobHoldMaxRequeue": "Slurm holds it, because it was requeued too often",
    "launch_failed_requeued_held": "Slurm holds it, because its launch failed",
    "NodeDown": "a node that it needs is down",
    "ReqNodeNotAvail": "the nodes that it needs are down, drained or reserved",
    "Reservation": "its reservation has not begun",
    "Licenses": "a licence that it needs is taken",
    "PartitionDown": "the partition starts no jobs now",
    "PartitionInactive": "the partition is switched off",
    "PartitionNodeLimit": "it asks for more nodes than the partition gives to one job",
    "PartitionTimeLimit": "it asks for more time than the partition gives to one job",
    "BadConstraints": "no node is as it asks for",
    "NodesBusy": "all that it needs is in use",
    "Cleaning": "it is being cleared away from an earlier start",
    "InvalidAccount": "its account is not valid in Slurm",
    "InvalidQOS": "its quality of service is not valid in Slurm",
}
_LIMITS = (("QOS", "a limit of its quality of service is reached"), ("Assoc", "a limit of its account is reached"),
           ("MaxGRES", "a limit of GPUs is reached"), ("AccountingPolicy", "a limit of its account is reached"))
_MAY_HELP = frozenset({"NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "COMPLETED"})
"""Ends of a job that are no fault of its own: it is handed over again."""


def why_it_waits(job: Queued) -> str:
    """A sentence: ``Waits in Slurm's queue as job 12: all that it needs is in use (Resources).``"""
    if job.state != "PENDING":
        return f"Slurm starts it as job {job.job}."
    code = job.reason.split(",")[0].strip().lstrip("(").rstrip(")")
    limit = next((words for begin, words in _LIMITS if begin in code), "Slurm's reason has no words here")
    return f"{IN_SLURMS_QUEUE} as job {job.job}: {_REASONS.get(code, limit)} ({job.reason})."


def why_never_begun(job: Unstarted) -> str | None:
    """Why trying again would not help, as a sentence; None where it may help."""
    if job.state in _MAY_HELP:
        return None
    if job.state == "CANCELLED":
        return f"Job {job.job} was cancelled in Slurm (scancel) by somebody outside Signalbox before it began."
    return (
        f"Slurm ended job {job.job} before it began ({job.state}, {job.reason}). Most likely its node does not see {job.directory}: that "
        "folder has to lie on a file system that the login node and all compute nodes share."
    )
