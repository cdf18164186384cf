"""Locks: devices and hosts that people keep for something of their own."""

from __future__ import annotations

from datetime import datetime

from sqlite_utils import Database

from runner.queueing.facts import Lock
from runner.store.connection import required_time, to_text


def put(db: Database, lock: Lock, *, now: datetime) -> None:
    """Keep a lock; one that stands there already is replaced."""
    db.conn.execute(
        "INSERT OR REPLACE INTO locks (host, device, owner, until, reason, at) VALUES (?, ?, ?, ?, ?, ?)",
        (lock.host, lock.device or "", lock.owner, to_text(lock.until), lock.reason, to_text(now)),
    )


def all_locks(db: Database, *, now: datetime) -> list[Lock]:
    """The locks that hold at a moment, by host and device."""
    rows = db.conn.execute("SELECT * FROM locks WHERE until > ? ORDER BY host, device", (to_text(now),))
    return [Lock(row["host"], row["device"] or None, row["owner"], required_time(row["until"]), row["reason"]) for row in rows]


def remove(db: Database, host: str, device: str | None) -> None:
    """Forget a lock."""
    db.conn.execute("DELETE FROM locks WHERE host = ? AND device = ?", (host, device or ""))
