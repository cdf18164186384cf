"""The runs that have not ended, kept in memory: of ten thousand only those are read again that changed."""

from __future__ import annotations

from collections.abc import Mapping

from sqlite_utils import Database

from runner.entities import Run
from runner.store import runs
from runner.store.connection import Store


class LiveRuns:
    """As the database has them. A run that did not change is the very same object at every look. Used by one thread at a time."""

    def __init__(self) -> None:
        self._revision: int | None = None
        self._known: dict[str, Run] = {}
        self._unsure: int | None = None

    def look(self, store: Store) -> Mapping[str, Run]:
        """By id, in the order in which they were submitted. A look that finds nothing new returns the very same mapping."""
        if self._unsure not in (None, store.undone):  # what was seen inside a transaction may have been undone
            self._revision, self._unsure = None, None
        if store.changing:
            self._unsure = store.undone
        db = store.reading()
        if self._revision is None:
            self._revision = _revision(db)
            self._known = {run.id: run for run in runs.live(db)}
        changes = runs.changed_since(db, self._revision)
        if changes:
            self._revision, self._known = changes[-1][0], dict(self._known)
        for _, run_id, run in changes:
            if run is not None and not run.state.final:
                self._known[run_id] = run
            else:
                self._known.pop(run_id, None)
        return self._known


def _revision(db: Database) -> int:
    """The highest that any run has."""
    return int(db.conn.execute("SELECT max(revision) FROM runs").fetchone()[0] or 0)
