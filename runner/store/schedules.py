"""Schedules and their firings. The table is the truth; a firing is one row, made once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from sqlite3 import Row

from sqlite_utils import Database

from runner.store.connection import required_time, to_text, to_time
from runner.store.standing_orders import Book

GRACE = timedelta(hours=6)
"""How late an occurrence may usually still be carried out after a downtime."""


class Overlap(StrEnum):
    """What happens at a time at which runs of an earlier one still go on: it is passed over, waits for them, or has them stopped."""

    SKIP = "skip"
    QUEUE = "queue"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Schedule:
    """A command to run at the times of a POSIX cron line in a named zone. ``words`` are what the person typed; ``until`` is
    when it ends, ``skip_due_at`` a time to pass over, and ``grace`` how late an occurrence may still be carried out."""

    id: str
    words: str
    cron: str
    zone: str
    command: str
    owner: str
    channel: str | None
    created_at: datetime
    paused: bool = False
    last_due_at: datetime | None = None
    overlap: Overlap = Overlap.SKIP
    until: datetime | None = None
    skip_due_at: datetime | None = None
    grace: timedelta = GRACE


def add(db: Database, schedule: Schedule) -> None:
    """Keep a new schedule."""
    db.conn.execute(
        "INSERT INTO schedules (id, words, cron, zone, command, owner, channel, created_at, overlap, until, grace_s)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            schedule.id, schedule.words, schedule.cron, schedule.zone, schedule.command, schedule.owner, schedule.channel,
            to_text(schedule.created_at), schedule.overlap.value, to_text(schedule.until), schedule.grace.total_seconds(),
        ),
    )


def skip(db: Database, schedule_id: str, due_at: datetime) -> None:
    """Note a time to pass over."""
    db.conn.execute("UPDATE schedules SET skip_due_at = ? WHERE id = ?", (to_text(due_at), schedule_id))


def fire_now(db: Database, schedule_id: str, now: datetime) -> bool:
    """Note that a schedule is due beside its times; False when that moment was noted before."""
    return db.conn.execute("INSERT OR IGNORE INTO firings (schedule_id, due_at) VALUES (?, ?)", (schedule_id, to_text(now))).rowcount == 1


def fire(db: Database, schedule_id: str, due_at: datetime) -> bool:
    """Note that a schedule is due; False when that occurrence was noted before."""
    pass_over(db, schedule_id, until=due_at)
    return fire_now(db, schedule_id, due_at)


def pass_over(db: Database, schedule_id: str, *, until: datetime) -> None:
    """Let a schedule owe nothing up to a moment."""
    db.conn.execute(
        "UPDATE schedules SET last_due_at = ? WHERE id = ? AND (last_due_at IS NULL OR last_due_at < ?)",
        (to_text(until), schedule_id, to_text(until)),
    )


def untaken_firings(db: Database) -> list[tuple[Schedule, datetime]]:
    """Firings whose command was not yet carried out."""
    rows = db.conn.execute("SELECT schedule_id, due_at FROM firings WHERE taken_at IS NULL ORDER BY due_at").fetchall()
    return [(BOOK.get(db, row["schedule_id"]), required_time(row["due_at"])) for row in rows]


def take_firing(db: Database, schedule_id: str, due_at: datetime, *, now: datetime) -> None:
    """Note that a firing's command was carried out; in the transaction that carries it out."""
    db.conn.execute("UPDATE firings SET taken_at = ? WHERE schedule_id = ? AND due_at = ?", (to_text(now), schedule_id, to_text(due_at)))


def _schedule(row: Row) -> Schedule:
    return Schedule(
        id=row["id"], words=row["words"], cron=row["cron"], zone=row["zone"], command=row["command"], owner=row["owner"],
        channel=row["channel"], created_at=required_time(row["created_at"]), paused=bool(row["paused"]),
        last_due_at=to_time(row["last_due_at"]), overlap=Overlap(row["overlap"]), until=to_time(row["until"]),
        skip_due_at=to_time(row["skip_due_at"]), grace=timedelta(seconds=row["grace_s"]),
    )


BOOK = Book("schedule", "firings", _schedule)
