"""Conditions of runs. A host that does not speak says nothing of its runs: of these nothing is found."""

from __future__ import annotations

from collections.abc import Iterable

from runner.alerts.course import seconds_in_words, worse_for
from runner.alerts.scene import Finding, RunSeen, Scene, about_run
from runner.specs import Kind
from runner.states import Reason, State

LOGGED_KINDS = frozenset({Kind.TRAIN, Kind.EVAL, Kind.PREDICT})
"""Programs that print while they work."""


def failed(scene: Scene, *, within_h: float) -> Iterable[Finding]:
    """A run that failed a short time ago and that nobody has taken up."""
    for run in scene.runs:
        if run.state is State.FAILED and run.ended_at and not run.followed and _hours(scene, run) <= within_h:
            found = about_run(run, run.detail or f"It failed: {run.reason.in_words}.")
            yield Finding({**found.labels, "cause": run.reason.value}, found.detail)


def loss_is_no_number(scene: Scene, *, points: float) -> Iterable[Finding]:
    """The loss is NaN or infinite in so many points in a row."""
    for run in _training(scene):
        at = run.course.last
        if run.course.bad >= points and at is not None:
            where = f"epoch {at.epoch}, iteration {at.iteration}"
            yield about_run(run, f"The loss is NaN or infinite since {run.course.bad} log lines, at {where}.")


def loss_grows(scene: Scene, *, times: float) -> Iterable[Finding]:
    """The loss is many times its lowest, and half as high again as it was at the start."""
    for run in _training(scene):
        now, lowest, first = run.course.recent_loss, run.course.lowest_loss, run.course.first_loss
        if now and lowest and first and lowest > 0 and now >= times * lowest and now >= 0.5 * first:
            yield about_run(run, f"The loss was {lowest:.3g} and is {now:.3g}; it began with {first:.3g}.")


def silent(scene: Scene, *, minutes: float, times: float, unknown_minutes: float) -> Iterable[Finding]:
    """The log has not grown for long, by the host's own clock, and the GPUs rest."""
    for run, idle_s in _idle(scene, minutes, times, unknown_minutes):
        if not _busy(scene, run):
            yield about_run(run, f"Its log has not grown for {seconds_in_words(idle_s)}{_usually(run)}, and its GPUs rest.")


def hangs(scene: Scene, *, minutes: float, times: float, unknown_minutes: float) -> Iterable[Finding]:
    """The log has not grown for long while the GPUs are busy: ranks that wait for each other look so."""
    for run, idle_s in _idle(scene, minutes, times, unknown_minutes):
        if _busy(scene, run):
            yield about_run(run, f"Its GPUs are busy, and its log has not grown for {seconds_in_words(idle_s)}{_usually(run)}.")


def no_iterations(scene: Scene, *, minutes: float, times: float, unknown_minutes: float) -> Iterable[Finding]:
    """The log grows, and no iteration is logged."""
    for run in _training(scene):
        at, host = run.course.last_at, scene.hosts[run.host or ""]
        if at is None or run.log_grown_at is None or host.host_time is None or host.seen_at is None or run.course.gap_s is None:
            continue
        idle_s, quiet_s = (host.seen_at - at).total_seconds(), (host.host_time - run.log_grown_at).total_seconds()
        if quiet_s < 60 and idle_s >= _patience_s(run, minutes, times, unknown_minutes):
            yield about_run(run, f"No iteration was logged for {seconds_in_words(idle_s)}, though its log grows.")


def slower(scene: Scene, *, times: float) -> Iterable[Finding]:
    """Iterations take much longer than they did."""
    for run in _training(scene):
        now, usual = run.course.recent_step_s, run.course.usual_step_s
        if now and usual and now >= times * usual:
            yield about_run(run, f"An iteration took {seconds_in_words(usual)} and takes {seconds_in_words(now)} now.")


