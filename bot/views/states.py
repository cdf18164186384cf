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
    Reason.WAITING_FOR_HOST: ("Waiting", "No server that fits is ready for it."),
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


_WAITS = "Nothing: it starts by itself."
WHAT_TO_DO: dict[Reason, str] = {
    Reason.SUBMITTED: "Nothing: the runner takes it up within seconds.",
    Reason.PREPARING: "Nothing: this takes a minute or two.",
    Reason.WAITING_FOR_GPU: f"{_WAITS} `top` shows who has what; `move {{id}} --first` (operators) puts it before the others.",
    Reason.WAITING_FOR_HOST: "Mend what the sentence names; `top` shows the servers. It starts by itself then.",
    Reason.WAITING_FOR_ENVIRONMENT: "Build or declare the environment, if nobody does so already. It starts by itself then.",
    Reason.WAITING_FOR_DATASET: "Add the dataset with `data add`, or convert it. It starts by itself then.",
    Reason.WAITING_FOR_RUN: "Nothing, as long as the other goes on: `why` of that says how it is. `stop {id}` gives this one up.",
    Reason.WAITING_FOR_QUOTA: "Nothing: it starts once one of the runs that hold the quota ends. `stop` one of these to have it sooner.",
    Reason.WAITING_FOR_APPROVAL: "Ask an operator to say `approve {id}`.",
    Reason.HELD: "`release {id}` lets it go on.",
    Reason.RETRYING: "Nothing: it is tried again by itself. `stop {id}` gives it up.",
    Reason.PREEMPTED: f"{_WAITS} It goes on from its newest checkpoint.",
    Reason.STAGING: "Nothing: it starts once all is there. What was sent already is not sent again.",
    Reason.LAUNCHING: "Nothing: the server says within seconds that it runs; if not, it is told again.",
    Reason.WORKING: "Nothing. `show {id}` tells how far it is, `log {id}` what it says.",
    Reason.UNREACHABLE: "Look at the server and its network: `host check {host}`. The run is followed again once the server answers.",
    Reason.UNCLEAR: "Look on {host} whether it still runs. `stop {id}` ends what is left of it; `resume {id}` then goes on.",
    Reason.STOPPING: "Nothing: it has {grace_s:g} s to end by itself, then it is killed.",
    Reason.COMPLETED: "Nothing. `show {id}` has the results.",
    Reason.BY_USER: "Nothing. `resume {id}` goes on from its newest checkpoint if it has one; else ask for it again.",
    Reason.SUPERSEDED: "Nothing: look at the newer run in `ps`.",
    Reason.BAD_SPEC: "Change what the sentence names, and ask for it again.",
    Reason.ENVIRONMENT_ERROR: "Mend the environment (`host check {host}` shows it), then ask for it again.",
    Reason.CODE_ERROR: "Read the last lines of `log {id}`, mend the program or its options, then `resume {id}` or ask for it again.",
    Reason.OUT_OF_MEMORY: "Ask for it again with a smaller --batch, smaller images, or on GPUs with more memory.",
    Reason.HOST_OUT_OF_MEMORY: "Ask for it again with fewer data workers or a smaller --batch, or on a host with more memory.",
    Reason.DIVERGED: "`resume {id} --lr` with a tenth of its learning rate goes on from its newest whole checkpoint.",
    Reason.STALLED: "`log {id}` shows where it stood still; `resume {id}` goes on from its newest whole checkpoint.",
    Reason.COLLECTIVE_TIMEOUT: "`resume {id}` goes on from its newest whole checkpoint. If it comes again, look at the GPUs of {host}.",
    Reason.DATA_ERROR: "Mend the dataset (`data verify`, or `convert` it with drop-unreadable), then ask for it again.",
    Reason.CHECKPOINT_ERROR: "`checkpoints {id}` lists those there are; `resume {id} --from epoch_N` takes another.",
    Reason.DISK_FULL: "Free space on {host}, then `resume {id}`. `--keep` says how many checkpoints stay.",
    Reason.GPU_FAULT: "`host drain {host}` keeps others away while you look at the GPU; `resume {id}` goes on.",
    Reason.KILLED: "Find out who or what on {host} ended it, then `resume {id}`.",
    Reason.TIME_LIMIT: "`resume {id}` goes on from its newest checkpoint.",
    Reason.NONZERO_EXIT: "Read the last lines of `log {id}`, then `resume {id}` or ask for it again.",
    Reason.LOST: "`resume {id}` goes on from its newest whole checkpoint.",
    Reason.INTERNAL_ERROR: "Ask for it again; the log of the runner says where it went wrong, for a report.",
}
"""What helps, or that nothing has to be done; of a failure only where its own diagnosis does not say it."""


def sign(run: Run) -> str:
    """One emoji for where a run is."""
    return _SIGN_OF_REASON.get(run.reason, _SIGN[run.state])


def headline(run: Run) -> str:
    """``Training``, ``Waiting``, ``Failed: disk full``; of a run that somebody asked to stop, that it is stopping."""
    if run.reason is Reason.WORKING:
        return "Stopping" if run.stop_requested_by else _DOING[run.kind]
    return REASONS[run.reason][0]


def what_to_do(run: Run, *, grace_s: float) -> str:
    """What helps, in a sentence or two."""
    if run.waits_in_slurm:
        return f"Nothing: Slurm starts it, and no other is submitted for it. `stop {run.id}` gives its place there up."
    return WHAT_TO_DO[run.reason].format(id=run.id, host=run.host or "its server", grace_s=grace_s)


def explanation(run: Run) -> str:
    """Why the run is where it is, in one sentence: the runner's own, else what the reason means."""
    return run.detail or REASONS[run.reason][1]
