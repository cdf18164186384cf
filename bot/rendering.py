"""What a delivery looks like now: read from the database when it is sent, so that it never shows what is no longer so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.alert_deliveries import GROUP, IN_THREAD
from bot.answer import Block
from bot.audit_file import KIND as AUDIT
from bot.audit_file import audit_message
from bot.dataset_pictures import dataset_picture
from bot.links import linked
from bot.message import FILES, Message, Picture
from bot.result_files import files_message, shown_by, where
from bot.run_pictures import detections, run_picture, worse_than_champion
from bot.views.alert import failure_alert
from bot.views.alerts import group_message, thread_text
from bot.views.approval import approval_request
from bot.views.dataset_card import dataset_card
from bot.views.outcome import outcome
from bot.views.report import report
from bot.views.result import final_result
from bot.views.retraining import retraining_card
from bot.views.run_card import epoch_table, run_card
from bot.views.words import code
from runner.alerts.rules import Rule
from runner.entities import Place
from runner.service import approvals
from runner.service.alerts import rule
from runner.service.house import House
from runner.service.models import results_of
from runner.service.outbox import Delivery, posted_ts
from runner.service.retraining import champion_for, retraining_with
from runner.service.views import RunView, view
from runner.specs import Kind


def render(house: House, delivery: Delivery) -> Message:
    """The message that a delivery is. KeyError when its kind is unknown."""
    message = _KINDS[delivery.kind](house, delivery)
    return message if message.person or message.part else linked(house, message, but=delivery.run_id if message.place.thread else None)


def render_part(house: House, run_id: str, part: str, *, channel: str) -> Message:
    """A run's card, epoch table or plot as it should look now."""
    as_of = house.now()
    shown = view(house, run_id)
    zone = house.settings.time_zone
    thread = Place(channel, shown.run.place.thread)
    if part == "epochs":
        text, blocks = epoch_table(shown, zone=zone)
        return Message(text, blocks, thread, part=part, as_of=as_of)
    if part == "plot":
        return Message(f"Curves of {run_id}", (), thread, pictures=[_curve(house, shown, "plot")], part=part, as_of=as_of)
    text, blocks = run_card(shown, zone=zone)
    return linked(house, Message(text, blocks, Place(channel), part=part, as_of=as_of), but=run_id)


def _card(house: House, delivery: Delivery) -> Message:
    return render_part(house, _run_of(delivery), str(delivery.body["part"]), channel=delivery.channel)


def _text(house: House, delivery: Delivery) -> Message:
    body = delivery.body
    thread = body.get("thread")
    if body.get("in_thread") and delivery.run_id:
        thread = view(house, delivery.run_id).run.place.thread
    person = body.get("person")
    return Message(
        str(body["text"]), _blocks(body), Place(delivery.channel, str(thread) if thread else None), person=str(person) if person else None,
        replaces=str(body.get("replaces") or ""),
    )


def _alert(house: House, delivery: Delivery) -> Message:
    shown = view(house, _run_of(delivery))
    text, blocks = failure_alert(shown, zone=house.settings.time_zone)
    return Message(text, blocks, Place(delivery.channel, shown.run.place.thread if delivery.body.get("in_thread") else None))


def _approval(house: House, delivery: Delivery) -> Message:
    run = view(house, _run_of(delivery)).run
    shown = approval_request(run, approvals.approvers(house, run), approvals.decision(house, run), zone=house.settings.time_zone)
    return Message(*shown, Place(delivery.channel), edits=_edited(house, delivery))


def _result(house: House, delivery: Delivery) -> Message:
    shown = view(house, _run_of(delivery))
    place, trains = Place(delivery.channel, shown.run.place.thread), shown.run.kind is Kind.TRAIN
    parent = view(house, shown.run.parent_id) if shown.run.parent_id and trains else None
    best = champion_for(house, shown.run) if trains else None
    text, blocks = final_result(shown, parent=parent, champion=view(house, best.run_id) if best else None)
    return Message(text, blocks, place, pictures=[_curve(house, shown, "result")] if trains else detections(house, shown.run.id))


def _detections(house: House, delivery: Delivery) -> Message:
    run_id = _run_of(delivery)
    pictures = detections(house, run_id)
    text = f"The worst and the best images of {code(run_id)} at its last validation:" if pictures else f"{code(run_id)} shows no images."
    return Message(text, (), Place(delivery.channel, view(house, run_id).run.place.thread), pictures=pictures)


