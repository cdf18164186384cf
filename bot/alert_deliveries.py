"""What a group's notification owes: its one message, posted or edited, and a few words in the threads of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runner.alerts.configuration import Receiver
from runner.entities import Event
from runner.service.outbox import NewDelivery

GROUP = "alert_group"
IN_THREAD = "alert_in_thread"


def alert_deliveries(event: Event, *, home_channel: str | None) -> Sequence[NewDelivery]:
    """Pure. A message that stands already is edited; where a run's thread is told, that mentions its owner, and the channel does not."""
    told: Mapping[str, Any] = event.payload
    channel = _channel(told, home_channel)
    if channel is None:
        return ()
    message, threads = told["message"], [each for each in told["of_runs"] if each["labels"].get("run")]
    shown = {key: told[key] for key in ("group", "labels", "firing", "resolved", "fires", "ended", "owners")}
    shown["mentions"] = bool(told["new"]) and not threads and told["fresh"]
    edited = {} if told["fresh"] else {"edits": message}
    post = NewDelivery(message if told["fresh"] else f"event:{event.id}:{GROUP}", channel, GROUP, {**shown, **edited})
    return [post, *(_in_thread(event, each) for each in threads if each["labels"].get("channel"))]


def _in_thread(event: Event, listed: Mapping[str, Any]) -> NewDelivery:
    labels = listed["labels"]
    return NewDelivery(f"event:{event.id}:{listed['short']}", labels["channel"], IN_THREAD, {"alert": listed}, labels["run"])


def _channel(told: Mapping[str, Any], home_channel: str | None) -> str | None:
    match told["receiver"]:
        case Receiver.NONE:
            return None
        case Receiver.HOME:
            return home_channel
        case Receiver.RUN:
            of_alerts = [each["labels"].get("channel") for each in (*told["firing"], *told["resolved"])]
            return next(filter(None, (told["labels"].get("channel"), *of_alerts)), home_channel)
    return str(told["receiver"])
