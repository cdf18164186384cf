"""The runs that have not ended, kept in memory: of ten thousand only those are read again that changed."""

from __future__ import annotations

from collections.abc import Mapping

from runner.entities import Run
from runner.store import runs
from runner.store.connection import Store


class LiveRuns:
    """As the database has them. A run that did not change is the very same object at every look. Used by one thread at a time."""

    def __init__(self) -> None:
        self._revision: int | None = None
        self._known: dict[str, Run] = {}

    def look(self, store: Store) -> Mapping[str, Run]:
        """By id, in the order in which they were submitted. A look that finds nothing new returns the very same mapping."""
        db, revision, known = store.reading(), self._revision, self._known
        if revision is None:
            revision = runs.revision(db)
            known = {run.id: run for run in runs.live(db)}
        changes = runs.changed_since(db, revision)
        if changes:
            revision, known = changes[-1][0], dict(known)
        for _, run_id, run in changes:
            if run is not None and not run.state.final:
                known[run_id] = run
            else:
                known.pop(run_id, None)
        if not store.changing:
            self._revision, self._known = revision, known
        return known