def map_dropped(scene: Scene, *, by: float) -> Iterable[Finding]:
    """A training is worse than the run it came from, or than the champion of its preset and dataset: at its end, or from the middle on."""
    for run in scene.runs:
        measured = worse_for(run.evaluations)
        before = [(run.parent_best, f"{run.parent}, which it came from,"), (run.champion_best, f"{run.champion}, the champion,")]
        known = [(had, who) for had, who in before if had is not None]
        if measured is None or not known or run.state not in (State.RUNNING, State.SUCCEEDED):
            continue
        best, newest, (had, who) = measured[0], run.evaluations[-1], max(known)
        far_enough = run.state is State.SUCCEEDED or (run.epochs is not None and newest.epoch >= run.epochs / 2)
        if far_enough and best.ap <= had - by:
            yield about_run(run, f"Its best mAP is {best.ap:.3f}; {who} had {had:.3f}.")


def overfits(scene: Scene, *, evaluations: float, by: float) -> Iterable[Finding]:
    """The mAP has been falling for so many evaluations while the loss fell on."""
    for run in _training(scene):
        measured = worse_for(run.evaluations)
        if measured is None:
            continue
        (best, since), newest = measured, run.evaluations[-1]
        then, now = run.course.mean_loss(best.epoch), run.course.mean_loss(newest.epoch)
        if since >= evaluations and newest.ap <= best.ap - by and then is not None and now is not None and now < then:
            yield about_run(run, f"The mAP was {best.ap:.3f} at epoch {best.epoch} and is {newest.ap:.3f} after {since} more "
                                 f"evaluations, while the loss fell from {then:.3g} to {now:.3g}.")


def waits_long(scene: Scene, *, hours: float) -> Iterable[Finding]:
    """A run has been waiting for a GPU or a host."""
    for run in scene.runs:
        waited_h = (scene.now - run.created_at).total_seconds() / 3600
        if run.reason in (Reason.WAITING_FOR_GPU, Reason.WAITING_FOR_HOST) and waited_h >= hours:
            yield about_run(run, f"It has been waiting for {seconds_in_words(3600 * waited_h)}. {run.detail}".rstrip())


def near_time_limit(scene: Scene, *, per_cent: float) -> Iterable[Finding]:
    """Most of a run's time limit is used up."""
    for run in scene.runs:
        if run.state is State.RUNNING and run.limit_s and run.claimed_at:
            used = 100 * (scene.now - run.claimed_at).total_seconds() / run.limit_s
            if used >= per_cent:
                yield about_run(run, f"More than {per_cent:g} % of its time limit of {seconds_in_words(run.limit_s)} are used up.")


def _training(scene: Scene) -> list[RunSeen]:
    return [run for run in scene.working if run.kind is Kind.TRAIN]


def _idle(scene: Scene, minutes: float, times: float, unknown_minutes: float) -> Iterable[tuple[RunSeen, float]]:
    """Runs whose log has not grown for longer than usual, and for how many seconds: on the host's clock, up to its last heartbeat.

    Whatever is printed counts, validations and their progress bars too; of who never printed anything, the time since the claim.
    """
    for run in scene.working:
        host = scene.hosts[run.host or ""]
        since, until = (run.log_grown_at, host.host_time) if run.log_grown_at else (run.claimed_at, host.seen_at)
        if run.kind in LOGGED_KINDS and since is not None and until is not None:
            idle_s = (until - since).total_seconds()
            if idle_s >= _patience_s(run, minutes, times, unknown_minutes):
                yield run, idle_s


def _patience_s(run: RunSeen, minutes: float, times: float, unknown_minutes: float) -> float:
    """How long a log may rest. Before the first points, and in the first validation, nobody knows what is usual: both may take long."""
    course = run.course
    if course.gap_s is None:
        return 60 * unknown_minutes
    usual = max(60 * minutes, times * (course.usual_step_s or 0.0), 2 * course.gap_s)
    if not course.at_epoch_end:
        return usual
    validation_s = course.validation_s(each.epoch for each in run.evaluations)
    return max(usual, 60 * unknown_minutes if validation_s is None else 3 * validation_s)


def _busy(scene: Scene, run: RunSeen) -> bool:
    devices = [device for device in scene.hosts[run.host or ""].devices or () if device.uuid in run.devices]
    return any((device.utilization_percent or 0) >= 50 for device in devices)


def _usually(run: RunSeen) -> str:
    usual = run.course.gap_s
    return f" (usually it does every {seconds_in_words(usual)})" if usual else ""


def _hours(scene: Scene, run: RunSeen) -> float:
    assert run.ended_at is not None
    return (scene.now - run.ended_at).total_seconds() / 3600
