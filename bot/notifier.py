"""What is owed because something happened: a table from events to deliveries, applied once to each event."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bot.alert_deliveries import alert_deliveries, as_quiet_hours_want
from bot.result_files import Shown, brought, owed_files
from bot.subscribers import told
from bot.views.words import ap as ap_in_words
from bot.views.words import code, duration, escaped, is_member, person
from runner.crash_points import crash_point
from runner.entities import Event, Run
from runner.service.house import House
from runner.service.outbox import NewDelivery, owe_for_events
from runner.service.retraining import retraining_with
from runner.service.views import view
from runner.specs import ConvertSpec, Kind
from runner.states import Reason, State

_NAMED_PARAMETERS = 6
CHANNEL_GONE = frozenset({"is_archived", "channel_not_found", "not_in_channel"})
"""Slack's words for a channel where nothing can be posted until a person does something."""
_OF_LOCKS = frozenset({"unlocked", "lock_expired"})


def notify(house: House, *, home_channel: str | None) -> int:
    """Owe what the events not yet looked at call for; returns how many events that were."""

    def decide(event: Event, run: Run | None) -> Sequence[NewDelivery]:
        done = run is not None and event.payload.get("reason") == Reason.COMPLETED
        found = event.kind == "found"
        if run is not None and (found or event.kind == "state") and _is_told_by_its_retraining(house, run, done=done or found):
            return ()
        owed = deliveries_for(event, run, home_channel=home_channel, files=brought(house, run) if run and done else None)
        if event.kind == "alert":
            return as_quiet_hours_want(house, event, owed)
        return owed if run is None else told(house, event, run, owed)

    count = owe_for_events(house, decide, before_commit=lambda: crash_point("bot.after_events_read"))
    if count:
        crash_point("bot.after_deliveries_owed")
    return count


def _is_told_by_its_retraining(house: House, run: Run, *, done: bool) -> bool:
    """One card tells the verdict of a night: not each of its evaluations, and not the end of its training beside that."""
    found = retraining_with(house, run.id) if done or run.kind is Kind.EVAL else None
    return found is not None and run.state is not State.FAILED


def deliveries_for(
    event: Event, run: Run | None, *, home_channel: str | None, files: Shown | None = None
) -> Sequence[NewDelivery]:
    """What one event calls for. Pure; what is merely history calls for nothing. ``files`` are what a run that has succeeded shows."""
    if event.kind == "alert":
        return alert_deliveries(event, home_channel=home_channel)
    if event.kind in _OF_LOCKS:
        return _of_lock(event, home_channel)
    if run is None and event.kind in _OF_SCHEDULES:
        return _of_schedule(event, home_channel)
    channel = (run.place.channel if run else None) or home_channel
    rule = _RULES.get(event.kind)
    if run is None or channel is None or rule is None:
        return ()
    return [*rule(event, run, channel), *(owed_files(run.id, channel, f"event:{event.id}", files) if files else ())]


def card(run_id: str, channel: str, part: str, *, again: str = "") -> NewDelivery:
    """The first posting of a run's card, epoch table or plot; ``again`` tells a later first posting from the one before."""
    return NewDelivery(f"{part}:{run_id}{again and ':' + again}", channel, "card", {"part": part}, run_id)


def channel_gone(house: House, run_id: str, channel: str, error: str) -> NewDelivery | None:
    """What a run's owner is told, once a day, when a channel takes no more of it; None for an owner whom Slack does not know."""
    owner = view(house, run_id).run.owner
    if not is_member(owner):
        return None
    text = (
        f"<#{channel}> takes nothing more from Signalbox ({escaped(error)}): {code(run_id)} goes on, and cannot be followed there. "
        f"{code(f'show {run_id}')} tells how it is; an admin may invite the app again or list another channel."
    )
    return NewDelivery(f"gone:{channel}:{owner}:{house.now():%Y-%m-%d}", owner, "text", {"text": text})


