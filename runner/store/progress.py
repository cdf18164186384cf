"""What logs say: points of progress, evaluations, checkpoints, steps of work; and how far a log was read.

The offset of a log and everything parsed up to it are written in one transaction (the caller's ``store.writing()``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Row

from sqlite_utils import Database

from runner.entities import Attempt, Checkpoint, Evaluation, Progress, Record, WorkResult, WorkStep
from runner.store import runs
from runner.store.connection import required_time, to_text, to_time
from runner.time_left import RECENT, EpochSeen


@dataclass(frozen=True, slots=True)
class LogPosition:
    """How far an attempt's log was read and parsed, and when the host last saw it grow."""

    offset: int = 0
    generation: int = 0
    inode: int = 0
    grown_at: datetime | None = None


def position(db: Database, attempt: Attempt) -> LogPosition:
    """Where reading of this attempt's log goes on."""
    row = db.conn.execute(
        "SELECT log_offset, log_generation, log_inode, log_grown_at FROM attempts WHERE run_id = ? AND number = ? AND rank = ?",
        (attempt.run_id, attempt.number, attempt.rank),
    ).fetchone()
    return LogPosition(row["log_offset"], row["log_generation"], row["log_inode"], to_time(row["log_grown_at"]))


def keep(db: Database, attempt: Attempt, records: Iterable[Record], reached: LogPosition, *, now: datetime) -> None:
    """Store what was parsed together with the offset it was parsed up to."""
    for record in records:
        _keep_one(db, attempt, record, now)
    db.conn.execute(
        "UPDATE attempts SET log_offset = ?, log_generation = ?, log_inode = ?, log_grown_at = ?"
        " WHERE run_id = ? AND number = ? AND rank = ?",
        (reached.offset, reached.generation, reached.inode, to_text(reached.grown_at), attempt.run_id, attempt.number, attempt.rank),
    )


def latest(db: Database, run_id: str) -> Progress | None:
    """The newest point of a run."""
    row = db.conn.execute("SELECT * FROM progress WHERE run_id = ? ORDER BY id DESC LIMIT 1", (run_id,)).fetchone()
    return None if row is None else _progress(row)


def points(db: Database, run_id: str) -> list[Progress]:
    """All points of a run in the order they were logged."""
    return [_progress(row) for row in db.conn.execute("SELECT * FROM progress WHERE run_id = ? ORDER BY id", (run_id,))]


def epoch_ends(db: Database, run_id: str) -> list[Progress]:
    """The last point of every epoch, for the epoch table."""
    rows = db.conn.execute(
        "SELECT * FROM progress WHERE id IN (SELECT max(id) FROM progress WHERE run_id = ? GROUP BY epoch) ORDER BY epoch", (run_id,)
    )
    return [_progress(row) for row in rows]


def epochs_seen(db: Database, attempt: Attempt) -> list[EpochSeen]:
    """The epochs of one attempt that were logged to their end, all but the newest; no more of them than tell how long one takes."""
    rows = db.conn.execute(
        "SELECT epoch, max(id) AS newest, max(iterations) AS iterations, avg(step_s) AS step_s FROM progress"
        " WHERE run_id = :run AND attempt = :attempt AND epoch >= (SELECT epoch FROM progress WHERE run_id = :run"
        " AND attempt = :attempt ORDER BY epoch DESC LIMIT 1) - :most GROUP BY epoch ORDER BY epoch",
        {"run": attempt.run_id, "attempt": attempt.number, "most": RECENT + 1},
    ).fetchall()[:-1]
    times = dict(db.conn.execute(
        f"SELECT id, at FROM progress WHERE id IN ({','.join('?' * len(rows))})", [row["newest"] for row in rows],  # noqa: S608
    ).fetchall())
    return [
        EpochSeen(row["epoch"], required_time(times[row["newest"]]), (row["step_s"] or 0.0) * row["iterations"])
        for row in rows
    ]


def evaluations(db: Database, run_id: str) -> list[Evaluation]:
    """All evaluations of a run in the order they were logged."""
    return [_evaluation(row) for row in db.conn.execute("SELECT * FROM evaluations WHERE run_id = ? ORDER BY id", (run_id,))]


def checkpoints(db: Database, run_id: str) -> list[tuple[int, Checkpoint]]:
    """(attempt, checkpoint) of a run in the order they were written, those that are there no more included."""
    rows = db.conn.execute("SELECT * FROM checkpoints WHERE run_id = ? ORDER BY attempt, at, rowid", (run_id,))
    return [(row["attempt"], _checkpoint(row)) for row in rows]


