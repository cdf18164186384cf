"""What the alert rules look at, read in a few queries: runs that live or ended of late, and of points and events what is new."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlite_utils import Database

from runner.entities import Progress
from runner.specs import Kind
from runner.states import Reason, State
from runner.store.connection import required_time, to_text, to_time

MOST_WAITING = 200
"""Runs. Of thousands that wait, the oldest tell enough."""
MOST_ENDED = 500
MOST_POINTS = 5_000
"""Of an attempt that is at work already when it is first looked at."""
_RUNS = """
SELECT runs.id, runs.kind, runs.reason, runs.detail, runs.owner, runs.channel, runs.host, runs.attempt, runs.created_at, runs.updated_at,
    runs.ended_at, runs.parent_id, attempts.claimed_at, attempts.log_grown_at,
    runs.state = 'FAILED' AND EXISTS (SELECT 1 FROM runs AS child WHERE child.parent_id = runs.id) AS followed
FROM runs LEFT JOIN attempts ON attempts.run_id = runs.id AND attempts.number = runs.attempt
    AND attempts.rank = 0 WHERE
"""
_POINTS = 'SELECT run_id, attempt, at, epoch, iteration, iterations, loss, step_s, "values" FROM progress WHERE '


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run and its newest attempt, without what it was asked to do. ``followed``: a failed one that somebody has taken up."""

    id: str
    kind: Kind
    reason: Reason
    detail: str
    owner: str
    channel: str | None
    host: str | None
    attempt: int
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    parent_id: str | None
    claimed_at: datetime | None
    log_grown_at: datetime | None
    followed: bool


def run_rows(db: Database, *, ended_after: datetime) -> list[RunRow]:
    """Every run that is running, the oldest that wait, and those that failed or succeeded after a moment."""
    of_state = f"{_RUNS} runs.state IN ('PENDING', 'RUNNING') AND runs.state = ?"  # only so is there an index
    ended = f"{_RUNS} runs.ended_at > ? AND runs.state IN ('FAILED', 'SUCCEEDED') ORDER BY runs.ended_at DESC LIMIT {MOST_ENDED}"
    rows = [
        *db.conn.execute(of_state, (State.RUNNING.value,)),
        *db.conn.execute(f"{of_state} ORDER BY runs.created_at LIMIT {MOST_WAITING}", (State.PENDING.value,)),
        *db.conn.execute(ended, (to_text(ended_after),)),
    ]
    return [
        RunRow(
            row["id"], Kind(row["kind"]), Reason(row["reason"]), row["detail"], row["owner"], row["channel"], row["host"], row["attempt"],
            required_time(row["created_at"]), required_time(row["updated_at"]), to_time(row["ended_at"]), row["parent_id"],
            to_time(row["claimed_at"]), to_time(row["log_grown_at"]), bool(row["followed"]),
        )
        for row in rows
    ]


def newest_point(db: Database) -> int:
    """The number of the newest point of all runs."""
    return int(db.conn.execute("SELECT coalesce(max(id), 0) FROM progress").fetchone()[0])


def points_between(db: Database, after: int, upto: int) -> Iterator[tuple[tuple[str, int], Progress, datetime]]:
    """((run, attempt), point, when it was read), by the points' numbers."""
    return _points(db, f"{_POINTS} id > ? AND id <= ? ORDER BY id", (after, upto))


def points_of(db: Database, run_id: str, attempt: int, upto: int) -> Iterator[tuple[tuple[str, int], Progress, datetime]]:
    """The same for one attempt, from its first point on."""
    return _points(db, f"{_POINTS} run_id = ? AND attempt = ? AND id <= ? ORDER BY id LIMIT {MOST_POINTS}", (run_id, attempt, upto))


def newest_evaluation(db: Database, run_id: str) -> int:
    """The number of a run's newest evaluation; 0 where it has none."""
    return int(db.conn.execute("SELECT coalesce(max(id), 0) FROM evaluations WHERE run_id = ?", (run_id,)).fetchone()[0])


def average_precisions(db: Database, run_id: str) -> list[tuple[int, float]]:
    """(epoch, mAP) of every evaluation of a run's first task, bounding boxes before others."""
    wanted = "SELECT epoch, task, ap FROM evaluations WHERE run_id = ? AND ap IS NOT NULL ORDER BY task != 'bbox', id"
    rows = db.conn.execute(wanted, (run_id,)).fetchall()
    return [(row["epoch"], row["ap"]) for row in rows if row["task"] == rows[0]["task"]]


def newest_event(db: Database) -> int:
    """The number of the newest event."""
    return int(db.conn.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0])


def events_between(
    db: Database, after: int, upto: int, kinds: Sequence[str]
) -> list[tuple[str, datetime, str | None, Mapping[str, object]]]:
    """(kind, when, run, payload) of the events of these kinds, by their numbers."""
    wanted = f"SELECT kind, at, run_id, payload FROM events WHERE id > ? AND id <= ? AND kind IN ({','.join('?' * len(kinds))})"  # noqa: S608
    rows = db.conn.execute(wanted, (after, upto, *kinds))
    return [(row["kind"], required_time(row["at"]), row["run_id"], json.loads(row["payload"])) for row in rows]


def owed_since(db: Database) -> datetime | None:
    """When the oldest message was owed that is not settled."""
    return to_time(db.conn.execute("SELECT min(created_at) FROM deliveries WHERE state IN ('owed', 'sending')").fetchone()[0])


def _points(db: Database, query: str, values: Sequence[object]) -> Iterator[tuple[tuple[str, int], Progress, datetime]]:
    for row in db.conn.execute(query, values):
        parts = json.loads(row["values"]) if row["loss"] is None else {}
        point = Progress(row["epoch"], row["iteration"], row["iterations"], row["loss"], step_s=row["step_s"], values=parts)
        yield (row["run_id"], row["attempt"]), point, required_time(row["at"])
