"""Runs. :func:`transition` is the only writer of a run's state."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from sqlite3 import Row

from pydantic import TypeAdapter
from sqlite_utils import Database

from runner.entities import Place, Run
from runner.errors import ConflictError, RequestError
from runner.specs import Kind, ModelSpec, RunSpec, TrainSpec
from runner.states import Reason, State
from runner.store import events
from runner.store.connection import required_time, to_text, to_time

log = logging.getLogger(__name__)

_SPEC: TypeAdapter[RunSpec] = TypeAdapter(RunSpec)
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without 0/o, 1/l/i: ids are read aloud and typed on phones
_COLUMNS = (
    "id, nonce, spec, state, reason, detail, owner, channel, thread, parent_id, host, attempt, created_at, updated_at, "
    "started_at, ended_at, stop_requested_by, prepared, retry_at, priority, queue_place, held_by, "
    "stop_reason, preempted_for, preempted_at, limit_told, approved_by"
)


def submit(
    db: Database, spec: RunSpec, *, owner: str, place: Place, now: datetime, parent_id: str | None = None, request_id: str | None = None
) -> Run:
    """Record a new run as PENDING / SUBMITTED, with its event and the request that asked for it. Call inside ``store.writing()``."""
    run_id, nonce, moment = _new_id(db), secrets.token_hex(8), to_text(now)
    db.conn.execute(
        "INSERT INTO runs (id, nonce, kind, spec, state, reason, owner, channel, thread, parent_id, created_at, updated_at,"
        " priority, request_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (run_id, nonce, spec.kind.value, spec.model_dump_json(), State.PENDING.value, Reason.SUBMITTED.value, owner,
         place.channel, place.thread, parent_id, moment, moment, spec.turn.priority if isinstance(spec, TrainSpec | ModelSpec) else 0,
         request_id),
    )
    events.record(db, "state", at=now, run_id=run_id, actor=owner,
                  payload={"state": State.PENDING.value, "reason": Reason.SUBMITTED.value, "detail": ""})
    return get(db, run_id)


def transition(
    db: Database, run: Run, reason: Reason, *, now: datetime, detail: str = "", attempt: int | None = None,
    host: str | None = None, actor: str | None = None,
) -> Run:
    """Move ``run`` to ``reason``, and with it to the reason's state; the event is in the same transaction.

    Compare-and-swap on what the caller saw: ConflictError when the row has moved on. A final state is never left.
    Ending a run, or sending it back to wait, gives its devices back.
    """
    if run.state.final:
        raise ConflictError(f"{run.id} has ended ({run.reason}); a run that has ended never changes.")
    state = reason.state
    started = now if state is State.RUNNING and run.started_at is None else run.started_at
    changed = db.conn.execute(
        "UPDATE runs SET state = ?, reason = ?, detail = ?, attempt = ?, host = coalesce(?, host), updated_at = ?,"
        " started_at = ?, ended_at = ?, retry_at = NULL WHERE id = ? AND reason = ? AND attempt = ? RETURNING id",
        (state.value, reason.value, detail, run.attempt if attempt is None else attempt, host, to_text(now),
         to_text(started), to_text(now) if state.final else None, run.id, run.reason.value, run.attempt),
    ).fetchall()
    if not changed:
        raise ConflictError(f"{run.id} is no longer {run.reason}; read it again.")
    if state is not State.RUNNING:
        db.conn.execute("DELETE FROM leases WHERE run_id = ?", (run.id,))
    if (run.reason, run.detail) != (reason, detail):
        events.record(db, "state", at=now, run_id=run.id, actor=actor,
                      payload={"state": state.value, "reason": reason.value, "detail": detail, "from": run.reason.value})
    return get(db, run.id)


def get(db: Database, run_id: str) -> Run:
    """The run of that id; RequestError when there is none."""
    run = find(db, run_id)
    if run is None:
        raise RequestError(f"There is no run {run_id}. `ps` lists the runs.")
    return run


def find(db: Database, run_id: str) -> Run | None:
    """The run of that id, if there is one."""
    row = db.conn.execute(f"SELECT {_COLUMNS} FROM runs WHERE id = ?", (run_id,)).fetchone()  # noqa: S608
    return None if row is None else _run(row)


def live(db: Database, kind: Kind | None = None) -> list[Run]:
    """Every run that has not ended, of one kind where given, oldest first."""
    rows = db.conn.execute(
        f"SELECT {_COLUMNS} FROM runs WHERE state IN ('PENDING', 'RUNNING') AND (?1 IS NULL OR kind = ?1) ORDER BY created_at, id",  # noqa: S608
        (kind,),
    )
    return [run for row in rows if (run := _readable(row)) is not None]


def changed_since(db: Database, revision: int) -> list[tuple[int, str, Run | None]]:
    """(its revision, its id, itself) of every run that changed after a revision, in that order; None for one that cannot be read."""
    rows = db.conn.execute(f"SELECT {_COLUMNS}, revision FROM runs WHERE revision > ? ORDER BY revision", (revision,))  # noqa: S608
    return [(row["revision"], row["id"], _readable(row)) for row in rows]


def live_of_requests(db: Database, prefix: str) -> list[Run]:
    """Every run that has not ended, of the requests whose ids begin so."""
    rows = db.conn.execute(
        f"SELECT {_COLUMNS} FROM runs WHERE request_id >= ? AND request_id < ? AND state IN ('PENDING', 'RUNNING')"  # noqa: S608
        " ORDER BY created_at, id", (prefix, prefix + chr(0x10FFFF)),
    )
    return [_run(row) for row in rows]


def newest(db: Database, *, limit: int, owner: str | None = None) -> list[Run]:
    """The newest runs first, of one owner where given."""
    rows = db.conn.execute(
        f"SELECT {_COLUMNS} FROM runs WHERE (? IS NULL OR owner = ?) ORDER BY created_at DESC, id LIMIT ?",  # noqa: S608
        (owner, owner, limit),
    )
    return [_run(row) for row in rows]


def newest_ended(db: Database, *, limit: int, owner: str | None = None) -> list[Run]:
    """The newest of the runs that have ended, of one owner where given."""
    rows = db.conn.execute(
        f"SELECT {_COLUMNS} FROM runs WHERE state NOT IN ('PENDING', 'RUNNING') AND (? IS NULL OR owner = ?)"  # noqa: S608
        " ORDER BY created_at DESC, id LIMIT ?", (owner, owner, limit),
    )
    return [_run(row) for row in rows]


def newest_of_parent(db: Database, parent_id: str, kind: Kind, *, limit: int) -> list[Run]:
    """What of that kind was made of a run, the newest first."""
    rows = db.conn.execute(
        "SELECT * FROM runs WHERE parent_id = ? AND kind = ? ORDER BY created_at DESC, id DESC LIMIT ?", (parent_id, kind, limit)
    )
    return [_run(row) for row in rows]


def between(db: Database, since: datetime, until: datetime) -> list[Run]:
    """Every run that had begun before the end of a span and had not ended before it, oldest first."""
    rows = db.conn.execute(
        f"SELECT {_COLUMNS} FROM runs WHERE created_at <= ? AND (ended_at IS NULL OR ended_at > ?) ORDER BY created_at, id",  # noqa: S608
        (to_text(until), to_text(since)),
    )
    return [_run(row) for row in rows]


def request_stop(db: Database, run: Run, *, by: str, now: datetime, reason: Reason | None = None) -> None:
    """Note that somebody wants the run stopped; the runner acts on it. ``reason`` where that is no person; a person's word is last."""
    db.conn.execute(
        "UPDATE runs SET stop_requested_by = CASE WHEN stop_requested_by IS NULL OR stop_reason IS NOT NULL THEN ?"
        " ELSE stop_requested_by END, stop_reason = ? WHERE id = ?",
        (by, reason.value if reason else None, run.id),
    )
    events.record(db, "stop_requested", at=now, run_id=run.id, actor=by, payload={})