def newest_checkpoint_at(db: Database, run_id: str) -> datetime | None:
    """When a run's newest checkpoint was heard of."""
    row = db.conn.execute("SELECT max(at) AS newest FROM checkpoints WHERE run_id = ? AND removed = 0", (run_id,)).fetchone()
    return to_time(row["newest"])


def work_step(db: Database, run_id: str) -> WorkStep | None:
    """How far work without epochs is."""
    row = db.conn.execute("SELECT * FROM work_steps WHERE run_id = ?", (run_id,)).fetchone()
    return None if row is None else WorkStep(row["phase"], row["done"], row["total"], row["unit"], row["rate"])


def keep_step(db: Database, run_id: str, step: WorkStep, *, now: datetime) -> None:
    """Store how far it is; the step before is forgotten."""
    db.conn.execute(
        "INSERT OR REPLACE INTO work_steps (run_id, phase, done, total, at, unit, rate) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (run_id, step.phase, step.done, step.total, to_text(now), step.unit, step.rate),
    )


def forget_step(db: Database, run_id: str) -> None:
    """What a step told is over."""
    db.conn.execute("DELETE FROM work_steps WHERE run_id = ?", (run_id,))


def _keep_one(db: Database, attempt: Attempt, record: Record, now: datetime) -> None:
    run_id, number, moment = attempt.run_id, attempt.number, to_text(now)
    match record:
        case Progress():
            db.conn.execute(
                'INSERT INTO progress (run_id, attempt, at, epoch, iteration, iterations, loss, lr, eta_s, step_s, memory_mib, "values")'
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (run_id, number, moment, record.epoch, record.iteration, record.iterations, record.loss, record.lr,
                 record.eta_s, record.step_s, record.memory_mib, json.dumps(dict(record.values))),
            )
        case Evaluation():
            db.conn.execute(
                "INSERT INTO evaluations (run_id, attempt, at, epoch, task, ap, ap50, ap75, ap_small, ap_medium, ap_large,"
                " per_class, recall) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (run_id, number, moment, record.epoch, record.task, record.ap, record.ap50, record.ap75, record.ap_small,
                 record.ap_medium, record.ap_large, json.dumps(dict(record.per_class)), json.dumps(dict(record.recall))),
            )
        case Checkpoint(removed=True):  # what was never seen to be there cannot be missed
            db.conn.execute(
                "UPDATE checkpoints SET removed = 1, at = ? WHERE run_id = ? AND attempt = ? AND name = ?",
                (moment, run_id, number, record.name),
            )
        case Checkpoint():
            db.conn.execute(
                "INSERT INTO checkpoints (run_id, attempt, name, epoch, best, at, size_bytes, removed) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET epoch = excluded.epoch, best = max(best, excluded.best), at = excluded.at,"
                " size_bytes = coalesce(excluded.size_bytes, size_bytes), removed = excluded.removed",
                (run_id, number, record.name, record.epoch, int(record.best), moment, record.size_bytes, int(record.removed)),
            )
        case WorkStep():
            keep_step(db, run_id, record, now=now)
        case WorkResult():
            runs.keep_result(db, run_id, {**runs.result(db, run_id), **record.summary})


def _progress(row: Row) -> Progress:
    return Progress(
        epoch=row["epoch"], iteration=row["iteration"], iterations=row["iterations"], loss=row["loss"], lr=row["lr"],
        eta_s=row["eta_s"], step_s=row["step_s"], memory_mib=row["memory_mib"], values=json.loads(row["values"]),
    )


def _evaluation(row: Row) -> Evaluation:
    return Evaluation(
        epoch=row["epoch"], task=row["task"], ap=row["ap"], ap50=row["ap50"], ap75=row["ap75"], ap_small=row["ap_small"],
        ap_medium=row["ap_medium"], ap_large=row["ap_large"], per_class=json.loads(row["per_class"]), recall=json.loads(row["recall"]),
    )


def _checkpoint(row: Row) -> Checkpoint:
    return Checkpoint(row["name"], row["epoch"], bool(row["best"]), row["size_bytes"], bool(row["removed"]))


def best_ap(db: Database, run_ids: Sequence[str]) -> float | None:
    """The highest mAP of boxes among all evaluations of these runs; None where there is none."""
    found = [
        row[0] for run_id in run_ids
        for row in db.conn.execute("SELECT max(ap) FROM evaluations WHERE run_id = ? AND task = 'bbox'", (run_id,)) if row[0] is not None
    ]
    return max(found, default=None)
