"""States and reasons as people read them: a sign, two or three words, and a sentence."""

from __future__ import annotations

from runner.entities import Run
from runner.specs import Kind
from runner.states import Reason, State

_SIGN = {State.PENDING: "⏳", State.RUNNING: "🟢", State.SUCCEEDED: "✅", State.CANCELLED: "⚪", State.FAILED: "🔴"}
_SIGN_OF_REASON = {
    Reason.HELD: "⏸️", Reason.RETRYING: "🔁", Reason.STAGING: "📦", Reason.LAUNCHING: "🚀", Reason.UNREACHABLE: "🟡",
    Reason.UNCLEAR: "🟠", Reason.STOPPING: "🛑",
}
_DOING = {
    Kind.TRAIN: "Training", Kind.CONVERT: "Converting", Kind.INGEST: "Reading", Kind.BOOTSTRAP: "Building",
    Kind.EVAL: "Evaluating", Kind.PREDICT: "Predicting", Kind.EXPORT: "Exporting", Kind.FETCH: "Fetching", Kind.TENSORBOARD: "Showing",
    Kind.DIFF: "Comparing", Kind.VERIFY: "Verifying", Kind.REMOVE: "Removing",
}

REASONS: dict[Reason, tuple[str, str]] = {
    Reason.SUBMITTED: ("Queued", "The runner has not looked at it yet."),
    Reason.PREPARING: ("Preparing", "Its configuration is being resolved on a host."),
    Reason.WAITING_FOR_GPU: ("Waiting", "Every GPU that fits is taken."),
    Reason.WAITING_FOR_HOST: ("Waiting", "No host that fits answers."),
    Reason.WAITING_FOR_ENVIRONMENT: ("Waiting", "The training environment is not built yet."),
    Reason.WAITING_FOR_DATASET: ("Waiting", "Its dataset is not there yet."),
    Reason.WAITING_FOR_RUN: ("Waiting", "Another run has to end first."),
    Reason.WAITING_FOR_QUOTA: ("Waiting", "Its owner's share of the GPUs is used up."),
    Reason.WAITING_FOR_APPROVAL: ("Waiting", "Somebody has to approve it."),
    Reason.HELD: ("Held", "Somebody holds it back."),
    Reason.RETRYING: ("Trying again", "It failed for no fault of its own and is tried again."),
    Reason.PREEMPTED: ("Waiting", "It made room for another run and goes on later."),
    Reason.STAGING: ("Sending data", "Its dataset and program are being sent to the host."),
    Reason.LAUNCHING: ("Starting", "The host has been told to start it."),
    Reason.WORKING: ("Working", "It is at work."),
    Reason.UNREACHABLE: ("Host does not answer", "The run most likely goes on; nothing is stopped because of silence."),
    Reason.UNCLEAR: ("Needs a look", "What the host shows does not fit together; nothing is done until somebody looks."),
    Reason.STOPPING: ("Stopping", "Its processes are being ended."),
    Reason.COMPLETED: ("Finished", "It did what was asked."),
    Reason.BY_USER: ("Stopped", "Somebody stopped it."),
    Reason.SUPERSEDED: ("Replaced", "A newer run took its place."),
    Reason.BAD_SPEC: ("Failed: cannot work as asked", "What was asked for can never work."),
    Reason.ENVIRONMENT_ERROR: ("Failed: environment", "The training environment is broken or does not fit."),
    Reason.CODE_ERROR: ("Failed: error in the program", "The program raised an error."),
    Reason.OUT_OF_MEMORY: ("Failed: GPU out of memory", "It needed more memory than the GPU has."),
    Reason.HOST_OUT_OF_MEMORY: ("Failed: host out of memory", "It needed more memory than the host has."),
    Reason.DIVERGED: ("Failed: diverged", "The loss is no number any more."),
    Reason.STALLED: ("Failed: stalled", "It wrote nothing for too long."),
    Reason.COLLECTIVE_TIMEOUT: ("Failed: GPUs lost each other", "The processes of the training waited for each other in vain."),
    Reason.DATA_ERROR: ("Failed: unfit data", "An image or annotation cannot be used."),
    Reason.CHECKPOINT_ERROR: ("Failed: checkpoint", "A checkpoint could not be written or read."),
    Reason.DISK_FULL: ("Failed: disk full", "The host's disk is full."),
    Reason.GPU_FAULT: ("Failed: GPU fault", "The GPU or its driver failed."),
    Reason.KILLED: ("Failed: killed", "Something on the host ended the process."),
    Reason.TIME_LIMIT: ("Failed: out of time", "It took longer than it was given."),
    Reason.NONZERO_EXIT: ("Failed", "The program ended with an error that the log does not explain."),
    Reason.LOST: ("Failed: lost", "The process is gone and left no exit code."),
    Reason.INTERNAL_ERROR: ("Failed on our side", "Signalbox made a mistake; the run is not to blame."),
}


def sign(run: Run) -> str:
    """One emoji for where a run is."""
    return _SIGN_OF_REASON.get(run.reason, _SIGN[run.state])


def headline(run: Run) -> str:
    """``Training``, ``Waiting``, ``Failed: disk full``; of a run that somebody asked to stop, that it is stopping."""
    if run.reason is Reason.WORKING:
        return "Stopping" if run.stop_requested_by else _DOING[run.kind]
    return REASONS[run.reason][0]


def explanation(run: Run) -> str:
    """Why the run is where it is, in one sentence: the runner's own, else what the reason means."""
    return run.detail or REASONS[run.reason][1]
