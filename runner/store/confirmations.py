"""Questions that people were asked before something is lost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlite_utils import Database

from runner.store.connection import required_time, to_text


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked of whom, and whether they said yes."""

    line: str
    person: str
    asked_at: datetime
    settled: bool


def add(db: Database, question: str, *, line: str, person: str, now: datetime) -> None:
    """Note a question."""
    db.conn.execute("INSERT INTO confirmations (id, line, person, asked_at) VALUES (?, ?, ?, ?)", (question, line, person, to_text(now)))


def find(db: Database, question: str) -> Question | None:
    """The question of that id."""
    row = db.conn.execute("SELECT * FROM confirmations WHERE id = ?", (question,)).fetchone()
    return None if row is None else Question(row["line"], row["person"], required_time(row["asked_at"]), row["settled_at"] is not None)


def settle(db: Database, question: str, *, now: datetime) -> None:
    """Note that it was answered with yes."""
    db.conn.execute("UPDATE confirmations SET settled_at = ? WHERE id = ?", (to_text(now), question))
