"""Reads what the rules look at: a few queries over what is live; of points and events only what is new since the last look."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from sqlite3 import Row
from typing import Any

from sqlite_utils import Database

from runner.alerts.course import Course, Measured
from runner.alerts.scene import Happened, HostSeen, RunSeen, Scene
from runner.entities import Progress
from runner.evidence import DeviceUse, Programs
from runner.queue_scene import turn_of
from runner.service.house import House
from runner.specs import Kind, TrainSpec
from runner.states import Reason, State
from runner.store import hosts, locks, people, runs
from runner.store.connection import required_time, to_text, to_time

DAY = timedelta(days=1)
MOST_WAITING = 200
"""Runs. Of thousands that wait, the oldest tell enough."""
MOST_ENDED = 500
OLDEST_EVENTS = 20_000
MOST_POINTS = 5_000
"""Of an attempt that is at work already when the runner starts."""
DISK_EVERY = timedelta(minutes=1)
DISK_SAMPLES = 60
_KINDS = ("rebooted", "moved_in", "schedule_missed")
_BEATS = ("bot", "socket")
_RUNS = """
SELECT runs.id, runs.kind, runs.reason, runs.detail, runs.owner, runs.channel, runs.host, runs.attempt, runs.created_at, runs.updated_at,
    runs.ended_at, runs.parent_id, attempts.claimed_at, attempts.log_grown_at,
    runs.state = 'FAILED' AND EXISTS (SELECT 1 FROM runs AS child WHERE child.parent_id = runs.id) AS followed
FROM runs LEFT JOIN attempts ON attempts.run_id = runs.id AND attempts.number = runs.attempt WHERE
"""
_POINTS = 'SELECT id, run_id, attempt, at, epoch, iteration, iterations, loss, step_s, "values" FROM progress WHERE '


@dataclass(frozen=True, slots=True)
class _Frozen:
    """What does not change of a run's attempt."""

    preset: str = ""
    dataset: str = ""
    limit_s: float | None = None
    wanted_host: str | None = None
    wanted_devices: int = 1
    epochs: int | None = None
    parent_best: float | None = None


