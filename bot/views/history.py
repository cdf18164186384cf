"""Why a run is where it is, and how it came there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from bot.views.blocks import Message, actions, context, fitting, section
from bot.views.runs_in_words import buttons, title
from bot.views.states import REASONS, explanation, headline, sign
from bot.views.words import ap, clock, name, person, prose, sentence
from runner.entities import Event
from runner.service.queue import QueuePlace
from runner.service.views import RunView
from runner.states import Reason, State

SHOWN = 15


def why_page(
    view: RunView, events: Sequence[Event], *, zone: tzinfo, runner_silent_since: datetime | None,
    place: QueuePlace | None = None,
) -> Message:
    """One sentence of why, its ``place`` in the queue, what to do, and the last things that happened."""
    run = view.run
    cause = view.diagnosis.sentence if view.diagnosis and run.state is State.FAILED else place.why if place else explanation(run)
    lines = [f"{sign(run)} *{title(run)}*  `{run.id}`: {headline(run).lower()}", sentence(prose(cause, 900))]
    if place is not None:
        starts = f"; it starts about {clock(place.starts_at, zone)}" if place.starts_at else ""
        lines.append(f"Number {place.position} in the queue{starts}.")
    if view.diagnosis and view.diagnosis.remedy and run.state is State.FAILED:
        lines.append(f"*What to do:* {sentence(prose(view.diagnosis.remedy, 900))}")
    if runner_silent_since is not None and not run.state.final:
        silence = _silence(runner_silent_since, zone)
        lines.append(f"⚠️ The runner {silence}, so nothing moves until it runs again: `signalbox serve` starts it.")
    happened = [_line(event, zone) for event in events[-SHOWN:]]
    earlier = f"… {len(events) - SHOWN} earlier\n" if len(events) > SHOWN else ""
    told = "\n".join(line for line in happened if line)
    head = "\n".join(lines)
    row = [button for button in buttons(view) if not button.line.startswith("why ")]
    blocks = [section(head), *([context(earlier + told)] if told else []), *([actions(row)] if row else [])]
    return f"{head}\n{earlier}{told}".rstrip(), fitting(blocks)


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