def note_preemption(db: Database, run: Run, for_run: str, *, now: datetime) -> None:
    """Note which run it gives way to, and since when that is known."""
    db.conn.execute("UPDATE runs SET preempted_for = ?, preempted_at = ? WHERE id = ?", (for_run, to_text(now), run.id))


def forget_stop(db: Database, run_id: str) -> None:
    """What it was stopped for is over: it may start again."""
    db.conn.execute(
        "UPDATE runs SET stop_requested_by = NULL, stop_reason = NULL, preempted_for = NULL, preempted_at = NULL, limit_told = 0"
        " WHERE id = ?", (run_id,),
    )


def note_limit_told(db: Database, run_id: str, per_cent: int) -> None:
    """Note of which part of its time limit the owner was told."""
    db.conn.execute("UPDATE runs SET limit_told = ? WHERE id = ?", (per_cent, run_id))


def hold(db: Database, run: Run, by: str | None, *, now: datetime, actor: str) -> None:
    """Note that somebody holds the run back; None lets it go on."""
    db.conn.execute("UPDATE runs SET held_by = ? WHERE id = ?", (by, run.id))
    events.record(db, "held" if by else "released", at=now, run_id=run.id, actor=actor, payload={})


def move(db: Database, run: Run, *, priority: int, queue_place: float | None, now: datetime, actor: str) -> None:
    """Note a new priority, and a place before all else of it."""
    db.conn.execute("UPDATE runs SET priority = ?, queue_place = ? WHERE id = ?", (priority, queue_place, run.id))
    events.record(db, "moved", at=now, run_id=run.id, actor=actor, payload={"priority": priority, "place": queue_place})


def approve(db: Database, run: Run, by: str, *, now: datetime) -> None:
    """Note that somebody approved of what the run may cost."""
    db.conn.execute("UPDATE runs SET approved_by = ? WHERE id = ?", (by, run.id))
    events.record(db, "approved", at=now, run_id=run.id, actor=by, payload={})


