"""What people asked for, through whatever door, and what they were told: the requests, read as an audit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Row

from sqlite_utils import Database

from runner.store.connection import required_time, to_text

# A line names its verb first; a run by its id, with or without r-, or by the run that was made.
_QUERY = """
SELECT at, actor, door, text, answer FROM requests WHERE (:since IS NULL OR at >= :since) AND (:until IS NULL OR at < :until)
AND (:person IS NULL OR actor = :person)
AND (:verb IS NULL OR lower(text) = :verb OR substr(lower(text), 1, length(:verb) + 1) = :verb || ' ')
AND (:run IS NULL OR json_extract(answer, '$.run_id') = 'r-' || :run OR instr(' ' || lower(text) || ' ', ' ' || :run || ' ')
    OR instr(lower(text), 'r-' || :run))
ORDER BY at DESC, rowid DESC LIMIT :limit
"""


@dataclass(frozen=True, slots=True)
class Act:
    """One line that somebody sent. ``done`` False: it was refused, and changed nothing; ``said`` is what they were told."""

    at: datetime
    person: str
    door: str
    line: str
    done: bool
    said: str
    run_id: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which acts: of a person, about a run (its id without r-), of a verb, from a moment, up to another; None: any."""

    person: str | None = None
    run: str | None = None
    verb: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def acts(db: Database, wanted: Wanted, *, limit: int) -> Iterator[Act]:
    """The newest acts first."""
    given = {
        "person": wanted.person, "run": wanted.run, "verb": wanted.verb, "since": to_text(wanted.since), "until": to_text(wanted.until),
        "limit": limit,
    }
    return (_act(row) for row in db.conn.execute(_QUERY, given))


def _act(row: Row) -> Act:
    answer = json.loads(row["answer"]) if row["answer"] else {}
    return Act(
        required_time(row["at"]), row["actor"], row["door"], row["text"], answer.get("ok", True) is not False, str(answer.get("text", "")),
        answer.get("run_id"),
    )
