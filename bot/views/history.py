"""Why a run is where it is, and how it came there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from bot.views.blocks import Message, actions, context, fitting, section
from bot.views.device_map import lock_in_words
from bot.views.plan import when
from bot.views.runs_in_words import buttons, title
from bot.views.states import REASONS, explanation, headline, sign, what_to_do
from bot.views.words import ap, clock, code, duration, name, naming, person, prose, sentence
from runner.entities import Event
from runner.service.foreseeing import Foreseen
from runner.service.queue import QueuePlace
from runner.service.views import RunView
from runner.states import Reason, State

SHOWN = 15


@dataclass(frozen=True, slots=True)
class Around:
    """What is known beside the run itself: its ``place`` in the queue; what is ``foreseen`` of it while it is not prepared; the runs
    that it ``awaits``; since when the runner is silent; how long a stop may take."""

    place: QueuePlace | None = None
    foreseen: Foreseen | None = None
    awaits: Sequence[RunView] = ()
    runner_silent_since: datetime | None = None
    grace_s: float = 30.0


def why_page(view: RunView, events: Sequence[Event], around: Around, *, now: datetime, zone: tzinfo) -> Message:
    """One sentence of why, until when, what to do, and the last things that happened."""
    place = around.place
    run = replace(view.run, reason=place.reason) if place else view.run  # the runner's next pass says so
    said = headline(run)
    if run.state is State.FAILED:
        cause = prose(view.diagnosis.sentence if view.diagnosis else explanation(run), 900)
    elif run.reason is Reason.UNREACHABLE and run.detail:
        cause = f"{name(run.host or 'Its server')} does not answer ({prose(run.detail.rstrip('.'), 600)}). {REASONS[run.reason][1]}"
    else:
        cause = naming(place.why if place else explanation(run))
    lines = [f"{sign(run)} *{title(run)}*  `{run.id}`: {said[0].lower()}{said[1:]}", sentence(cause)]
    if place is not None:
        lines += [naming(place.goes_first)] if place.goes_first else []
        lines += [lock_in_words(lock, now=now, zone=zone) for lock in place.locks]
    if until := _until(view, around, now, zone):
        lines.append(until)
    remedy = view.diagnosis.remedy if view.diagnosis and run.state is State.FAILED else ""
    lines.append(f"*What to do:* {sentence(prose(remedy or what_to_do(run, grace_s=around.grace_s), 900))}")
    if around.runner_silent_since is not None and not run.state.final:
        silence = _silence(around.runner_silent_since, zone)
        lines.append(f"⚠️ The runner {silence}, so nothing moves until it runs again: `signalbox serve` starts it.")
    happened = [_line(event, zone) for event in events[-SHOWN:]]
    earlier = f"… {len(events) - SHOWN} earlier\n" if len(events) > SHOWN else ""
    told = "\n".join(line for line in happened if line)
    head = "\n".join(lines)
    row = [button for button in buttons(view) if not button.line.startswith("why ")]
    blocks = [section(head), *([context(earlier + told)] if told else []), *([actions(row)] if row else [])]
    return f"{head}\n{earlier}{told}".rstrip(), fitting(blocks)


def _until(view: RunView, around: Around, now: datetime, zone: tzinfo) -> str:
    """When this changes by itself, where anybody knows."""
    run, place = view.run, around.place
    if place is not None:
        where = f" on {name(place.host)}" if place.host else ""
        starts = f"; it starts about {clock(place.starts_at, zone, near=now)}{where}" if place.starts_at and place.starts_at > now else ""
        return f"Number {place.position} in the queue{starts}."
    if run.reason is Reason.RETRYING and run.retry_at is not None:
        return f"The next attempt begins at {clock(run.retry_at, zone, near=now)}."
    if around.foreseen is not None:
        return when(around.foreseen, now=now, zone=zone)
    ends = [f"{code(each.run.id)} is done about {clock(now + each.eta, zone, near=now)}." for each in around.awaits if each.eta]
    if view.eta is not None and not view.stale and run.stop_requested_by is None:
        ends = [f"Done about {clock(now + view.eta, zone, near=now)} (in {duration(view.eta)})."]
    if view.stale and view.last_seen is not None:
        ends = [f"It was last seen {clock(view.last_seen, zone, near=now)}, {duration(now - view.last_seen)} ago."]
    return " ".join(ends)


def _silence(since: datetime, zone: tzinfo) -> str:
    return "has never run here" if since.year < 2000 else f"has not answered since {clock(since, zone)}"


def _line(event: Event, zone: tzinfo) -> str:
    said = _in_words(event)
    actor = f" by {person(event.actor)}" if event.actor else ""
    return f"{clock(event.at, zone)}  {said}{actor}" if said else ""


def _in_words(event: Event) -> str:
    payload = event.payload
    match event.kind:
        case "state":
            reason = Reason(str(payload["reason"]))
            detail = str(payload.get("detail") or "")
            return REASONS[reason][0].lower() + (f": {prose(detail, 200)}" if detail else "")
        case "evaluation":
            value = payload.get("ap")
            best = ", the best so far" if payload.get("best") else ""
            return f"epoch {payload.get('epoch')}: mAP {ap(value if isinstance(value, float | int) else None)}{best}"
        case "stop_requested":
            return "asked to stop"
        case "held" | "released":
            return event.kind
        case "moved":
            return f"moved in the queue (priority {payload.get('priority')})"
        case "claimed":
            return f"attempt {payload.get('attempt')} runs (pid {payload.get('pid')})"
        case "attempt_failed":
            return f"attempt {payload.get('attempt')} failed ({name(str(payload.get('reason', '')).replace('_', ' ').lower())})"
        case _:
            return name(event.kind.replace("_", " "))
