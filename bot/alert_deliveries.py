"""What a group's notification owes: its one message, posted or edited, and a few words in the threads of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.views.alerts import group_line
from runner.alerts.configuration import Receiver
from runner.entities import Event
from runner.service.house import House
from runner.service.outbox import NewDelivery, posted_ts
from runner.service.subscriptions import hours_of

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


def as_quiet_hours_want(house: House, event: Event, deliveries: Sequence[NewDelivery]) -> Sequence[NewDelivery]:
    """Pure but for the hours. What is critical comes as ever. Where it is quiet the rest waits for the one message after these hours, as a
    line; only a message that stands is edited, for that rings no phone. Who has quiet hours is not mentioned elsewhere either."""
    told: Mapping[str, Any] = event.payload
    if any(alert["labels"].get("severity") == "critical" for alert in told["firing"]):
        return deliveries
    awake = [each for each in told["owners"] if not _quiet(house, each)]
    return [kept for each in deliveries for kept in _quietened(house, each, awake)]


def _quietened(house: House, delivery: NewDelivery, awake: Sequence[str]) -> Sequence[NewDelivery]:
    body: dict[str, Any] = dict(delivery.body)
    if delivery.kind == IN_THREAD:
        labels = {name: value for name, value in body["alert"]["labels"].items() if name != "owner" or value in awake}
        told = replace(delivery, body={**body, "alert": {**body["alert"], "labels": labels}})
        return () if _quiet(house, delivery.channel) else (told,)
    body["owners"] = awake
    stands = "edits" in body and posted_ts(house, body["edits"]) is not None
    if stands or not _quiet(house, delivery.channel):
        return (replace(delivery, body=body),)
    return (replace(delivery, body={**body, "line": group_line(body, zone=house.settings.time_zone)}, held=True),)


def _quiet(house: House, place: str) -> bool:
    return hours_of(house, place).quiet(house.now())


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
