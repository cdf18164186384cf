"""What the face may do with the messages it owes: owe, send, settle; and the cards that it edits in place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from runner.entities import Event, Place, Run
from runner.errors import RequestError
from runner.service.house import House, Requester
from runner.settings import Role
from runner.store import events, outbox, runs
from runner.store.card_stamps import CardStamp, StaleCards
from runner.store.outbox import Card, Delivery

__all__ = [
    "Card", "CardStamp", "Delivery", "NewDelivery", "StaleCards", "add", "cards", "fail", "forget_card", "held", "keep_card", "last_posts",
    "links", "mark_sending", "note_sent", "owe_for_events", "owed", "posted_ts", "put_back", "say", "settle_by",
]

CURSOR = "notifier"


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A message to owe. ``id`` is made from its cause, so that the same cause owes it once. ``held``: back, until it is folded."""

    id: str
    channel: str
    kind: str
    body: Mapping[str, object]
    run_id: str | None = None
    held: bool = False


def owe_for_events(
    house: House, decide: Callable[[Event, Run | None], Sequence[NewDelivery]], *, before_commit: Callable[[], None], limit: int = 200
) -> int:
    """Owe what ``decide`` says for every event not yet looked at, and note in the same transaction that they were; returns how many.

    ``before_commit`` is called when the events have been read.
    """
    if not events.after(house.store.reading(), outbox.cursor(house.store.reading(), CURSOR), limit=1):
        return 0
    with house.store.writing() as db:
        unread = events.after(db, outbox.cursor(db, CURSOR), limit=limit)
        before_commit()
        for event in unread:
            for delivery in decide(event, runs.get(db, event.run_id) if event.run_id else None):
                _owe(house, delivery, event_id=event.id)
        outbox.move_cursor(db, CURSOR, unread[-1].id)
        return len(unread)


def add(house: House, delivery: NewDelivery) -> None:
    """Owe one message that no event caused, such as an answer."""
    with house.store.writing():
        _owe(house, delivery, event_id=None)


def say(house: House, who: Requester, channel: str, text: str) -> None:
    """Owe a channel what somebody wants said there: the one they speak in, or one that is listed; else RequestError."""
    who.must_be(Role.MEMBER, "post messages")
    if channel != who.place.channel and channel not in house.settings.access.channels:
        raise RequestError(f"{channel} is none of access.channels in the settings; only those take messages.")
    add(house, NewDelivery(f"said:{who.request_id}", channel, "text", {"text": text}))


def owed(house: House) -> list[Delivery]:
    """Every delivery not yet settled, in the order they were owed."""
    return outbox.owed(house.store.reading())


def held(house: House) -> list[Delivery]:
    """Every delivery that is held back, in the order they were owed."""
    return outbox.held(house.store.reading())


def mark_sending(house: House, delivery: Delivery) -> None:
    """Note that the call is about to be made."""
    with house.store.writing() as db:
        outbox.mark_sending(db, delivery.id)


def note_sent(house: House, delivery: Delivery, *, ts: str | None, card: Card | None = None) -> None:
    """Note that the message stands in the channel, and which part of a run's face it is; a run's card is where its thread grows."""
    with house.store.writing() as db:
        outbox.mark_sent(db, delivery.id, ts=ts, now=house.now())
        if card is None:
            return
        outbox.keep_card(db, card)
        if card.part == "card":
            runs.move_to_thread(db, card.run_id, Place(card.channel, card.ts))


def posted_ts(house: House, delivery_id: str) -> str | None:
    """Where a message stands that was sent; None where it does not."""
    return outbox.posted_ts(house.store.reading(), delivery_id)


def put_back(house: House, delivery: Delivery, *, error: str, not_before: datetime | None) -> None:
    """Owe a delivery again that certainly was not made."""
    with house.store.writing() as db:
        outbox.mark_owed(db, delivery.id, error=error, not_before=not_before)


def fail(house: House, delivery: Delivery, *, error: str) -> None:
    """Give a delivery up: trying again would change nothing."""
    with house.store.writing() as db:
        outbox.mark_failed(db, delivery.id, error=error)


def settle_by(house: House, needless: Sequence[Delivery], instead: NewDelivery) -> None:
    """Owe one message instead of several, which are then never sent."""
    with house.store.writing() as db:
        outbox.mark_settled(db, [delivery.id for delivery in needless])
        _owe(house, instead, event_id=None)


def last_posts(house: House, *, since: datetime) -> Mapping[str, datetime]:
    """When each channel last got a message, of those that did after a moment."""
    return outbox.last_posts(house.store.reading(), since=since)


def cards(house: House, run_id: str) -> dict[str, Card]:
    """The cards of a run by part."""
    return outbox.cards(house.store.reading(), run_id)


def links(house: House, run_ids: Collection[str]) -> Mapping[str, str]:
    """Where the cards of these runs are found in Slack, as far as that is known."""
    return outbox.links(house.store.reading(), run_ids)


def keep_card(house: House, card: Card) -> None:
    """Note what a card shows; ``sent_at`` is the moment that it shows."""
    with house.store.writing() as db:
        outbox.keep_card(db, card)


def forget_card(house: House, card: Card, again: NewDelivery) -> None:
    """A card was deleted by somebody: owe a new one in its place."""
    with house.store.writing() as db:
        outbox.drop_card(db, card.run_id, card.part)
        _owe(house, again, event_id=None)


def _owe(house: House, delivery: NewDelivery, *, event_id: int | None) -> None:
    with house.store.writing() as db:
        outbox.owe(
            db, delivery.id, channel=delivery.channel, kind=delivery.kind, body=delivery.body, now=house.now(),
            run_id=delivery.run_id, event_id=event_id,
        )
        if delivery.held:
            outbox.hold_back(db, delivery.id)
