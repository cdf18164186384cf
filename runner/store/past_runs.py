"""What is asked of the runs of all times."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from sqlite_utils import Database

from runner.entities import Run
from runner.store import runs
from runner.store.connection import to_text

ABOUT = timedelta(seconds=10)
"""How far a host's clock is trusted."""


def alike(db: Database, run: Run) -> list[str]:
    """The trainings before a run of the same preset on the same dataset, whatever its version."""
    rows = db.conn.execute(
        "SELECT other.id FROM runs AS other, runs AS this WHERE this.id = ? AND other.kind = 'train' AND other.created_at < this.created_at"
        " AND json_extract(other.spec, '$.preset.name') = json_extract(this.spec, '$.preset.name')"
        " AND json_extract(other.spec, '$.dataset.name') = json_extract(this.spec, '$.dataset.name')", (run.id,),
    )
    return [row["id"] for row in rows]


def files_no_longer_needed(db: Database, *, ended_before: datetime) -> set[str]:
    """The digests of files that were given to the newest predictions that ended before a moment, and to none that did not."""
    digests = "SELECT json_extract(each.value, '$.digest') FROM runs, json_each(runs.spec, '$.files') AS each WHERE kind = 'predict'"
    old = db.conn.execute(
        f"{digests} AND runs.id IN (SELECT id FROM runs WHERE kind = 'predict' AND ended_at <= ? ORDER BY ended_at DESC LIMIT 500)",  # noqa: S608
        (to_text(ended_before),),
    )
    needed = db.conn.execute(f"{digests} AND (ended_at IS NULL OR ended_at > ?)", (to_text(ended_before),))
    return {row[0] for row in old} - {row[0] for row in needed}


def told_of(db: Database, path: str, *, host: str, at: datetime) -> list[Run]:
    """The runs that were at work on a host about a moment and had been told of a path there, newest first."""
    rows = db.conn.execute(
        "SELECT id FROM runs WHERE host = ? AND kind != 'ingest' AND started_at <= ? AND (ended_at IS NULL OR ended_at >= ?)"
        " AND (instr(spec, ?) OR instr(prepared, ?)) ORDER BY created_at DESC",
        (host, to_text(at + ABOUT), to_text(at - ABOUT), *[json.dumps(path, ensure_ascii=False)[1:-1]] * 2),
    ).fetchall()
    return [runs.get(db, row["id"]) for row in rows]


def request_of(db: Database, run_id: str) -> str:
    """The id of the request that asked for a run; empty where that is not known."""
    row = db.conn.execute("SELECT request_id FROM runs WHERE id = ?", (run_id,)).fetchone()
    return row["request_id"] or "" if row else ""