@dataclass(slots=True)
class Observer:
    """Looks at the house, again and again from one thread. Holds what was read before, of what still lives."""

    house: House
    _point: int = -1
    _event: int = 0
    _courses: dict[tuple[str, int], Course] = field(default_factory=dict)
    _frozen: dict[tuple[str, int], _Frozen] = field(default_factory=dict)
    _measured: dict[str, tuple[int, Sequence[Measured]]] = field(default_factory=dict)
    _happened: list[Happened] = field(default_factory=list)
    _disks: defaultdict[str, deque[tuple[datetime, int]]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=DISK_SAMPLES))
    )

    def look(self) -> Scene:
        """The scene now, of one moment of the database."""
        now = self.house.now()
        with self.house.store.snapshot() as db:
            rows = _rows(db, now)
            self._read_points(db, rows)
            self._read_events(db, now)
            seen = [self._run(db, row, held) for row, held in _with_devices(db, rows)]
            return Scene(
                now=now, runs=seen, hosts=self._hosts(db, now), happened=tuple(self._happened), owed_since=_owed_since(db),
                beats={name: at for name in _BEATS if (at := people.last_beat(db, name)) is not None},
                state_free_bytes=shutil.disk_usage(self.house.settings.state).free,
            )

    def _run(self, db: Database, row: Row, held: Sequence[str]) -> RunSeen:
        key, reason = (row["id"], row["attempt"]), Reason(row["reason"])
        frozen = self._frozen.get(key) or self._read_frozen(db, key)
        return RunSeen(
            id=row["id"], kind=Kind(row["kind"]), state=reason.state, reason=reason, created_at=required_time(row["created_at"]),
            updated_at=required_time(row["updated_at"]), channel=row["channel"], owner=row["owner"], preset=frozen.preset,
            dataset=frozen.dataset, host=row["host"], claimed_at=to_time(row["claimed_at"]), ended_at=to_time(row["ended_at"]),
            log_grown_at=to_time(row["log_grown_at"]), limit_s=frozen.limit_s, detail=row["detail"], wanted_host=frozen.wanted_host,
            wanted_devices=frozen.wanted_devices, devices=tuple(held), epochs=frozen.epochs, course=self._courses.get(key) or Course(),
            evaluations=self._evaluations(db, row["id"]) if row["kind"] == Kind.TRAIN and row["claimed_at"] else (),
            parent=row["parent_id"], parent_best=frozen.parent_best, followed=bool(row["followed"]),
        )

    def _read_frozen(self, db: Database, key: tuple[str, int]) -> _Frozen:
        run = runs.get(db, key[0])
        turn, spec = turn_of(run), run.spec
        found = _Frozen(limit_s=turn.limit_s, wanted_devices=0)
        if isinstance(spec, TrainSpec):
            epochs = (run.prepared or {}).get("epochs")
            found = _Frozen(
                spec.preset.name, spec.dataset.name, turn.limit_s, spec.host, spec.gpus, epochs if isinstance(epochs, int) else None,
                _parent_best(db, run.parent_id, spec),
            )
        if run.attempt:  # before it, much may still change
            self._frozen[key] = found
        return found

    def _evaluations(self, db: Database, run_id: str) -> Sequence[Measured]:
        newest = db.conn.execute("SELECT max(id) FROM evaluations WHERE run_id = ?", (run_id,)).fetchone()[0] or 0
        known = self._measured.get(run_id)
        if known is None or known[0] != newest:
            wanted = "SELECT epoch, task, ap FROM evaluations WHERE run_id = ? AND ap IS NOT NULL ORDER BY id"
            rows = db.conn.execute(wanted, (run_id,)).fetchall()
            task = "bbox" if any(row["task"] == "bbox" for row in rows) else rows[0]["task"] if rows else ""
            known = self._measured[run_id] = (newest, [Measured(row["epoch"], row["ap"]) for row in rows if row["task"] == task])
        return known[1]

    def _read_points(self, db: Database, rows: Iterable[Row]) -> None:
        """The points that are new; and all of an attempt that is seen for the first time."""
        live = {(row["id"], row["attempt"]) for row in rows if row["claimed_at"] and not row["ended_at"]}
        newest = db.conn.execute("SELECT coalesce(max(id), 0) FROM progress").fetchone()[0]
        seen = {(row["id"], row["attempt"]) for row in rows}
        self._courses = {key: course for key, course in self._courses.items() if key in seen}
        self._frozen = {key: frozen for key, frozen in self._frozen.items() if key in seen}
        self._measured = {run_id: known for run_id, known in self._measured.items() if run_id in {key[0] for key in seen}}
        if self._point >= 0 and newest > self._point:
            self._take(db.conn.execute(f"{_POINTS} id > ? AND id <= ? ORDER BY id", (self._point, newest)))
        for key in live - self._courses.keys():
            self._courses[key] = Course()
            of_attempt = f"{_POINTS} run_id = ? AND attempt = ? AND id <= ? ORDER BY id LIMIT {MOST_POINTS}"
            self._take(db.conn.execute(of_attempt, (*key, newest)))
        self._point = newest

    def _take(self, rows: Iterable[Row]) -> None:
        for row in rows:
            course = self._courses.get((row["run_id"], row["attempt"]))
            if course is not None:
                values = json.loads(row["values"]) if row["loss"] is None else {}
                point = Progress(row["epoch"], row["iteration"], row["iterations"], row["loss"], step_s=row["step_s"], values=values)
                course.take(point, required_time(row["at"]))

    def _read_events(self, db: Database, now: datetime) -> None:
        newest = db.conn.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0]
        since = self._event or newest - OLDEST_EVENTS
        wanted = f"SELECT kind, at, run_id, payload FROM events WHERE id > ? AND id <= ? AND kind IN ({','.join('?' * len(_KINDS))})"  # noqa: S608
        for row in db.conn.execute(wanted, (since, newest, *_KINDS)):
            self._happened.append(Happened(row["kind"], required_time(row["at"]), row["run_id"], json.loads(row["payload"])))
        self._event = newest
        self._happened = [each for each in self._happened if now - each.at <= DAY]

    def _hosts(self, db: Database, now: datetime) -> Mapping[str, HostSeen]:
        locked: defaultdict[str, set[str]] = defaultdict(set)
        for lock in locks.all_locks(db, now=now):
            locked[lock.host] |= {lock.device} if lock.device else {device.uuid for device in hosts.devices(db, hosts.get(db, lock.host))}
        return {host.name: self._host(hosts.resources(db, host.name), HostSeen(
            host.name, host.seen_at, host.host_time, host.trouble, host.drained, locked=frozenset(locked[host.name]),
        )) for host in hosts.all_hosts(db)}

    def _host(self, said: Mapping[str, Any], host: HostSeen) -> HostSeen:
        disks = self._disks[host.name]
        if "disk_free_bytes" in said and host.seen_at and (not disks or host.seen_at - disks[-1][0] >= DISK_EVERY):
            disks.append((host.seen_at, said["disk_free_bytes"]))
        devices = said.get("devices", [])
        return HostSeen(
            host.name, host.seen_at, host.host_time, host.trouble, host.drained,
            None if devices is None else [_device(each) for each in devices],
            said.get("disk_total_bytes", 0), tuple(disks), host.locked,
        )


def _rows(db: Database, now: datetime) -> list[Row]:
    of_state = f"{_RUNS} runs.state = ?"
    ended = f"{_RUNS} runs.ended_at > ? AND runs.state IN ('FAILED', 'SUCCEEDED') ORDER BY runs.ended_at DESC LIMIT {MOST_ENDED}"
    return [
        *db.conn.execute(of_state, (State.RUNNING.value,)),
        *db.conn.execute(f"{of_state} ORDER BY runs.created_at LIMIT {MOST_WAITING}", (State.PENDING.value,)),
        *db.conn.execute(ended, (to_text(now - DAY),)),
    ]


def _with_devices(db: Database, rows: Iterable[Row]) -> Iterable[tuple[Row, Sequence[str]]]:
    held: defaultdict[str, list[str]] = defaultdict(list)
    for lease in hosts.leases(db):
        held[lease.run_id].append(lease.device)
    return ((row, held.get(row["id"], [])) for row in rows)


def _parent_best(db: Database, parent_id: str | None, spec: TrainSpec) -> float | None:
    """The best mAP of the run that a training came from, where both learned the same dataset."""
    parent = runs.get(db, parent_id) if parent_id else None
    if parent is None or not isinstance(parent.spec, TrainSpec) or parent.spec.dataset.name != spec.dataset.name:
        return None
    best: float | None = db.conn.execute("SELECT max(ap) FROM evaluations WHERE run_id = ? AND task = 'bbox'", (parent.id,)).fetchone()[0]
    return best


def _owed_since(db: Database) -> datetime | None:
    row = db.conn.execute("SELECT min(created_at) AS oldest FROM deliveries WHERE state IN ('owed', 'sending')").fetchone()
    return to_time(row["oldest"])


def _device(said: Mapping[str, Any]) -> DeviceUse:
    programs = said.get("processes")
    return DeviceUse(**{**said, "processes": None if programs is None else tuple(Programs(**each) for each in programs)})
