"""Triggers, and what each of their firings came to. A happening fires a trigger once: the key of a firing is its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from sqlite3 import Row

from sqlite_utils import Database

from runner.store.connection import required_time, to_text
from runner.store.standing_orders import Book


@dataclass(frozen=True, slots=True)
class Trigger:
    """A command that is carried out when something happens; only what happens after the event ``after_event`` counts.
    It fires ``most`` times an hour, None any number of times."""

    id: str
    words: str
    command: str
    owner: str
    channel: str | None
    created_at: datetime
    cooldown: timedelta
    most: int | None
    dry_run: bool
    paused: bool
    after_event: int


class Outcome(StrEnum):
    """What came of a happening that a trigger waits for."""

    FIRED = "fired"
    COOLING = "cooling down"
    TOO_OFTEN = "too often within an hour"
    OWN_PRODUCT = "its own product"
    DRY_RUN = "dry run"
    UNSAFE = "not carried out: what it names cannot be typed safely"
    BLIND = "cannot look"


@dataclass(frozen=True, slots=True)
class TriggerFiring:
    """``command`` is the line with its names filled in; ``because`` says in a sentence what happened."""

    trigger_id: str
    key: str
    at: datetime
    outcome: Outcome
    command: str
    because: str


def add(db: Database, trigger: Trigger) -> None:
    """Keep a new trigger."""
    db.conn.execute(
        "INSERT INTO triggers (id, words, command, owner, channel, created_at, cooldown_s, most, dry_run, paused, after_event)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (trigger.id, trigger.words, trigger.command, trigger.owner, trigger.channel, to_text(trigger.created_at),
         trigger.cooldown.total_seconds(), trigger.most, int(trigger.dry_run), int(trigger.paused), trigger.after_event),
    )


def keep_firing(db: Database, firing: TriggerFiring) -> bool:
    """Note what came of a happening; False when it was noted before. Only what fired has still to be carried out."""
    taken_at = None if firing.outcome is Outcome.FIRED else to_text(firing.at)
    return db.conn.execute(
        "INSERT OR IGNORE INTO trigger_firings (trigger_id, key, at, outcome, command, because, taken_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (firing.trigger_id, firing.key, to_text(firing.at), firing.outcome.value, firing.command, firing.because, taken_at),
    ).rowcount == 1


def last_fired(db: Database, trigger_id: str) -> datetime | None:
    """When a trigger fired last."""
    row = db.conn.execute(
        "SELECT max(at) AS at FROM trigger_firings WHERE trigger_id = ? AND outcome = ?", (trigger_id, Outcome.FIRED.value)
    ).fetchone()
    return required_time(row["at"]) if row["at"] else None


def fired_since(db: Database, trigger_id: str, since: datetime) -> int:
    """How often a trigger has fired since a moment."""
    wanted = "SELECT count(*) FROM trigger_firings WHERE trigger_id = ? AND outcome = ? AND at > ?"
    return int(db.conn.execute(wanted, (trigger_id, Outcome.FIRED.value, to_text(since))).fetchone()[0])


def firings(db: Database, trigger_id: str, *, limit: int) -> list[TriggerFiring]:
    """The newest firings of a trigger."""
    rows = db.conn.execute("SELECT * FROM trigger_firings WHERE trigger_id = ? ORDER BY at DESC, rowid DESC LIMIT ?", (trigger_id, limit))
    return [_firing(row) for row in rows]


def keys(db: Database, trigger_id: str) -> set[str]:
    """The keys of all firings of a trigger."""
    return {row["key"] for row in db.conn.execute("SELECT key FROM trigger_firings WHERE trigger_id = ?", (trigger_id,))}


def untaken(db: Database) -> list[tuple[Trigger, TriggerFiring]]:
    """What fired and was not yet carried out, oldest first."""
    rows = db.conn.execute("SELECT * FROM trigger_firings WHERE taken_at IS NULL ORDER BY at, rowid").fetchall()
    return [(BOOK.get(db, row["trigger_id"]), _firing(row)) for row in rows]


def take(db: Database, firing: TriggerFiring, *, now: datetime) -> None:
    """Note that a firing's command was carried out."""
    db.conn.execute(
        "UPDATE trigger_firings SET taken_at = ? WHERE trigger_id = ? AND key = ?", (to_text(now), firing.trigger_id, firing.key)
    )


def _trigger(row: Row) -> Trigger:
    return Trigger(
        row["id"], row["words"], row["command"], row["owner"], row["channel"], required_time(row["created_at"]),
        timedelta(seconds=row["cooldown_s"]), row["most"], bool(row["dry_run"]), bool(row["paused"]), row["after_event"],
    )


def _firing(row: Row) -> TriggerFiring:
    return TriggerFiring(row["trigger_id"], row["key"], required_time(row["at"]), Outcome(row["outcome"]), row["command"], row["because"])


BOOK = Book("trigger", "trigger_firings", _trigger)
