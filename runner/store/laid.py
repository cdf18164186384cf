"""Directories that were laid on hosts ahead of their runs' turn, written down before anything of them lies there."""

from __future__ import annotations

from dataclasses import dataclass

from sqlite_utils import Database

from runner.entities import Attempt


@dataclass(frozen=True, slots=True)
class LaidAhead:
    """A directory on a host that a run might have started in; ``taken``: an attempt did, and has its own history."""

    host: str
    directory: str
    run_id: str
    nonce: str
    taken: bool


def note(db: Database, attempt: Attempt) -> None:
    """Keep where an attempt that has not begun is about to lie."""
    db.conn.execute(
        "INSERT OR IGNORE INTO laid (host, directory, run_id, number) VALUES (?, ?, ?, ?)",
        (attempt.host, attempt.directory, attempt.run_id, attempt.number),
    )


def of_no_use(db: Database) -> list[LaidAhead]:
    """Those whose run has ended or has begun that attempt. Two hosts may share a folder, so whoever began in it has taken it from both."""
    rows = db.conn.execute(
        "SELECT laid.*, nonce, EXISTS (SELECT 1 FROM attempts WHERE attempts.directory = laid.directory) AS taken"
        " FROM laid JOIN runs ON runs.id = laid.run_id WHERE runs.attempt >= laid.number OR runs.state NOT IN ('PENDING', 'RUNNING')"
    )
    return [LaidAhead(row["host"], row["directory"], row["run_id"], row["nonce"], bool(row["taken"])) for row in rows]


def forget(db: Database, one: LaidAhead) -> None:
    """It lies there no more, or is an attempt's."""
    db.conn.execute("DELETE FROM laid WHERE host = ? AND directory = ?", (one.host, one.directory))
