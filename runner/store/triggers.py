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
    """A command that is carried out when something happens; only what happens after the event ``after_event`` counts."""

    id: str
    words: str
    command: str
    owner: str
    channel: str | None
    created_at: datetime
    cooldown: timedelta
    dry_run: bool
    paused: bool
    after_event: int


class Outcome(StrEnum):
    """What came of a happening that a trigger waits for."""

    FIRED = "fired"
    COOLING = "cooling down"
    OWN_PRODUCT = "its own product"
    DRY_RUN = "dry run"
    UNSAFE = "not carried out: a name in it would be read as an option"


@dataclass(frozen=True, slots=True)
class TriggerFiring:
    """``command`` is the line with its names filled in; ``because`` says in a sentence what happened."""

    trigger_id: str
    key: str
    at: datetime
    outcome: Outcome
    command: str
    because: str


def add(
    db: Database, *, words: str, command: str, owner: str, channel: str | None, cooldown: timedelta, dry_run: bool, now: datetime
) -> Trigger:
    """Keep a new trigger."""
    newest = db.conn.execute("SELECT coalesce(max(id), 0) AS newest FROM events").fetchone()["newest"]
    trigger_id = BOOK.new_id()
    db.conn.execute(
        "INSERT INTO triggers (id, words, command, owner, channel, created_at, cooldown_s, dry_run, after_event)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (trigger_id, words, command, owner, channel, to_text(now), cooldown.total_seconds(), int(dry_run), newest),
    )
    return BOOK.get(db, trigger_id)


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


def firings(db: Database, trigger_id: str, *, limit: int) -> list[TriggerFiring]:
    """The newest firings of a trigger."""
    rows = db.conn.execute("SELECT * FROM trigger_firings WHERE trigger_id = ? ORDER BY at DESC, rowid DESC LIMIT ?", (trigger_id, limit))
    return [_firing(row) for row in rows]


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
        timedelta(seconds=row["cooldown_s"]), bool(row["dry_run"]), bool(row["paused"]), row["after_event"],
    )


def _firing(row: Row) -> TriggerFiring:
    return TriggerFiring(row["trigger_id"], row["key"], required_time(row["at"]), Outcome(row["outcome"]), row["command"], row["because"])


BOOK = Book("trigger", "trigger_firings", _trigger)
