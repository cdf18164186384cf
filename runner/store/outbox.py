"""Messages owed to channels because of events, and the cards that are edited in place.

A delivery goes ``owed`` → ``sending`` → ``sent`` (or ``failed``, or ``settled`` where another says it; ``held`` until then). Its id
travels in the message's metadata, so that a row left in ``sending`` by a crash is settled by reading the channel back.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Row

from sqlite_utils import Database

from runner.store.connection import required_time, to_text, to_time


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message owed to a channel. ``kind`` and ``body`` are the face's own words for what to show."""

    id: str
    channel: str
    run_id: str | None
    kind: str
    body: Mapping[str, object]
    state: str
    attempts: int
    not_before: datetime | None
    ts: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Card:
    """A message that is edited in place (``part``: card, epochs, plot): where it stands and what it last showed."""

    run_id: str
    part: str
    channel: str
    ts: str | None
    sent_digest: str | None
    sent_at: datetime | None
    link: str | None = None
    """Where people find it, in Slack's own words."""


def owe(
    db: Database, delivery_id: str, *, channel: str, kind: str, body: Mapping[str, object], now: datetime,
    run_id: str | None = None, event_id: int | None = None,
) -> None:
    """Owe a message. The id is made from what caused it, so owing it twice is owing it once."""
    db.conn.execute(
        "INSERT OR IGNORE INTO deliveries (id, seq, event_id, channel, run_id, kind, body, state, created_at)"
        " VALUES (?, (SELECT coalesce(max(seq), 0) + 1 FROM deliveries), ?, ?, ?, ?, ?, 'owed', ?)",
        (delivery_id, event_id, channel, run_id, kind, json.dumps(body), to_text(now)),
    )


def hold_back(db: Database, delivery_id: str) -> None:
    """Do not send what is owed, until another message says it."""
    db.conn.execute("UPDATE deliveries SET state = 'held' WHERE id = ? AND state = 'owed'", (delivery_id,))


def held(db: Database) -> list[Delivery]:
    """Every delivery that is held back, in the order they were owed."""
    return [_delivery(row) for row in db.conn.execute("SELECT * FROM deliveries WHERE state = 'held' ORDER BY seq")]


def owed(db: Database) -> list[Delivery]:
    """Every delivery not yet settled, in the order they were owed."""
    return [_delivery(row) for row in db.conn.execute("SELECT * FROM deliveries WHERE state IN ('owed', 'sending') ORDER BY seq")]


def mark_sending(db: Database, delivery_id: str) -> None:
    """Note that the call is about to be made."""
    db.conn.execute("UPDATE deliveries SET state = 'sending', attempts = attempts + 1 WHERE id = ?", (delivery_id,))


def mark_sent(db: Database, delivery_id: str, *, ts: str | None, now: datetime) -> None:
    """Note that the message stands in the channel."""
    db.conn.execute("UPDATE deliveries SET state = 'sent', ts = ?, sent_at = ? WHERE id = ?", (ts, to_text(now), delivery_id))


def posted_ts(db: Database, delivery_id: str) -> str | None:
    """The ts of a message that stands in its channel; None where it was not sent."""
    row = db.conn.execute("SELECT ts FROM deliveries WHERE id = ?", (delivery_id,)).fetchone()
    return row["ts"] if row else None


def mark_owed(db: Database, delivery_id: str, *, error: str, not_before: datetime | None) -> None:
    """Put a delivery back after a failure that may pass."""
    db.conn.execute(
        "UPDATE deliveries SET state = 'owed', error = ?, not_before = ? WHERE id = ?", (error, to_text(not_before), delivery_id)
    )


def mark_failed(db: Database, delivery_id: str, *, error: str) -> None:
    """Give a delivery up: trying again would change nothing."""
    db.conn.execute("UPDATE deliveries SET state = 'failed', error = ? WHERE id = ?", (error, delivery_id))


def mark_settled(db: Database, delivery_ids: Sequence[str]) -> None:
    """Note that these need not be sent any more: another message says it."""
    db.conn.executemany("UPDATE deliveries SET state = 'settled' WHERE id = ?", [(each,) for each in delivery_ids])


def last_posts(db: Database, *, since: datetime) -> dict[str, datetime]:
    """When each channel last got a message, of those that did after a moment."""
    query = "SELECT channel, max(sent_at) AS at FROM deliveries WHERE sent_at > ? GROUP BY channel"
    return {row["channel"]: required_time(row["at"]) for row in db.conn.execute(query, (to_text(since),))}


def cards(db: Database, run_id: str) -> dict[str, Card]:
    """The cards of a run by part."""
    rows = db.conn.execute("SELECT * FROM cards WHERE run_id = ?", (run_id,))
    found = [
        Card(row["run_id"], row["part"], row["channel"], row["ts"], row["sent_digest"], to_time(row["sent_at"]), row["link"])
        for row in rows
    ]
    return {card.part: card for card in found}


def links(db: Database, run_ids: Collection[str]) -> dict[str, str]:
    """Where the cards of these runs are found, as far as that is known."""
    query = "SELECT run_id, link FROM cards WHERE part = 'card' AND link IS NOT NULL AND run_id IN (SELECT value FROM json_each(?))"
    return {row["run_id"]: row["link"] for row in db.conn.execute(query, (json.dumps([*run_ids]),))}


def keep_card(db: Database, card: Card) -> None:
    """Note where a card stands and what it shows."""
    db.conn.execute(
        "INSERT OR REPLACE INTO cards (run_id, part, channel, ts, sent_digest, sent_at, link) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (card.run_id, card.part, card.channel, card.ts, card.sent_digest, to_text(card.sent_at), card.link),
    )


def drop_card(db: Database, run_id: str, part: str) -> None:
    """Forget a card that is no longer in its channel."""
    db.conn.execute("DELETE FROM cards WHERE run_id = ? AND part = ?", (run_id, part))


def cursor(db: Database, name: str) -> int:
    """How far a reader of events has come."""
    row = db.conn.execute("SELECT value FROM cursors WHERE name = ?", (name,)).fetchone()
    return 0 if row is None else int(row["value"])


def move_cursor(db: Database, name: str, value: int) -> None:
    """Note how far a reader of events has come; in the transaction that owes what they led to."""
    db.conn.execute("INSERT OR REPLACE INTO cursors (name, value) VALUES (?, ?)", (name, value))


def _delivery(row: Row) -> Delivery:
    return Delivery(
        id=row["id"], channel=row["channel"], run_id=row["run_id"], kind=row["kind"], body=json.loads(row["body"]),
        state=row["state"], attempts=row["attempts"], not_before=to_time(row["not_before"]), ts=row["ts"],
        created_at=required_time(row["created_at"]),
    )
