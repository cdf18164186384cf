"""Which cards may show something old: one cheap query over all of them, so that a view is read only when it has changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlite_utils import Database

from runner.entities import Place
from runner.specs import Kind
from runner.states import Reason, State
from runner.store.connection import required_time

# A card whose run has ended, or waits, is looked at until what it shows was read after the run's last change; while a run works or is
# prepared, what it shows changes without the run.
_QUERY = """
SELECT runs.id, runs.kind, runs.state, runs.reason, runs.channel, runs.thread, runs.updated_at, runs.attempt, runs.created_at,
    length(runs.result) AS result,
    (SELECT max(id) FROM progress WHERE run_id = runs.id) AS point,
    (SELECT max(id) FROM evaluations WHERE run_id = runs.id) AS evaluation,
    (SELECT max(rowid) FROM checkpoints WHERE run_id = runs.id) AS checkpoint,
    (SELECT at FROM work_steps WHERE run_id = runs.id) AS work,
    (SELECT group_concat(device) FROM leases WHERE run_id = runs.id) AS devices
FROM runs WHERE EXISTS (
    SELECT 1 FROM cards WHERE cards.run_id = runs.id
    AND (runs.state = 'RUNNING' OR runs.reason = 'PREPARING' OR cards.sent_at IS NULL OR cards.sent_at <= runs.updated_at))
ORDER BY runs.created_at
"""


@dataclass(frozen=True, slots=True)
class CardStamp:
    """A run whose cards may have to change. ``mark`` differs whenever what a card shows may differ."""

    run_id: str
    kind: Kind
    state: State
    reason: Reason
    place: Place
    mark: str
    created_at: datetime
    has_points: bool
    has_evaluations: bool


def card_stamps(db: Database) -> list[CardStamp]:
    """Every run with cards that may be out of date, oldest first."""
    return [
        CardStamp(
            run_id=row["id"], kind=Kind(row["kind"]), state=State(row["state"]), reason=Reason(row["reason"]),
            place=Place(row["channel"], row["thread"]), mark=repr(tuple(row)[2:]), created_at=required_time(row["created_at"]),
            has_points=row["point"] is not None, has_evaluations=row["evaluation"] is not None,
        )
        for row in db.conn.execute(_QUERY)
    ]
