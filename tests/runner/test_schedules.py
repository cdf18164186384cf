"""The schedules table and the real engine on it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runner.schedules import Due, ScheduleEngine, due, settle
from runner.store import events, schedules
from runner.store.connection import Store
from runner.store.schedules import Schedule

CREATED = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)
EVERY_SECOND = "* * * * * *"  # cronsim's seconds field; people cannot ask for it


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "signalbox.db")
    yield store
    store.close()


def _add(
    store: Store, *, cron: str = "30 2 * * *", zone: str = "UTC", created: datetime = CREATED, grace: timedelta = schedules.GRACE
) -> Schedule:
    schedule = Schedule(schedules.BOOK.new_id(), "every day 02:30", cron, zone, "ps", "U1", "C1", created, grace=grace)
    with store.writing() as db:
        schedules.add(db, schedule)
    return schedule


def _events(store: Store, kind: str) -> list[dict[str, object]]:
    return [dict(event.payload) for event in events.after(store.reading(), 0) if event.kind == kind]


def _untaken(store: Store) -> list[datetime]:
    return [due_at for _, due_at in schedules.untaken_firings(store.reading())]


def test_nothing_is_due_before_its_time(store: Store) -> None:
    schedule = _add(store)

    assert settle(store, schedule.id, now=datetime(2026, 11, 21, 2, 29, 59, tzinfo=UTC)) is None
    assert _untaken(store) == []


def test_an_occurrence_is_one_firing_and_one_event_however_often_we_look(store: Store) -> None:
    schedule = _add(store)
    at = datetime(2026, 11, 21, 2, 30, tzinfo=UTC)

    fired = [settle(store, schedule.id, now=at + timedelta(seconds=second)) for second in range(3)]

    assert fired == [at, None, None]
    assert _untaken(store) == [at]
    [event] = _events(store, "schedule_fired")
    assert (event["schedule"], event["command"], event["owner"], event["channel"]) == (schedule.id, "ps", "U1", "C1")


def test_two_processes_that_look_at_once_fire_once(tmp_path: Path) -> None:
    store = Store(tmp_path / "signalbox.db")
    schedule = _add(store)
    at = datetime(2026, 11, 21, 2, 30, tzinfo=UTC)
    barrier = threading.Barrier(4)
    fired = []

    def look() -> None:
        barrier.wait()
        fired.append(settle(store, schedule.id, now=at))
        store.close()

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(moment is not None for moment in fired) == [False, False, False, True]
    assert len(_events(store, "schedule_fired")) == 1
    store.close()


def test_after_a_downtime_within_the_grace_the_newest_occurrence_fires_once(store: Store) -> None:
    schedule = _add(store, cron="0 * * * *")

    fired = settle(store, schedule.id, now=CREATED + timedelta(hours=4))

    assert fired == datetime(2026, 11, 21, 5, tzinfo=UTC)
    assert _untaken(store) == [fired]
    assert _events(store, "schedule_fired")[0]["skipped"] == 3
    assert _events(store, "schedule_missed") == []


def test_what_is_older_than_the_grace_is_missed_and_said_once(store: Store) -> None:
    schedule = _add(store)
    now = datetime(2026, 11, 24, 9, tzinfo=UTC)  # 6 h 30 min after the last one

    assert settle(store, schedule.id, now=now) is None
    assert settle(store, schedule.id, now=now) is None

    [missed] = _events(store, "schedule_missed")
    assert missed["count"] == 4
    assert missed["first_due_at"] == "2026-11-21T02:30:00+00:00"
    assert missed["due_at"] == "2026-11-24T02:30:00+00:00"
    assert _untaken(store) == []


@pytest.mark.parametrize(("late_h", "fires"), [(1.9, True), (2.1, False)])
def test_a_schedule_has_a_grace_of_its_own(store: Store, late_h: float, fires: bool) -> None:
    schedule = _add(store, grace=timedelta(hours=2))
    due_at = datetime(2026, 11, 21, 2, 30, tzinfo=UTC)

    assert settle(store, schedule.id, now=due_at + timedelta(hours=late_h)) == (due_at if fires else None)
    assert [event["grace_s"] for event in _events(store, "schedule_missed")] == ([] if fires else [7200])


def test_a_long_downtime_reports_the_old_ones_and_fires_the_newest(store: Store) -> None:
    schedule = _add(store)

    fired = settle(store, schedule.id, now=datetime(2026, 11, 24, 8, 30, tzinfo=UTC))

    assert fired == datetime(2026, 11, 24, 2, 30, tzinfo=UTC)
    assert [event["count"] for event in _events(store, "schedule_missed")] == [3]
    assert _untaken(store) == [fired]


def test_a_paused_schedule_and_a_removed_one_owe_nothing(store: Store) -> None:
    schedule = _add(store)
    with store.writing() as db:
        schedules.BOOK.pause(db, schedule.id, paused=True)
    later = CREATED + timedelta(days=1)

    assert due(schedules.BOOK.get(store.reading(), schedule.id), now=later) == Due()
    assert settle(store, schedule.id, now=later) is None
    with store.writing() as db:
        schedules.BOOK.remove(db, schedule.id)
    assert settle(store, schedule.id, now=later) is None


@pytest.mark.slow
def test_a_year_of_looks_through_both_clock_changes_fires_every_night_once(store: Store) -> None:
    schedule = _add(store, zone="Europe/Berlin")
    moment, end = CREATED, CREATED + timedelta(days=365, hours=2)
    fired = []
    while moment < end:
        found = settle(store, schedule.id, now=moment)
        fired += [found] if found else []
        moment += timedelta(hours=1, minutes=7)

    assert len(fired) == 365
    assert len({moment.date() for moment in fired}) == 365


class _Fired:
    """Waits for firings of a real engine."""

    def __init__(self) -> None:
        self._called = threading.Semaphore(0)

    def __call__(self, schedule_id: str) -> None:
        self._called.release()

    def wait(self, times: int = 1) -> bool:
        return all(self._called.acquire(timeout=15) for _ in range(times))


@pytest.fixture
def fired() -> _Fired:
    return _Fired()


@pytest.fixture
def engine(store: Store, fired: _Fired) -> Iterator[ScheduleEngine]:
    engine = ScheduleEngine(store, now=lambda: datetime.now(UTC), fired=fired)
    engine.start()
    yield engine
    engine.stop()


def test_the_engine_fires_at_each_time_and_a_new_row_counts_when_told(store: Store, engine: ScheduleEngine, fired: _Fired) -> None:
    schedule = _add(store, cron=EVERY_SECOND, created=datetime.now(UTC))
    engine.look()

    assert fired.wait(times=3)

    moments = _untaken(store)
    assert len(set(moments)) == len(moments) >= 3
    assert schedules.BOOK.get(store.reading(), schedule.id).last_due_at == moments[-1]


@pytest.mark.slow
def test_a_paused_row_stops_firing_and_a_resumed_one_fires_again(store: Store, engine: ScheduleEngine, fired: _Fired) -> None:
    schedule = _add(store, cron=EVERY_SECOND, created=datetime.now(UTC))
    engine.look()
    assert fired.wait()
    with store.writing() as db:
        schedules.BOOK.pause(db, schedule.id, paused=True)
        count = len(schedules.untaken_firings(db))
    engine.look()
    other = _add(store, cron=EVERY_SECOND, created=datetime.now(UTC))
    engine.look()
    assert fired.wait(times=3)

    assert len([due_at for row, due_at in schedules.untaken_firings(store.reading()) if row.id == schedule.id]) == count
    with store.writing() as db:
        schedules.BOOK.remove(db, other.id)
        schedules.BOOK.pause(db, schedule.id, paused=False)
    engine.look()
    assert fired.wait(times=2)


def test_one_bad_row_does_not_stop_the_others(store: Store, engine: ScheduleEngine, fired: _Fired) -> None:
    _add(store, cron="not a line", created=datetime.now(UTC))
    _add(store, zone="Nowhere/Land", created=datetime.now(UTC))
    good = _add(store, cron=EVERY_SECOND, created=datetime.now(UTC))
    engine.look()

    assert fired.wait(times=2)
    assert {row.id for row, _ in schedules.untaken_firings(store.reading())} == {good.id}


_KILLED = """
import sys
from datetime import datetime
from pathlib import Path
from runner.schedules import settle
from runner.store.connection import Store
settle(Store(Path(sys.argv[1])), sys.argv[2], now=datetime.fromisoformat(sys.argv[3]))
"""


def test_killed_right_after_firing_it_has_fired_exactly_once(store: Store) -> None:
    schedule = _add(store)
    at = datetime(2026, 11, 21, 2, 30, tzinfo=UTC)
    environment = os.environ | {"SIGNALBOX_CRASH_AT": "runner.after_schedule_fired"}

    died = subprocess.run(
        [sys.executable, "-c", _KILLED, str(store.path), schedule.id, at.isoformat()], env=environment, timeout=30, check=False
    )

    assert died.returncode == -signal.SIGKILL
    assert settle(store, schedule.id, now=at + timedelta(minutes=1)) is None
    assert _untaken(store) == [at]
    assert len(_events(store, "schedule_fired")) == 1
