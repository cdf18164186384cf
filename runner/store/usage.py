"""What people have used of the GPUs, and what earlier runs of the same model teach: how long an epoch takes, how much memory it needs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlite_utils import Database

from runner.store.connection import required_time, to_text

EVER = datetime.max.replace(tzinfo=UTC)
_LIKE = (
    "SELECT id FROM runs WHERE kind = 'train' AND started_at IS NOT NULL AND json_extract(spec, '$.preset.name') = ?"
)


def spans(db: Database, *, since: datetime, until: datetime = EVER) -> list[tuple[str, datetime, datetime, int]]:
    """(person, began, ended, devices) of every attempt that held devices and ended after ``since`` and up to ``until``."""
    return _spans(db, "attempts.ended_at > ? AND attempts.ended_at <= ?", (to_text(since), to_text(until)))


def spans_under_way(db: Database, *, now: datetime) -> list[tuple[str, datetime, datetime, int]]:
    """The same of those that hold devices ``now``."""
    return _spans(db, "attempts.ended_at IS NULL AND runs.state = 'RUNNING' AND runs.attempt = attempts.number", (), ended=now)


def _spans(
    db: Database, which: str, values: tuple[str | None, ...], *, ended: datetime | None = None
) -> list[tuple[str, datetime, datetime, int]]:
    rows = db.conn.execute(
        "SELECT runs.owner, attempts.claimed_at AS began, attempts.ended_at AS ended, attempts.devices FROM attempts JOIN runs"  # noqa: S608
        f" ON runs.id = attempts.run_id WHERE attempts.devices > 0 AND attempts.claimed_at IS NOT NULL AND {which}",
        values,
    )
    return [(row["owner"], required_time(row["began"]), ended or required_time(row["ended"]), row["devices"]) for row in rows]


def gpu_seconds(db: Database, run_ids: Sequence[str], *, since: datetime, until: datetime) -> float:
    """For how many seconds of a span the attempts of these runs held devices, times how many."""
    total = 0.0
    for run_id in run_ids:
        rows = db.conn.execute(
            "SELECT claimed_at, coalesce(ended_at, ?) AS ended_at, devices FROM attempts WHERE run_id = ? AND claimed_at IS NOT NULL",
            (to_text(until), run_id),
        )
        for row in rows:
            held = min(required_time(row["ended_at"]), until) - max(required_time(row["claimed_at"]), since)
            total += max(0.0, held.total_seconds()) * row["devices"]
    return total


def epoch_seconds(db: Database, preset: str, dataset: str) -> float | None:
    """How long an epoch of this preset on this dataset took in the newest run that finished three of them; None where none did."""
    row = db.conn.execute(
        "SELECT (SELECT at FROM progress WHERE run_id = runs.id ORDER BY id LIMIT 1) AS began,"  # noqa: S608
        " (SELECT at FROM progress WHERE run_id = runs.id ORDER BY id DESC LIMIT 1) AS ended, 1"
        " + (SELECT max(epoch) FROM progress WHERE run_id = runs.id) - (SELECT min(epoch) FROM progress WHERE run_id = runs.id) AS epochs"
        f" FROM runs WHERE id IN ({_LIKE} AND json_extract(spec, '$.dataset.name') = ? ORDER BY created_at DESC LIMIT 5)"
        " AND epochs > 2 ORDER BY ended DESC LIMIT 1",
        (preset, dataset),
    ).fetchone()
    if row is None:
        return None
    took = required_time(row["ended"]) - required_time(row["began"])
    return took.total_seconds() / (int(row["epochs"]) - 1)


def checkpoint_bytes(db: Database, preset: str) -> tuple[str, int] | None:
    """(run, bytes) of the largest checkpoint of the newest runs of a preset: as files were seen, else as preparing counted."""
    newest = f"{_LIKE} ORDER BY created_at DESC LIMIT 5"
    row = db.conn.execute(
        f"SELECT run_id, max(size_bytes) AS most FROM checkpoints WHERE run_id IN ({newest}) HAVING most > 0"  # noqa: S608
        " UNION ALL SELECT id, json_extract(prepared, '$.values.checkpoint_bytes') AS most FROM runs"
        f" WHERE id IN ({newest}) AND most > 0 LIMIT 1", (preset, preset),
    ).fetchone()
    return None if row is None else (row["run_id"], int(row["most"]))


def memory_mib(db: Database, preset: str, batch: int) -> int | None:
    """The most memory that a GPU of a run of this preset and batch was seen to hold; None where no log told."""
    row = db.conn.execute(
        "SELECT max((SELECT max(memory_mib) FROM progress WHERE run_id = runs.id)) AS most FROM runs"  # noqa: S608
        f" WHERE id IN ({_LIKE} AND json_extract(prepared, '$.batch') = ? ORDER BY created_at DESC LIMIT 5)",
        (preset, batch),
    ).fetchone()
    return row["most"] if row else None