def _retraining(house: House, delivery: Delivery) -> Message:
    settled = retraining_with(house, _run_of(delivery))
    assert settled is not None
    measured, champion = (view(house, each) if each else None for each in (settled.eval_id, settled.champion_eval_id))
    trained = view(house, settled.run_id)
    text, blocks = retraining_card(settled, trained, measured, champion)
    curve = _curve(house, trained, "retraining")
    return Message(text, blocks, Place(delivery.channel), pictures=[curve, *worse_than_champion(house, settled)])


def _outcome(house: House, delivery: Delivery) -> Message:
    shown = view(house, _run_of(delivery))
    files = results_of(house, shown.run.id)
    text, blocks = outcome(shown, files, shown_by(shown, files), where=where(house, shown.run.id))
    return Message(text, blocks, Place(delivery.channel, shown.run.place.thread))


def _dataset(house: House, delivery: Delivery) -> Message:
    run = view(house, _run_of(delivery))
    version = house.catalog.get(str(run.result["reference"]))
    text, blocks = dataset_card(version, run=run.run)
    samples = dataset_picture(house, version, "samples", name=delivery.id) if version.preview else None
    return Message(text, blocks, Place(delivery.channel), pictures=[samples] if samples else [])


def _dataset_picture(house: House, delivery: Delivery) -> Message:
    body = delivery.body
    version = house.catalog.get(str(body["reference"]))
    shown = dataset_picture(house, version, str(body["part"]), name=delivery.id)
    thread, person = body.get("thread"), body.get("person")
    place = Place(delivery.channel, str(thread) if thread else None)
    return Message(shown.title, (), place, person=str(person) if person else None, pictures=[shown])


def _report(house: House, delivery: Delivery) -> Message:
    shown = view(house, _run_of(delivery))
    text, blocks = report(shown)
    return Message(text, blocks, Place(delivery.channel, shown.run.place.thread))


def _alert_group(house: House, delivery: Delivery) -> Message:
    body = delivery.body
    shown = group_message(body, _rule_of(house, body), zone=house.settings.time_zone)
    return Message(*shown, Place(delivery.channel), edits=_edited(house, delivery))


def _alert_in_thread(house: House, delivery: Delivery) -> Message:
    listed: Mapping[str, Any] = delivery.body["alert"]  # type: ignore[assignment]  # what the runner recorded
    thread = view(house, _run_of(delivery)).run.place.thread
    return Message(thread_text(listed, rule(house, listed["labels"]["alertname"])), (), Place(delivery.channel, thread))


def _edited(house: House, delivery: Delivery) -> str | None:
    """Where the message stands that a delivery replaces."""
    edits = delivery.body.get("edits")
    return posted_ts(house, str(edits)) if edits else None


def _rule_of(house: House, told: Mapping[str, Any]) -> Rule | None:
    first = [*told["firing"], *told["resolved"]][0]
    return rule(house, first["labels"]["alertname"])


def _plot(house: House, delivery: Delivery) -> Message:
    body = delivery.body
    listed, thread, person = body["runs"], body.get("thread"), body.get("person")
    run_ids = [str(each) for each in listed] if isinstance(listed, list) else []
    shown = run_picture(house, run_ids, str(body["subject"]), str(body["theme"]), name=delivery.id)
    place = Place(delivery.channel, str(thread) if thread else None)
    return Message(shown.title, (), place, person=str(person) if person else None, pictures=[shown])


def _curve(house: House, shown: RunView, name: str) -> Picture:
    facts = f"{shown.run.state} {len(shown.epoch_ends)} {len(shown.evaluations)}"
    return replace(run_picture(house, [shown.run.id], "loss", "light", name=f"{name}-{shown.run.id}"), facts=facts)


def _run_of(delivery: Delivery) -> str:
    if delivery.run_id is None:
        raise ValueError(f"The delivery {delivery.id} ({delivery.kind}) belongs to no run.")
    return delivery.run_id


def _blocks(body: Mapping[str, object]) -> Sequence[Block]:
    blocks = body.get("blocks")
    return tuple(blocks) if isinstance(blocks, list) else ()


_KINDS: Mapping[str, Callable[[House, Delivery], Message]] = {
    "card": _card,
    "text": _text,
    "alert": _alert,
    "approval": _approval,
    "result": _result,
    "detections": _detections,
    "retraining": _retraining,
    "dataset": _dataset,
    "dataset_picture": _dataset_picture,
    "report": _report,
    "outcome": _outcome,
    GROUP: _alert_group,
    IN_THREAD: _alert_in_thread,
    "plot": _plot,
    FILES: files_message,
    AUDIT: audit_message,
}