def front(db: Database) -> float:
    """A place in the queue before every other."""
    row = db.conn.execute("SELECT min(queue_place) AS first FROM runs WHERE state IN ('PENDING', 'RUNNING')").fetchone()
    return (row["first"] or 0.0) - 1.0


def awaited(db: Database, run_ids: Sequence[str]) -> list[Run]:
    """Those of these runs that have not succeeded, neither themselves nor in a run that went on from them."""
    found = [get(db, run_id) for run_id in run_ids]
    return [run for run in found if not _succeeded(db, run.id)]


def _succeeded(db: Database, run_id: str) -> bool:
    return db.conn.execute(
        "WITH RECURSIVE line(id) AS (SELECT ? UNION SELECT runs.id FROM runs JOIN line ON runs.parent_id = line.id"
        " WHERE json_extract(runs.spec, '$.start.mode') = 'resume') SELECT 1 FROM runs WHERE id IN line AND state = 'SUCCEEDED' LIMIT 1",
        (run_id,),
    ).fetchone() is not None


def retry_at(db: Database, run_id: str, moment: datetime) -> None:
    """Note when a run in RETRYING may be launched again; the next transition clears it."""
    db.conn.execute("UPDATE runs SET retry_at = ? WHERE id = ?", (to_text(moment), run_id))


def keep_prepared(db: Database, run_id: str, prepared: Mapping[str, object]) -> None:
    """Freeze what preparing resolved."""
    db.conn.execute("UPDATE runs SET prepared = ? WHERE id = ?", (json.dumps(prepared), run_id))


def check_checkpoints_again(db: Database, run_id: str) -> None:
    """Have the next attempt look for the newest whole checkpoint; what was resolved before stays frozen."""
    db.conn.execute("UPDATE runs SET prepared = json_set(prepared, '$.recheck', json('true')) WHERE id = ?", (run_id,))


def keep_result(db: Database, run_id: str, result: Mapping[str, object]) -> None:
    """Keep what the run made (a dataset version, an environment), as plain JSON values."""
    db.conn.execute("UPDATE runs SET result = ? WHERE id = ?", (json.dumps(result), run_id))


def result(db: Database, run_id: str) -> dict[str, object]:
    """What the run made; empty when nothing is known."""
    row = db.conn.execute("SELECT result FROM runs WHERE id = ?", (run_id,)).fetchone()
    return json.loads(row["result"]) if row and row["result"] else {}


def keep_diagnosis(db: Database, run_id: str, diagnosis: Mapping[str, object]) -> None:
    """Keep why the last attempt failed."""
    db.conn.execute("UPDATE runs SET diagnosis = ? WHERE id = ?", (json.dumps(diagnosis), run_id))


def diagnosis(db: Database, run_id: str) -> dict[str, object]:
    """Why the last attempt failed; empty when it did not."""
    row = db.conn.execute("SELECT diagnosis FROM runs WHERE id = ?", (run_id,)).fetchone()
    return json.loads(row["diagnosis"]) if row and row["diagnosis"] else {}


def move_to_thread(db: Database, run_id: str, place: Place) -> None:
    """Note where the run's card was posted."""
    db.conn.execute("UPDATE runs SET channel = ?, thread = ? WHERE id = ?", (place.channel, place.thread, run_id))


def _new_id(db: Database) -> str:
    for length in (4, 4, 4, 5, 6, 8):
        run_id = "r-" + "".join(secrets.choice(_ALPHABET) for _ in range(length))
        if not db.conn.execute("SELECT 1 FROM runs WHERE id = ?", (run_id,)).fetchone():
            return run_id
    raise ConflictError("No free run id was found in six draws.")


def _readable(row: Row) -> Run | None:
    """The run of a row. One that a defect has spoilt stays where it is, and must not keep all the others from being read."""
    try:
        return _run(row)
    except (ValueError, TypeError):
        log.exception("%s cannot be read; the others go on without it", row["id"])
        return None


def _run(value: Row) -> Run:
    return Run(
        id=value["id"], nonce=value["nonce"], spec=_SPEC.validate_json(value["spec"]), state=State(value["state"]),
        reason=Reason(value["reason"]), detail=value["detail"], owner=value["owner"],
        place=Place(value["channel"], value["thread"]), parent_id=value["parent_id"], host=value["host"],
        attempt=value["attempt"], created_at=required_time(value["created_at"]), updated_at=required_time(value["updated_at"]),
        started_at=to_time(value["started_at"]), ended_at=to_time(value["ended_at"]),
        stop_requested_by=value["stop_requested_by"], prepared=json.loads(value["prepared"]) if value["prepared"] else None,
        retry_at=to_time(value["retry_at"]), priority=value["priority"], queue_place=value["queue_place"], held_by=value["held_by"],
        stop_reason=Reason(value["stop_reason"]) if value["stop_reason"] else None, preempted_for=value["preempted_for"],
        preempted_at=to_time(value["preempted_at"]), limit_told=value["limit_told"], approved_by=value["approved_by"],
    )
