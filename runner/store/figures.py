"""What /metrics shows, counted by the database; each of these stays quick with tens of thousands of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlite_utils import Database

from runner.states import Reason, State

_SHOWN = (
    "id, owner, coalesce(host, '') AS host, json_extract(spec, '$.preset.name') AS preset, json_extract(spec, '$.dataset.name') AS dataset"
)


@dataclass(frozen=True, slots=True)
class Waits:
    """How long the trainings of one priority waited until they were first started: so many no longer than each bound."""

    priority: int
    within: Sequence[int]
    count: int
    total_s: float


@dataclass(frozen=True, slots=True)
class TrainingFigures:
    """A training; ``epoch_s`` is how long the iterations of an epoch take at its newest speed, ``ap`` its newest mAP."""

    run_id: str
    owner: str
    host: str
    preset: str
    dataset: str
    epoch: int | None
    epoch_s: float | None
    ap: float | None


def runs_by_reason(db: Database) -> Mapping[str, int]:
    """How many runs of all times have each reason."""
    return {row[0]: row[1] for row in db.conn.execute("SELECT reason, count(*) FROM runs GROUP BY reason")}


def waits(db: Database, bounds_s: Sequence[float]) -> list[Waits]:
    """The waits of all trainings that were ever started, by priority."""
    within = "".join(f", total(waited <= {bound})" for bound in bounds_s)
    begun = (
        "SELECT priority, (julianday(started_at) - julianday(created_at)) * 86400.0 AS waited FROM runs"
        " INDEXED BY runs_by_wait WHERE kind = 'train' AND started_at IS NOT NULL"
    )
    counted = f"SELECT priority, count(*), total(waited) {within} FROM begun GROUP BY priority"  # noqa: S608 - numbers of our own
    rows = db.conn.execute(f"WITH begun AS MATERIALIZED ({begun}) {counted}")
    return [Waits(row[0], [int(each) for each in tuple(row)[3:]], row[1], row[2]) for row in rows]


def trainings(db: Database, *, ended: int) -> list[TrainingFigures]:
    """The trainings that run, and so many of those that ended last."""
    of_running = [reason.value for reason in Reason if reason.state is State.RUNNING]
    live = db.conn.execute(
        f"SELECT {_SHOWN} FROM runs WHERE reason IN ({','.join('?' * len(of_running))}) AND kind = 'train'", of_running  # noqa: S608
    ).fetchall()
    over = db.conn.execute(
        f"SELECT {_SHOWN} FROM runs WHERE ended_at IS NOT NULL AND kind = 'train' ORDER BY ended_at DESC LIMIT ?", (ended,)  # noqa: S608
    ).fetchall()
    return [
        TrainingFigures(row["id"], row["owner"], row["host"], row["preset"], row["dataset"], *_course(db, row["id"])) for row in live + over
    ]


def _course(db: Database, run_id: str) -> tuple[int | None, float | None, float | None]:
    point = db.conn.execute(
        "SELECT epoch, step_s * iterations AS epoch_s FROM progress WHERE run_id = ? ORDER BY id DESC LIMIT 1", (run_id,)
    ).fetchone()
    ap = db.conn.execute(
        "SELECT ap FROM evaluations WHERE run_id = ? AND ap IS NOT NULL ORDER BY task != 'bbox', id DESC LIMIT 1", (run_id,)
    ).fetchone()
    return (point["epoch"] if point else None), (point["epoch_s"] if point else None), (ap["ap"] if ap else None)


def heartbeats(db: Database) -> list[tuple[str, str, int, float]]:
    """(process, when it was last heard, how many passes it has made since it began, how many seconds they took)."""
    return [tuple(row) for row in db.conn.execute("SELECT process, at, passes, passes_s FROM heartbeats ORDER BY process")]


def messages(db: Database) -> tuple[int, str | None]:
    """How many messages are owed, and since when the oldest is."""
    return tuple(db.conn.execute("SELECT count(*), min(created_at) FROM deliveries WHERE state IN ('owed', 'sending')").fetchone())


def holders(db: Database) -> Mapping[tuple[str, str], str]:
    """Whose run holds a device, by host and device."""
    rows = db.conn.execute("SELECT leases.host, leases.device, owner FROM leases JOIN runs ON runs.id = leases.run_id")
    return {(row[0], row[1]): row[2] for row in rows}


def failures(db: Database) -> Mapping[str, int]:
    """How often each host was lost, or could not be reached."""
    return {row[0]: row[1] for row in db.conn.execute("SELECT name, failures FROM hosts")}


def schedules_missed(db: Database) -> int:
    """How many times of schedules were missed."""
    wanted = "SELECT total(json_extract(payload, '$.count')) FROM events WHERE kind = 'schedule_missed'"
    return int(db.conn.execute(wanted).fetchone()[0])
