"""Whether the database is whole and can be written. Looks only; mends nothing."""

from __future__ import annotations

import sqlite3
import time

from runner.store.connection import Store

_STEPS = 20_000


def problems(store: Store, *, deadline_s: float) -> list[str]:
    """What SQLite's quick check finds wrong, empty where all is well; TimeoutError when it takes longer than the deadline."""
    ends = time.monotonic() + deadline_s
    connection = store.reading().conn
    connection.set_progress_handler(lambda: int(time.monotonic() > ends), _STEPS)
    try:
        found = [str(row[0]) for row in connection.execute("PRAGMA quick_check(5)")]
    except sqlite3.OperationalError as error:
        if time.monotonic() > ends:
            raise TimeoutError(f"the check of the database took longer than {deadline_s:g} s") from error
        return [str(error)]
    except sqlite3.DatabaseError as error:
        return [str(error)]
    finally:
        connection.set_progress_handler(None, 0)
    return [] if found == ["ok"] else found


def unwritable(store: Store) -> str:
    """Why the write lock cannot be had within the busy time-out; empty where it can."""
    try:
        with store.writing():
            return ""
    except sqlite3.OperationalError as error:
        return str(error)
