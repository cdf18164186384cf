"""Locks: devices and hosts that people keep for something of their own."""

from __future__ import annotations

from datetime import datetime
from sqlite3 import Row

from sqlite_utils import Database

from runner.queueing.facts import Lock
from runner.store import hosts
from runner.store.connection import required_time, to_text


def put(db: Database, lock: Lock, *, now: datetime) -> None:
    """Keep a lock; one that stands there already is replaced."""
    db.conn.execute(
        "INSERT OR REPLACE INTO locks (host, device, owner, until, reason, at, channel, thread) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (lock.host, lock.device or "", lock.owner, to_text(lock.until), lock.reason, to_text(now), lock.channel, lock.thread),
    )


def all_locks(db: Database, *, now: datetime) -> list[Lock]:
    """The locks that hold at a moment, by host and device."""
    return [_lock(db, row) for row in db.conn.execute("SELECT * FROM locks WHERE until > ? ORDER BY host, device", (to_text(now),))]


def expired(db: Database, *, now: datetime) -> list[Lock]:
    """The locks that hold no more, and that nobody has forgotten yet."""
    return [_lock(db, row) for row in db.conn.execute("SELECT * FROM locks WHERE until <= ? ORDER BY host, device", (to_text(now),))]


def remove(db: Database, host: str, device: str | None) -> None:
    """Forget a lock."""
    db.conn.execute("DELETE FROM locks WHERE host = ? AND device = ?", (host, device or ""))


def _lock(db: Database, row: Row) -> Lock:
    gpus = hosts.devices(db, hosts.get(db, row["host"])) if row["device"] else []
    index = next((gpu.index for gpu in gpus if gpu.uuid == row["device"]), None)
    return Lock(
        row["host"], row["device"] or None, row["owner"], required_time(row["until"]), row["reason"], index, row["channel"], row["thread"]
    )
