"""Reads what the rules look at: of points and events only what is new since the last look; the rest is held."""

from __future__ import annotations

import shutil
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlite_utils import Database

from runner.alerts.course import Course, Measured
from runner.alerts.scene import Happened, HostSeen, RunSeen, Scene
from runner.entities import Host, Progress
from runner.evidence import DeviceUse, Programs
from runner.queue_scene import turn_of
from runner.service.house import House
from runner.specs import Kind, TrainSpec
from runner.store import champions, hosts, locks, observations, people, runs
from runner.store.observations import RunRow

DAY = timedelta(days=1)
OLDEST_EVENTS = 20_000
DISK_EVERY = timedelta(minutes=1)
DISK_SAMPLES = 60
_KINDS = ("rebooted", "moved_in", "schedule_missed")
_PROCESSES = ("bot", "socket")


@dataclass(frozen=True, slots=True)
class _Frozen:
    """What does not change of a run's attempt."""

    preset: str = ""
    dataset: str = ""
    limit_s: float | None = None
    wanted_host: str | None = None
    wanted_devices: int = 0
    epochs: int | None = None
    parent_best: float | None = None


@dataclass(slots=True)
class Observer:
    """Looks at the house, again and again from one thread. Holds what was read before of what is still to be seen."""

    house: House
    _point: int | None = None
    _event: int | None = None
    _courses: dict[tuple[str, int], Course] = field(default_factory=dict)
    _frozen: dict[tuple[str, int], _Frozen] = field(default_factory=dict)
    _measured: dict[str, tuple[int, Sequence[Measured]]] = field(default_factory=dict)
    _champions: Mapping[tuple[str, str], str] = field(default_factory=dict)
    _champions_best: dict[str, float | None] = field(default_factory=dict)
    _happened: list[Happened] = field(default_factory=list)
    _disks: defaultdict[str, deque[tuple[datetime, int]]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=DISK_SAMPLES))
    )

    def look(self) -> Scene:
        """The scene now, of one moment of the database."""
        now = self.house.now()
        with self.house.store.snapshot() as db:
            rows = observations.run_rows(db, ended_after=now - DAY)
            self._forget_but({(row.id, row.attempt) for row in rows})
            self._read_points(db, rows)
            self._read_events(db, now)
            self._champions = {(each.preset, each.dataset): each.run_id for each in champions.current(db)}
            held: defaultdict[str, list[str]] = defaultdict(list)
            for lease in hosts.leases(db):
                held[lease.run_id].append(lease.device)
            return Scene(
                now=now, runs=[self._run(db, row, held[row.id]) for row in rows], hosts=self._hosts(db, now),
                happened=tuple(self._happened), owed_since=observations.owed_since(db),
                beats={name: at for name in _PROCESSES if (at := people.last_beat(db, name)) is not None},
                state_free_bytes=shutil.disk_usage(self.house.settings.state).free,
            )

    def _forget_but(self, seen: set[tuple[str, int]]) -> None:
        runs_seen = {run_id for run_id, _ in seen}
        self._courses = {key: course for key, course in self._courses.items() if key in seen}
        self._frozen = {key: frozen for key, frozen in self._frozen.items() if key in seen}
        self._measured = {run_id: measured for run_id, measured in self._measured.items() if run_id in runs_seen}

    def _run(self, db: Database, row: RunRow, held: Sequence[str]) -> RunSeen:
        key = (row.id, row.attempt)
        frozen = self._frozen.get(key) or self._read_frozen(db, key)
        trained = row.kind is Kind.TRAIN and row.claimed_at is not None
        champion = self._champions.get((frozen.preset, frozen.dataset)) if trained else None
        return RunSeen(
            id=row.id, kind=row.kind, state=row.reason.state, reason=row.reason, created_at=row.created_at, updated_at=row.updated_at,
            channel=row.channel, owner=row.owner, preset=frozen.preset, dataset=frozen.dataset, host=row.host, claimed_at=row.claimed_at,
            ended_at=row.ended_at, log_grown_at=row.log_grown_at, limit_s=frozen.limit_s, detail=row.detail,
            wanted_host=frozen.wanted_host, wanted_devices=frozen.wanted_devices, devices=tuple(held), epochs=frozen.epochs,
            course=self._courses.get(key) or Course(), evaluations=self._evaluations(db, row.id) if trained else (),
            parent=row.parent_id, parent_best=frozen.parent_best, followed=row.followed,
            champion=champion, champion_best=self._best_of(db, champion) if champion and champion != row.id else None,
        )

    def _read_frozen(self, db: Database, key: tuple[str, int]) -> _Frozen:
        run = runs.get(db, key[0])
        found, spec = _Frozen(limit_s=turn_of(run).limit_s), run.spec
        if isinstance(spec, TrainSpec):
            epochs = (run.prepared or {}).get("epochs")
            found = replace(
                found, preset=spec.preset.name, dataset=spec.dataset.name, wanted_host=spec.host, wanted_devices=spec.gpus,
                epochs=epochs if isinstance(epochs, int) else None, parent_best=_parent_best(db, run.parent_id, spec),
            )
        if run.attempt:  # before it, much may still change
            self._frozen[key] = found
        return found

    def _best_of(self, db: Database, champion: str) -> float | None:
        """The best mAP of a champion: it has ended, and changes no more."""
        if champion not in self._champions_best:
            self._champions_best[champion] = max((ap for _, ap in observations.average_precisions(db, champion)), default=None)
        return self._champions_best[champion]

    def _evaluations(self, db: Database, run_id: str) -> Sequence[Measured]:
        newest = observations.newest_evaluation(db, run_id)
        known = self._measured.get(run_id)
        if known is None or known[0] != newest:
            known = self._measured[run_id] = (newest, [Measured(*each) for each in observations.average_precisions(db, run_id)])
        return known[1]

    def _read_points(self, db: Database, rows: Iterable[RunRow]) -> None:
        """The points that are new; and all of an attempt that is seen for the first time."""
        newest = observations.newest_point(db)
        if self._point is not None:
            self._take(observations.points_between(db, self._point, newest))
        for key in {(row.id, row.attempt) for row in rows if row.claimed_at and not row.ended_at} - self._courses.keys():
            self._courses[key] = Course()
            self._take(observations.points_of(db, *key, newest))
        self._point = newest

    def _take(self, points: Iterable[tuple[tuple[str, int], Progress, datetime]]) -> None:
        for key, point, at in points:
            if key in self._courses:
                self._courses[key].take(point, at)

    def _read_events(self, db: Database, now: datetime) -> None:
        newest = observations.newest_event(db)
        since = newest - OLDEST_EVENTS if self._event is None else self._event
        self._happened += [Happened(*each) for each in observations.events_between(db, since, newest, _KINDS)]
        self._happened = [each for each in self._happened if now - each.at <= DAY]
        self._event = newest

    def _hosts(self, db: Database, now: datetime) -> Mapping[str, HostSeen]:
        locked: defaultdict[str, set[str]] = defaultdict(set)
        for lock in locks.all_locks(db, now=now):
            locked[lock.host] |= {lock.device} if lock.device else {device.uuid for device in hosts.devices(db, hosts.get(db, lock.host))}
        return {host.name: self._host(host, hosts.resources(db, host.name), locked[host.name]) for host in hosts.all_hosts(db)}

    def _host(self, host: Host, said: Mapping[str, Any], locked: set[str]) -> HostSeen:
        disks = self._disks[host.name]
        if "disk_free_bytes" in said and host.seen_at and (not disks or host.seen_at - disks[-1][0] >= DISK_EVERY):
            disks.append((host.seen_at, said["disk_free_bytes"]))
        devices = said.get("devices", [])
        return HostSeen(
            host.name, host.seen_at, host.host_time, host.trouble, host.drained,
            None if devices is None else [_device(each) for each in devices],
            said.get("disk_total_bytes", 0), tuple(disks), frozenset(locked),
        )


def _parent_best(db: Database, parent_id: str | None, spec: TrainSpec) -> float | None:
    """The best mAP of the run that a training came from, where both learned the same dataset."""
    parent = runs.get(db, parent_id) if parent_id else None
    if parent is None or not isinstance(parent.spec, TrainSpec) or parent.spec.dataset.name != spec.dataset.name:
        return None
    return max((ap for _, ap in observations.average_precisions(db, parent.id)), default=None)


def _device(said: Mapping[str, Any]) -> DeviceUse:
    programs = said.get("processes")
    return DeviceUse(**{**said, "processes": None if programs is None else tuple(Programs(**each) for each in programs)})
