"""What those hear who subscribed: one line for each thing that happened, in the place where they want it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.views.runs_in_words import title
from bot.views.states import REASONS, explanation
from bot.views.words import ap, code, escaped, name, prose, sentence
from runner.entities import Event, Run
from runner.service import subscriptions
from runner.service.house import House
from runner.service.outbox import NewDelivery
from runner.service.views import view
from runner.states import Reason, State

_URGENT = frozenset({"approval", "alert"})


def told(house: House, event: Event, run: Run, deliveries: Sequence[NewDelivery]) -> Sequence[NewDelivery]:
    """The deliveries of an event as its own channel wants them, and those for everybody else who subscribed; news held in quiet hours.

    Nobody is mentioned: who is needed hears it where the run reports.
    """
    wanted = subscriptions.wanted_by(house, run)
    own = run.place.channel or ""
    here = [_in_thread(each) if own in wanted and "failures" not in wanted[own] else each for each in deliveries]
    level, line = _happened(house, event, run)
    for place, levels in wanted.items() if level else ():
        if level in levels and not (place == own and level == "failures"):
            thread = place == own and level == "epochs"
            body = {"text": line, "line": line, **({"in_thread": True} if thread else {})}
            here.append(NewDelivery(f"event:{event.id}:for:{place}", place, "text", body, run.id))
    return [_held(house, each, urgent=level == "failures") for each in here]


def _in_thread(delivery: NewDelivery) -> NewDelivery:
    """A channel that wants to hear of no failures has them in the run's thread."""
    return replace(delivery, body={**delivery.body, "in_thread": True}) if delivery.kind == "alert" else delivery


def _held(house: House, delivery: NewDelivery, *, urgent: bool) -> NewDelivery:
    waits = not urgent and delivery.kind not in _URGENT and "line" in delivery.body
    return replace(delivery, held=waits and subscriptions.hours_of(house, delivery.channel).quiet(house.now()))


def _happened(house: House, event: Event, run: Run) -> tuple[str, str]:
    """The level of what happened, and a line that says it; both empty for what nobody can subscribe to."""
    what = f"*{title(run)}* {code(run.id)}"
    if event.kind == "evaluation":
        measured = event.payload.get("ap")
        value = ap(measured) if isinstance(measured, (int, float)) else "undefined"
        record = ", the best so far" if event.payload.get("best") else ""
        return "epochs", f"{what}: {escaped(str(event.payload.get('task')))} mAP {value} at epoch {event.payload.get('epoch')}{record}."
    if event.kind != "state":
        return "", ""
    reason = Reason(str(event.payload["reason"]))
    if reason is Reason.WORKING and event.payload.get("from") == Reason.LAUNCHING:
        return "started", f"▶️ {what} started on {name(run.host or 'a host')}."
    if reason.state is State.SUCCEEDED:
        best = view(house, run.id).best
        measured_in_words = f": best mAP {ap(best.ap)} at epoch {best.epoch}" if best else ""
        return "results", f"✅ {what} finished{measured_in_words}."
    if reason.state is State.FAILED:
        why = sentence(prose(str(event.payload.get("detail") or explanation(run)), 300))
        return "failures", f"🔴 {what}: {REASONS[reason][0].lower()}. {why} {code(f'show {run.id}')} tells more."
    return "", ""
