"""Threads of one process write in turns."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from runner.store import connection
from runner.store.connection import DatabaseError, Store


def test_who_waits_for_another_thread_does_not_wait_in_sqlite(tmp_path: Path) -> None:
    store, ready, told = Store(tmp_path / "house.db"), threading.Event(), list[str]()

    def write() -> None:
        store.reading().conn.set_trace_callback(told.append)
        ready.set()
        with store.writing():
            pass
        store.close()

    other = threading.Thread(target=write)
    with store.writing():
        other.start()
        assert ready.wait(30)
        time.sleep(0.1)  # it would have tried long since
        assert told == []
    other.join(30)
    assert told == ["BEGIN IMMEDIATE", "COMMIT"]


def test_a_turn_that_does_not_come_is_an_error_and_the_next_one_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, failed = Store(tmp_path / "house.db"), list[DatabaseError]()
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_S", 0.05)

    def write() -> None:
        try:
            with store.writing():
                pass
        except DatabaseError as error:
            failed.append(error)

    def tried() -> None:
        other = threading.Thread(target=write)
        other.start()
        other.join(30)

    with store.writing():
        tried()
    tried()
    assert [str(error) for error in failed] == ["database is locked by another thread"]
