"""Everything that happened, in order: history, audit, and what deliveries are owed for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from sqlite3 import Row

from sqlite_utils import Database

from runner.entities import Event
from runner.store.connection import required_time, to_text


def record(
    db: Database, kind: str, *, at: datetime, payload: Mapping[str, object], run_id: str | None = None, actor: str | None = None
) -> int:
    """Append one event; returns its id."""
    cursor = db.conn.execute(
        "INSERT INTO events (at, kind, run_id, actor, payload) VALUES (?, ?, ?, ?, ?)",
        (to_text(at), kind, run_id, actor, json.dumps(payload)),
    )
    return int(cursor.lastrowid or 0)


def after(db: Database, event_id: int, *, limit: int = 500) -> list[Event]:
    """Events newer than ``event_id``, oldest first."""
    rows = db.conn.execute("SELECT * FROM events WHERE id > ? ORDER BY id LIMIT ?", (event_id, limit))
    return [_event(row) for row in rows]


def of_run(db: Database, run_id: str) -> list[Event]:
    """What happened to one run, oldest first."""
    return [_event(row) for row in db.conn.execute("SELECT * FROM events WHERE run_id = ? ORDER BY id", (run_id,))]


def run_of(db: Database, event_id: int) -> str | None:
    """The run that an event is about."""
    row = db.conn.execute("SELECT run_id FROM events WHERE id = ?", (event_id,)).fetchone()
    return None if row is None else row["run_id"]


def _event(row: Row) -> Event:
    return Event(row["id"], required_time(row["at"]), row["kind"], row["run_id"], row["actor"], json.loads(row["payload"]))
