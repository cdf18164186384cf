"""Who may do what, what they asked (each request once), what they uploaded, and which process last said that it lives."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Row

from sqlite_utils import Database

from runner.store.connection import required_time, to_text


@dataclass(frozen=True, slots=True)
class Upload:
    """A file somebody put into a channel, on its way into the inbox. ``format`` None: found out."""

    id: str
    file_name: str
    dataset: str
    size_bytes: int
    url: str
    owner: str
    channel: str
    thread: str | None
    state: str
    error: str | None
    format: str | None = None


def record_request(db: Database, request_id: str, *, door: str, actor: str, text: str, now: datetime) -> bool:
    """Note a request under the id its door gave it; False when it was noted before (a retry or a duplicate)."""
    cursor = db.conn.execute(
        "INSERT OR IGNORE INTO requests (id, at, door, actor, text) VALUES (?, ?, ?, ?, ?)",
        (request_id, to_text(now), door, actor, text),
    )
    return cursor.rowcount == 1


def reword_request(db: Database, request_id: str, text: str) -> None:
    """Note what a request meant, where what was sent does not say it."""
    db.conn.execute("UPDATE requests SET text = ? WHERE id = ?", (text, request_id))


def keep_answer(db: Database, request_id: str, answer: Mapping[str, object]) -> None:
    """Keep what was answered, for a duplicate of the request."""
    db.conn.execute("UPDATE requests SET answer = ? WHERE id = ?", (json.dumps(answer), request_id))


def answer(db: Database, request_id: str) -> dict[str, object] | None:
    """What a request was answered with, if it was."""
    row = db.conn.execute("SELECT answer FROM requests WHERE id = ?", (request_id,)).fetchone()
    return json.loads(row["answer"]) if row and row["answer"] else None


def last_line(db: Database, actor: str, begins: str) -> str | None:
    """The newest text of a person's requests that is these words, or begins with them and a blank."""
    row = db.conn.execute(
        "SELECT text FROM requests WHERE actor = ? AND (text = ? OR substr(text, 1, ?) = ?) ORDER BY at DESC LIMIT 1",
        (actor, begins, len(begins) + 1, f"{begins} "),
    ).fetchone()
    return None if row is None else str(row["text"])


def granted(db: Database) -> dict[str, str]:
    """The roles granted beyond the settings, by the id of a person, user group or channel."""
    return {row["person"]: row["role"] for row in db.conn.execute("SELECT person, role FROM people")}


def grant(db: Database, person: str, role: str, *, by: str, now: datetime) -> None:
    """Give a person, a user group or a channel a role."""
    db.conn.execute(
        "INSERT OR REPLACE INTO people (person, role, granted_by, granted_at) VALUES (?, ?, ?, ?)", (person, role, by, to_text(now))
    )


def groups_of(db: Database, person: str) -> list[str]:
    """The user groups that a person was last seen in."""
    return [row["group_id"] for row in db.conn.execute("SELECT group_id FROM group_members WHERE person = ?", (person,))]


def members_of(db: Database, group_id: str) -> list[str]:
    """Who was last seen in a user group."""
    return [row["person"] for row in db.conn.execute("SELECT person FROM group_members WHERE group_id = ? ORDER BY person", (group_id,))]


def keep_group(db: Database, group_id: str, members: Iterable[str]) -> None:
    """Note who is in a user group now."""
    db.conn.execute("DELETE FROM group_members WHERE group_id = ?", (group_id,))
    db.conn.executemany("INSERT INTO group_members (group_id, person) VALUES (?, ?)", [(group_id, person) for person in set(members)])


def record_upload(db: Database, upload: Upload, *, now: datetime) -> bool:
    """Note a file to fetch; False when it was noted before."""
    cursor = db.conn.execute(
        "INSERT OR IGNORE INTO uploads (id, at, file_name, dataset, size_bytes, url, owner, channel, thread, format, state)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'wanted')",
        (upload.id, to_text(now), upload.file_name, upload.dataset, upload.size_bytes, upload.url, upload.owner, upload.channel,
         upload.thread, upload.format),
    )
    return cursor.rowcount == 1


def wanted_uploads(db: Database) -> list[Upload]:
    """Files still to be fetched, oldest first."""
    return [_upload(row) for row in db.conn.execute("SELECT * FROM uploads WHERE state = 'wanted' ORDER BY at")]


def settle_upload(db: Database, upload_id: str, *, error: str | None = None) -> None:
    """Note that a file was fetched, or why it never will be."""
    db.conn.execute("UPDATE uploads SET state = ?, error = ? WHERE id = ?", ("failed" if error else "fetched", error, upload_id))


def beat(db: Database, process: str, *, pid: int, now: datetime, passes: int = 0, passes_s: float = 0.0) -> None:
    """Note that a process lives; how many passes it has made since it began, and how long they took."""
    db.conn.execute(
        "INSERT OR REPLACE INTO heartbeats (process, at, pid, passes, passes_s) VALUES (?, ?, ?, ?, ?)",
        (process, to_text(now), pid, passes, passes_s),
    )


def forget_beat(db: Database, process: str) -> None:
    """Nobody is to be heard any more under this name."""
    db.conn.execute("DELETE FROM heartbeats WHERE process = ?", (process,))


def last_beat(db: Database, process: str) -> datetime | None:
    """When a process last said that it lives."""
    row = db.conn.execute("SELECT at FROM heartbeats WHERE process = ?", (process,)).fetchone()
    return None if row is None else required_time(row["at"])


def _upload(row: Row) -> Upload:
    return Upload(
        id=row["id"], file_name=row["file_name"], dataset=row["dataset"], size_bytes=row["size_bytes"], url=row["url"],
        owner=row["owner"], channel=row["channel"], thread=row["thread"], state=row["state"], error=row["error"], format=row["format"],
    )
