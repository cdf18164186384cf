"""Attempts of runs: one row for each host that an attempt is on, the first host's at rank 0."""

from __future__ import annotations

from datetime import datetime
from sqlite3 import Row

from sqlite_utils import Database

from runner.entities import Attempt, Run, numbered
from runner.errors import RequestError
from runner.store.connection import required_time, to_text, to_time

_THIS = "WHERE run_id = ? AND number = ? AND rank = ?"


def begin(
    db: Database, run: Run, *, number: int, host: str, root: str, now: datetime, devices: int = 0, rank: int = 0
) -> Attempt:
    """Record the next attempt, or its part on a further host, which holds so many devices. Its directory depends on run id, nonce,
    number and rank alone."""
    opened = on(run, number=number, host=host, root=root, now=now, rank=rank)
    db.conn.execute(
        "INSERT INTO attempts (run_id, number, host, directory, session, created_at, devices, rank) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (run.id, number, host, opened.directory, opened.session, to_text(now), devices, rank),
    )
    return ranks(db, run.id, number)[rank]


def on(run: Run, *, number: int, host: str, root: str, now: datetime, rank: int = 0) -> Attempt:
    """What an attempt on a host is or would be."""
    called = numbered(number, rank)
    return Attempt(run.id, number, host, f"{root}/runs/{run.id}-{run.nonce}/{called}", f"sb-{run.id}-{called}", now, rank=rank)


def get(db: Database, run_id: str, number: int) -> Attempt:
    """One attempt of a run; of several hosts, what it is on the first."""
    row = db.conn.execute("SELECT * FROM attempts WHERE run_id = ? AND number = ? AND rank = 0", (run_id, number)).fetchone()
    if row is None:
        raise RequestError(f"{run_id} has no attempt {number}.")
    return _attempt(row)


def current_ranks(db: Database) -> dict[str, list[Attempt]]:
    """By run that is RUNNING, what its newest attempt is on each of its hosts, the first one first."""
    rows = db.conn.execute(
        "SELECT attempts.* FROM runs JOIN attempts ON attempts.run_id = runs.id AND attempts.number = runs.attempt"
        " WHERE runs.state IN ('PENDING', 'RUNNING') AND runs.state = 'RUNNING' ORDER BY rank"  # the first as the index of live runs has it
    )
    found: dict[str, list[Attempt]] = {}
    for row in rows:
        found.setdefault(row["run_id"], []).append(_attempt(row))
    return found


def ranks(db: Database, run_id: str, number: int) -> list[Attempt]:
    """What one attempt of a run is on each of its hosts, the first one first."""
    rows = db.conn.execute("SELECT * FROM attempts WHERE run_id = ? AND number = ? ORDER BY rank", (run_id, number))
    return [_attempt(row) for row in rows]


def rank_on(db: Database, run_id: str, number: int, host: str) -> Attempt:
    """What one attempt of a run is on one of its hosts; RequestError where it is not there."""
    found = next((rank for rank in ranks(db, run_id, number) if rank.host == host), None)
    if found is None:
        raise RequestError(f"Attempt {number} of {run_id} is not on {host}.")
    return found


def of(db: Database, run_id: str) -> list[Attempt]:
    """All attempts of a run, first to last."""
    rows = db.conn.execute("SELECT * FROM attempts WHERE run_id = ? AND rank = 0 ORDER BY number", (run_id,))
    return [_attempt(row) for row in rows]


def in_directory(db: Database, directory: str) -> Attempt | None:
    """The attempt of that directory."""
    row = db.conn.execute("SELECT * FROM attempts WHERE directory = ?", (directory,)).fetchone()
    return None if row is None else _attempt(row)


def note_staged(db: Database, attempt: Attempt) -> None:
    """Keep that an attempt's directory is laid."""
    db.conn.execute(f"UPDATE attempts SET staged = 1 {_THIS}", _key(attempt))  # noqa: S608


def note_port(db: Database, attempt: Attempt, port: int) -> None:
    """Keep where the hosts of an attempt meet."""
    db.conn.execute(f"UPDATE attempts SET port = ? {_THIS}", (port, *_key(attempt)))  # noqa: S608


def note_stopped(db: Database, attempt: Attempt) -> None:
    """Keep that an attempt is being ended by us, before it is."""
    db.conn.execute(f"UPDATE attempts SET stopped = 1 {_THIS}", _key(attempt))  # noqa: S608


def note_claim(db: Database, attempt: Attempt, *, pid: int, process_start: str, boot_id: str, now: datetime) -> None:
    """Keep the evidence that an attempt started."""
    db.conn.execute(
        f"UPDATE attempts SET claimed_at = ?, pid = ?, process_start = ?, boot_id = ? {_THIS}",  # noqa: S608
        (to_text(now), pid, process_start, boot_id, *_key(attempt)),
    )


def note_exit(db: Database, attempt: Attempt, *, code: int | None, ended_at: datetime, oom_kills: int | None = None) -> None:
    """Keep the evidence of how an attempt ended; ``code`` None where it vanished."""
    db.conn.execute(
        f"UPDATE attempts SET exit_code = ?, ended_at = ?, oom_kills = ? {_THIS}",  # noqa: S608
        (code, to_text(ended_at), oom_kills, *_key(attempt)),
    )


def note_fence(db: Database, attempt: Attempt) -> None:
    """Keep the evidence that an attempt can never run again."""
    db.conn.execute(f"UPDATE attempts SET fenced = 1 {_THIS}", _key(attempt))  # noqa: S608


def ports_in_use(db: Database, host: str) -> set[int]:
    """The ports on a host where the hosts of live runs meet."""
    rows = db.conn.execute(
        "SELECT port FROM attempts JOIN runs ON runs.id = attempts.run_id WHERE attempts.host = ? AND port IS NOT NULL"
        " AND runs.state IN ('PENDING', 'RUNNING') AND runs.state = 'RUNNING' AND runs.attempt = attempts.number", (host,),
    )
    return {row["port"] for row in rows}


def _key(attempt: Attempt) -> tuple[str, int, int]:
    return attempt.run_id, attempt.number, attempt.rank


def _attempt(value: Row) -> Attempt:
    return Attempt(
        run_id=value["run_id"], number=value["number"], host=value["host"], directory=value["directory"],
        session=value["session"], created_at=required_time(value["created_at"]), claimed_at=to_time(value["claimed_at"]),
        pid=value["pid"], process_start=value["process_start"], boot_id=value["boot_id"], exit_code=value["exit_code"],
        ended_at=to_time(value["ended_at"]), fenced=bool(value["fenced"]), staged=bool(value["staged"]),
        oom_kills=value["oom_kills"], devices=value["devices"], rank=value["rank"], port=value["port"], stopped=bool(value["stopped"]),
    )
