"""Which cards may show something old: one cheap query, so that a view is read only when it has changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Row

from runner.entities import Place
from runner.specs import Kind
from runner.states import Reason, State
from runner.store.connection import Store, required_time

# A card whose run has ended, or waits, is looked at until what it shows was read after the run's last change; while a run works or is
# prepared, what it shows changes without the run. Every other run is passed over until its row changes.
_QUERY = """
SELECT runs.id, runs.kind, runs.state, runs.reason, runs.channel, runs.thread, runs.updated_at, runs.attempt, runs.created_at,
    length(runs.result) AS result,
    (SELECT max(id) FROM progress WHERE run_id = runs.id) AS point,
    (SELECT max(id) FROM evaluations WHERE run_id = runs.id) AS evaluation,
    (SELECT max(rowid) FROM checkpoints WHERE run_id = runs.id) AS checkpoint,
    (SELECT at FROM work_steps WHERE run_id = runs.id) AS work,
    (SELECT group_concat(device) FROM leases WHERE run_id = runs.id) AS devices,
    (SELECT group_concat(part) FROM cards WHERE run_id = runs.id) AS parts
FROM runs WHERE id IN (SELECT id FROM runs WHERE revision > ? UNION SELECT value FROM json_each(?)) AND EXISTS (
    SELECT 1 FROM cards WHERE cards.run_id = runs.id
    AND (runs.state = 'RUNNING' OR runs.reason = 'PREPARING' OR cards.sent_at IS NULL OR cards.sent_at <= runs.updated_at))
ORDER BY runs.created_at
"""


@dataclass(frozen=True, slots=True)
class CardStamp:
    """A run whose cards may have to change. ``mark`` differs whenever what a card shows may differ; ``parts`` are the cards that it has."""

    run_id: str
    kind: Kind
    state: State
    reason: Reason
    place: Place
    mark: str
    created_at: datetime
    has_points: bool
    has_evaluations: bool
    parts: frozenset[str]


class StaleCards:
    """The runs whose cards may be out of date. After the first look only these are looked at again, and what changed since."""

    def __init__(self) -> None:
        self._revision = -1
        self._stale: list[str] = []

    def look(self, store: Store) -> list[CardStamp]:
        """Oldest first."""
        with store.snapshot() as db:
            rows = db.conn.execute(_QUERY, (self._revision, json.dumps(self._stale))).fetchall()
            self._revision = int(db.conn.execute("SELECT max(revision) FROM runs").fetchone()[0] or 0)
        self._stale = [row["id"] for row in rows]
        return [_stamp(row) for row in rows]


def _stamp(row: Row) -> CardStamp:
    return CardStamp(
        run_id=row["id"], kind=Kind(row["kind"]), state=State(row["state"]), reason=Reason(row["reason"]),
        place=Place(row["channel"], row["thread"]), mark=repr(tuple(row)[2:-1]), created_at=required_time(row["created_at"]),
        has_points=row["point"] is not None, has_evaluations=row["evaluation"] is not None, parts=frozenset(row["parts"].split(",")),
    )