def _state(event: Event, run: Run, channel: str) -> Sequence[NewDelivery]:
    reason = Reason(str(event.payload["reason"]))
    if reason is Reason.SUBMITTED:
        return (card(run.id, channel, "card"),)
    if reason is Reason.WAITING_FOR_APPROVAL:
        return (NewDelivery(_asked(run), channel, "approval", {}, run.id),)  # asked once, however often it waits again
    if reason is Reason.BY_USER and event.payload.get("from") == Reason.WAITING_FOR_APPROVAL:
        return (_decided(event, run, channel),)
    if reason is Reason.UNCLEAR:
        detail = escaped(str(event.payload.get("detail", "")).rstrip(".")) or "its evidence contradicts itself"
        text = f"{person(run.owner)} {run.id} needs a look: {detail}. Nothing is started or stopped until somebody decides."
        return (_owed(event, run, channel, "text", {"text": text}),)
    if reason.state is State.FAILED:
        return (_owed(event, run, channel, "alert", {}),)
    if reason.state is State.SUCCEEDED:
        kind = "report" if isinstance(run.spec, ConvertSpec) and run.spec.dry_run else _ON_SUCCESS.get(run.kind)
        return (_owed(event, run, channel, kind, {}),) if kind else ()
    return ()


def _evaluation(event: Event, run: Run, channel: str) -> Sequence[NewDelivery]:
    ap = event.payload.get("ap")
    if run.kind is not Kind.TRAIN or not event.payload.get("best") or not isinstance(ap, (int, float)):
        return ()
    text = f"New best: {event.payload.get('task', 'bbox')} mAP {ap_in_words(ap)} at epoch {event.payload.get('epoch')}."
    return (_reply(event, run, channel, escaped(text)),)


def _refused_checkpoint(event: Event, run: Run, channel: str) -> Sequence[NewDelivery]:
    name, why = event.payload.get("checkpoint", "a checkpoint"), event.payload.get("why", "it is not whole")
    return (_reply(event, run, channel, escaped(f"Left out {name}: {why}. The one before it is used.")),)


def _attempt_failed(event: Event, run: Run, channel: str) -> Sequence[NewDelivery]:
    if run.state is State.FAILED:  # its alert tells more
        return ()
    cause = Reason(str(event.payload["reason"])).in_words
    return (_reply(event, run, channel, f"Attempt {event.payload['attempt']} ended: {cause}. It is tried again by itself."),)


def _starts_from(event: Event, run: Run, channel: str) -> Sequence[NewDelivery]:
    if run.kind is not Kind.TRAIN:  # its card names the checkpoint
        return ()
    new, epoch = event.payload.get("new_parameters"), event.payload.get("epoch")
    named = [str(parameter) for parameter in new] if isinstance(new, list) else []
    begun = f"Starts from {event.payload.get('checkpoint')}" + (f" of epoch {epoch}" if epoch is not None else "")
    more = f", {', '.join(named[:_NAMED_PARAMETERS])}{' …' if len(named) > _NAMED_PARAMETERS else ''}" if named else ""
    counts = f": {event.payload.get('taken_parameters')} tensors taken, {len(named)} new{more}" if named else ""
    return (_reply(event, run, channel, escaped(f"{begun}{counts}.")),)


def _time_limit_near(event: Event, run: Run, channel: str) -> Sequence[NewDelivery]:
    left_s = event.payload.get("left_s")
    left = duration(timedelta(seconds=left_s)) if isinstance(left_s, int) else "some time"
    text = f"{event.payload.get('per_cent')} % of its time limit are used up; it is stopped in {left}, and can be resumed then."
    return (_reply(event, run, channel, text),)


def _preempting(event: Event, run: Run, channel: str) -> Sequence[NewDelivery]:
    by = escaped(str(event.payload.get("for_run")))
    text = f"{person(run.owner)} {run.id} gives its devices to {by} of higher priority after its next checkpoint, and goes on by itself."
    return (_owed(event, run, channel, "text", {"text": text, "in_thread": True}),)


