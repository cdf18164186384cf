"""One SQLite file, shared by bot, runner and terminal: WAL, one connection a thread, writers queue for five seconds."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlite_utils import Database

from runner.store.migrations import migrations

BUSY_TIMEOUT_S = 5.0

DatabaseError = sqlite3.Error
"""What the database raises: locked for too long, a full disk, a damaged file."""


class Store:
    """The database. ``writing()`` is a transaction that holds the write lock, ``snapshot()`` one that only reads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.undone = 0
        self._local = threading.local()
        self._turn = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        migrations.apply(self._database())

    def reading(self) -> Database:
        """This thread's connection, outside any transaction."""
        return self._database()

    @contextmanager
    def writing(self) -> Iterator[Database]:
        """A transaction begun IMMEDIATE, so that a read followed by a write never fails under another writer.

        Inside another ``writing()`` of the same thread it is a savepoint of that one. Threads of this process take turns here: SQLite has
        who waits look again after up to 100 ms, and half of an answer's time went that way. DatabaseError when it takes too long.
        """
        database = self._database()
        if database.conn.in_transaction:
            try:
                with database.atomic():
                    yield database
            except BaseException:
                self.undone += 1
                raise
            return
        if not self._turn.acquire(timeout=BUSY_TIMEOUT_S):
            raise sqlite3.OperationalError("database is locked by another thread")
        try:
            with self._transaction(database):
                yield database
        finally:
            self._turn.release()

    @contextmanager
    def _transaction(self, database: Database) -> Iterator[None]:
        database.conn.execute("BEGIN IMMEDIATE")
        self._local.changing = True
        try:
            yield
        except BaseException:
            self.undone += 1
            database.conn.execute("ROLLBACK")
            raise
        finally:
            self._local.changing = False
        database.conn.execute("COMMIT")

    @property
    def changing(self) -> bool:
        """Whether this thread is inside ``writing()``: what it reads now may never have been, if ``undone`` grows."""
        return getattr(self._local, "changing", False)

    @contextmanager
    def snapshot(self) -> Iterator[Database]:
        """A read transaction: everything read inside belongs to one moment."""
        database = self._database()
        if database.conn.in_transaction:
            yield database
            return
        database.conn.execute("BEGIN")
        try:
            yield database
        finally:
            database.conn.execute("ROLLBACK")

    def data_version(self) -> int:
        """A number that changes when another connection has committed: what the processes poll to wake each other."""
        row = self._database().conn.execute("PRAGMA data_version").fetchone()
        return int(row[0])

    def close(self) -> None:
        """Close this thread's connection."""
        database: Database | None = getattr(self._local, "database", None)
        if database is not None:
            database.conn.close()
            self._local.database = None

    def _database(self) -> Database:
        database: Database | None = getattr(self._local, "database", None)
        if database is None:
            connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.row_factory = sqlite3.Row
            database = Database(connection)
            self._local.database = database
        return database


def to_text(moment: datetime | None) -> str | None:
    """A time as the database keeps it: UTC, fixed width, so that text order is time order."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def to_time(text: str | None) -> datetime | None:
    """The inverse of :func:`to_text`."""
    return None if text is None else required_time(text)


def required_time(text: str) -> datetime:
    """A time that a column always holds. Every row has several, and ``strptime`` took most of the time of reading one."""
    return datetime.fromisoformat(text)
