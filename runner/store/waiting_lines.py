"""Command lines that wait until the files shared with them are fetched."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from sqlite3 import Row

from sqlite_utils import Database

from runner.store.connection import to_text


@dataclass(frozen=True, slots=True)
class WantedFile:
    """A file that lies with the chat."""

    id: str
    name: str
    size_bytes: int
    url: str


@dataclass(frozen=True, slots=True)
class WaitingLine:
    """A line that is carried out for ``owner`` once its files are here. Without any, those of the thread's first message are meant."""

    id: str
    line: str
    owner: str
    channel: str
    thread: str | None
    files: tuple[WantedFile, ...]


def keep(db: Database, line: WaitingLine, *, now: datetime) -> None:
    """Note a line; the same id is noted once."""
    db.conn.execute(
        "INSERT OR IGNORE INTO waiting_lines (id, at, line, owner, channel, thread, files) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (line.id, to_text(now), line.line, line.owner, line.channel, line.thread, _as_text(line.files)),
    )


def waiting(db: Database) -> list[WaitingLine]:
    """Every line that waits, oldest first."""
    return [_line(row) for row in db.conn.execute("SELECT * FROM waiting_lines WHERE settled_at IS NULL ORDER BY at")]


def settle(db: Database, line_id: str, *, now: datetime) -> None:
    """Note that a line was carried out, or never will be."""
    db.conn.execute("UPDATE waiting_lines SET settled_at = ? WHERE id = ?", (to_text(now), line_id))


def _as_text(files: Sequence[WantedFile]) -> str:
    return json.dumps([asdict(file) for file in files])


def _line(row: Row) -> WaitingLine:
    files = tuple(WantedFile(**file) for file in json.loads(row["files"]))
    return WaitingLine(row["id"], row["line"], row["owner"], row["channel"], row["thread"], files)