def _of_lock(event: Event, home_channel: str | None) -> Sequence[NewDelivery]:
    """Who locked something is told, where that was, that it is theirs no more: unless they gave it back themselves."""
    told = event.payload
    owner, place, channel = str(told.get("owner")), str(told.get("lock")), told.get("channel") or home_channel
    if not channel or event.actor == owner:
        return ()
    reason = f" ({escaped(str(told['reason']))[:200]})" if told.get("reason") else ""
    ended = f"was broken by {person(event.actor)}" if event.actor else "has expired"
    again = f"New runs may start there; {code(f'lock {place}')} keeps it again."
    text = f"{person(owner)} Your lock of {code(place)}{reason} {ended}. {again}"
    return (NewDelivery(f"event:{event.id}:text", str(channel), "text", {"text": text, "thread": told.get("thread")}),)


def _moved_in(event: Event, run: Run, channel: str) -> Sequence[NewDelivery]:
    used_mib, where = event.payload.get("used_mib"), f"GPU {event.payload.get('device')} of {event.payload.get('host')}"
    holds = f", and holds {used_mib / 1024:.1f} GiB" if isinstance(used_mib, int) and used_mib else ""
    text = f"{event.payload.get('user')} has moved in on {where}, which this run uses{holds}. It may become slower, or lack memory."
    return (_reply(event, run, channel, escaped(text)),)


def _asked(run: Run) -> str:
    return f"approval:{run.id}"


def _decided(event: Event, run: Run, channel: str) -> NewDelivery:
    """The question whether a costly run may go on loses its buttons, and says what became of it."""
    return _owed(event, run, channel, "approval", {"edits": _asked(run)})


def _refused(event: Event, run: Run, channel: str) -> Sequence[NewDelivery]:
    why = f": {escaped(str(event.payload['reason']))}" if event.payload.get("reason") else ""
    text = f"{person(run.owner)} {run.id} was refused{why.rstrip('.')}. `show {run.id}` tells what it may cost."
    return (_reply(event, run, channel, text), _decided(event, run, channel))


def _of_schedule(event: Event, home_channel: str | None) -> Sequence[NewDelivery]:
    channel = event.payload.get("channel") or home_channel
    if channel is None:
        return ()
    due = datetime.fromisoformat(str(event.payload["due_at"])).astimezone(ZoneInfo(str(event.payload["zone"])))
    named = f"{code(str(event.payload['command']))} ({event.payload['schedule']}) of {due:%a %-d %b %H:%M %Z}"
    text = f"{named} {_OF_SCHEDULES[event.kind]} {escaped(str(event.payload.get('because', '')))}"
    return (NewDelivery(f"event:{event.id}:text", str(channel), "text", {"text": text.strip()}),)


def _reply(event: Event, run: Run, channel: str, text: str) -> NewDelivery:
    return _owed(event, run, channel, "text", {"text": text, "in_thread": True, "line": f"{code(run.id)} {text}"})


def _owed(event: Event, run: Run, channel: str, kind: str, body: Mapping[str, object]) -> NewDelivery:
    return NewDelivery(f"event:{event.id}:{kind}", channel, kind, body, run.id)


_ON_SUCCESS = {
    Kind.TRAIN: "result", Kind.INGEST: "dataset", Kind.CONVERT: "dataset",
    Kind.DIFF: "report", Kind.VERIFY: "report", Kind.REMOVE: "report",
    Kind.EVAL: "result", Kind.PREDICT: "outcome", Kind.EXPORT: "outcome", Kind.FETCH: "outcome",
}
_OF_SCHEDULES = {
    "schedule_missed": "was missed: Signalbox was not running, and it is too late for it now.",
    "schedule_skipped": "was passed over.",
}
_RULES: Mapping[str, Callable[[Event, Run, str], Sequence[NewDelivery]]] = {
    "state": _state,
    "evaluation": _evaluation,
    "refused_checkpoint": _refused_checkpoint,
    "attempt_failed": _attempt_failed,
    "starts_from": _starts_from,
    "found": lambda event, run, channel: (_owed(event, run, channel, "detections", {}),),
    "retraining_settled": lambda event, run, channel: (_owed(event, run, channel, "retraining", {}),),
    "time_limit_near": _time_limit_near,
    "preempting": _preempting,
    "moved_in": _moved_in,
    "approved": lambda event, run, channel: (_decided(event, run, channel),),
    "refused": _refused,
}
