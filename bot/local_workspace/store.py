"""The state folder: one SQLite file and a folder of file bytes. Everything people said survives a restart."""

from __future__ import annotations

import fcntl
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from bot.local_workspace.entities import Channel, Message, Person, StoredFile
from bot.local_workspace.wire import Json

_SCHEMA = """
CREATE TABLE IF NOT EXISTS people (id TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS channels (id TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS messages (
    channel TEXT NOT NULL, ts TEXT NOT NULL, thread_ts TEXT, visible_to TEXT, body TEXT NOT NULL,
    PRIMARY KEY (channel, ts));
CREATE INDEX IF NOT EXISTS messages_by_thread ON messages (channel, thread_ts);
CREATE TABLE IF NOT EXISTS files (id TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS homes (person TEXT PRIMARY KEY, view TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
# Keeps a row's place, by which people and channels are listed (INSERT OR REPLACE would move it to the end).
_PUT = "INSERT INTO {} VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body"


class StateFolderInUseError(Exception):
    """Another local workspace runs on this state folder; stop it, or choose another folder."""


class Store:
    """Reads and writes the state folder. Used by one thread at a time (the server's), and by one process.

    Raises StateFolderInUseError when another workspace has the folder.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = (folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise StateFolderInUseError(f"{folder}: {StateFolderInUseError.__doc__}") from error
        self.files_folder = folder / "files"
        self.files_folder.mkdir(exist_ok=True)
        self._connection = sqlite3.connect(folder / "workspace.sqlite3", check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Ends the use of the folder; a second call does nothing."""
        self._connection.close()
        self._lock.close()

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """All writes inside happen together or not at all."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def secret(self, name: str, fresh: str) -> str:
        """The secret of that name, which becomes `fresh` when there is none yet."""
        self._connection.execute("INSERT OR IGNORE INTO secrets VALUES (?, ?)", (name, fresh))
        row = self._connection.execute("SELECT value FROM secrets WHERE name = ?", (name,)).fetchone()
        return str(row[0])

    # People and channels

    def put_person(self, person: Person) -> None:
        """Adds or replaces a person."""
        self._connection.execute(_PUT.format("people"), (person.id, _dump(asdict(person))))

    def people(self) -> list[Person]:
        """Everybody, in the order in which they came."""
        return [Person(**json.loads(body)) for (body,) in self._connection.execute("SELECT body FROM people ORDER BY rowid")]

    def put_channel(self, channel: Channel) -> None:
        """Adds or replaces a channel with its members."""
        body = asdict(channel) | {"members": sorted(channel.members)}
        self._connection.execute(_PUT.format("channels"), (channel.id, _dump(body)))

    def channels(self) -> list[Channel]:
        """All channels, oldest first."""
        rows = self._connection.execute("SELECT body FROM channels ORDER BY rowid")
        return [_channel(json.loads(body)) for (body,) in rows]

    # Messages

    def put_message(self, message: Message) -> None:
        """Adds a message or replaces the one with its channel and ts."""
        self._connection.execute(
            "INSERT OR REPLACE INTO messages VALUES (?, ?, ?, ?, ?)",
            (message.channel, message.ts, message.thread_ts, message.visible_to, _dump(asdict(message))),
        )

    def remove_message(self, channel: str, ts: str) -> None:
        """Removes a message; nothing happens when there is none."""
        self._connection.execute("DELETE FROM messages WHERE channel = ? AND ts = ?", (channel, ts))

    def message(self, channel: str, ts: str) -> Message | None:
        """The message with that id, ephemeral ones included."""
        row = self._connection.execute("SELECT body FROM messages WHERE channel = ? AND ts = ?", (channel, ts)).fetchone()
        return None if row is None else _message(json.loads(row[0]))

    def top_level(self, channel: str, *, newest: int = -1) -> list[Message]:
        """Messages outside threads and replies also sent to the channel, oldest first; the `newest` ones, or all (-1)."""
        rows = self._connection.execute(
            "SELECT body FROM messages WHERE channel = ? AND (thread_ts IS NULL OR json_extract(body, '$.broadcast'))"
            " ORDER BY ts DESC LIMIT ?",
            (channel, newest),
        )
        return [_message(json.loads(body)) for (body,) in rows][::-1]

    def thread(self, channel: str, ts: str) -> list[Message]:
        """A parent and its replies, oldest first, ephemeral ones included; empty when there is no such parent."""
        rows = self._connection.execute(
            "SELECT body FROM messages WHERE channel = ? AND (ts = ? OR thread_ts = ?) ORDER BY ts", (channel, ts, ts)
        )
        return [_message(json.loads(body)) for (body,) in rows]

    def last_ts(self) -> str:
        """The newest ts of the workspace; "0" in an empty one."""
        row = self._connection.execute("SELECT max(ts) FROM messages").fetchone()
        return str(row[0] or "0")

    # Files and homes

    def put_file(self, file: StoredFile) -> None:
        """Adds or replaces what is known of a file (not its bytes)."""
        self._connection.execute("INSERT OR REPLACE INTO files VALUES (?, ?)", (file.id, _dump(asdict(file))))

    def file(self, file_id: str) -> StoredFile | None:
        """The file with that id."""
        row = self._connection.execute("SELECT body FROM files WHERE id = ?", (file_id,)).fetchone()
        return None if row is None else _file(json.loads(row[0]))

    def files(self) -> list[StoredFile]:
        """All files, newest first."""
        files = [_file(json.loads(body)) for (body,) in self._connection.execute("SELECT body FROM files")]
        return sorted(files, key=lambda file: file.created_s, reverse=True)

    def remove_file(self, file_id: str) -> None:
        """Removes a file and its bytes."""
        self._connection.execute("DELETE FROM files WHERE id = ?", (file_id,))
        self.bytes_path(file_id).unlink(missing_ok=True)

    def bytes_path(self, file_id: str) -> Path:
        """Where the bytes of a file lie. Ids come from this workspace alone, so the name is safe."""
        return self.files_folder / file_id

    def put_home(self, person: str, view: Json) -> None:
        """Replaces what a person's Home tab shows."""
        self._connection.execute("INSERT OR REPLACE INTO homes VALUES (?, ?)", (person, _dump(view)))

    def home(self, person: str) -> Json | None:
        """What a person's Home tab shows; None until the app published one."""
        row = self._connection.execute("SELECT view FROM homes WHERE person = ?", (person,)).fetchone()
        return None if row is None else dict(json.loads(row[0]))


def _dump(body: Json) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def _channel(body: Json) -> Channel:
    return Channel(**body | {"members": frozenset(body["members"])})


def _message(body: Json) -> Message:
    lists = {key: tuple(body[key]) for key in ("blocks", "attachments", "file_ids")}
    return Message(**body | lists)


def _file(body: Json) -> StoredFile:
    return StoredFile(**body | {"shares": tuple((channel, ts) for channel, ts in body["shares"])})
