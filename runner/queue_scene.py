"""The queue's scene as the database and the hosts know it: what waits, what runs, which devices there are, who has used how much."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlite_utils import Database

from runner.decisions import HostFacts
from runner.disk_needs import DiskNeeds, disks_of
from runner.entities import Gpu, Host, Lease, Run
from runner.kinds.base import Needs
from runner.queueing.facts import Device, Foreign, Lock, Running, Scene, Waiting
from runner.queueing.order import decayed
from runner.service.house import House
from runner.specs import ModelSpec, StartMode, TrainSpec, Turn
from runner.store import attempts, hosts, locks, progress, usage
from runner.store.connection import Store
from runner.time_left import time_left

MEMORY_MARGIN = 1.15
"""Times what earlier runs of the same model and batch held: fragments, and larger pictures."""
REMEMBERED_HALF_LIVES = 6
LASTS = timedelta(seconds=30)
LEARNED_LASTS = timedelta(minutes=1)
RENEWED_AT_ONCE = 1000
"""Waiting runs of which it is asked in one pass whether the past teaches something new: it hardly does."""
SETTLES = timedelta(days=1)
"""How long after an attempt's end that may still become known: a host can be silent for so long."""
ANY_TURN = Turn()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run that could start now, on any of ``hosts`` (names, best first)."""

    run: Run
    hosts: Sequence[str]
    needs: Needs


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of a live run: whether it could start. ``holds``: as long as neither it nor the hosts change."""

    candidate: Candidate | None = None
    holds: bool = False


class Candidates:
    """The runs that wait for nothing but their turn. Of thousands, only those are looked at again of which something may have changed."""

    def __init__(self) -> None:
        self._facts: Sequence[HostFacts] = ()
        self._found: dict[str, tuple[Run, Found]] = {}

    def among(self, live: Iterable[Run], facts: Sequence[HostFacts], look: Callable[[Run], Found]) -> list[Candidate]:
        """Those of ``live``, where ``look`` finds out how it is with one. A run that is the same object has not changed."""
        known = self._found if facts == self._facts else {}
        self._facts, self._found = facts, {}
        candidates = []
        for run in live:
            before = known.get(run.id)
            if before is None or before[0] is not run:
                before = run, look(run)
            if before[1].holds:
                self._found[run.id] = before
            if before[1].candidate is not None:
                candidates.append(before[1].candidate)
        return candidates


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that a decision depends on besides the runs that wait, the past and the time."""

    hosts: tuple[Host, ...]
    devices: tuple[Device, ...]
    leases: tuple[Lease, ...]
    locks: tuple[Lock, ...]


def surroundings(db: Database, known: Iterable[Host], *, now: datetime) -> Surroundings:
    """As the hosts last said, in the caller's read."""
    leases, there = hosts.leases(db), tuple(replace(host, seen_at=None) for host in known)  # a sign of life changes nothing
    devices = tuple(device for host in there for device in _devices(db, host, leases))
    return Surroundings(there, devices, tuple(leases), tuple(locks.all_locks(db, now=now)))


class Scenes:
    """Makes scenes, and remembers between them what is many rows and hardly changes: the past, and what each run wants."""

    def __init__(self) -> None:
        self._past: Past | None = None
        self._waiting: dict[str, tuple[Candidate, Learned, Waiting]] = {}
        self._ends: dict[str, tuple[datetime, datetime | None]] = {}

    def past(self, house: House) -> Past:
        """What has been, up to now or shortly before."""
        self._past = past_of(house, known=self._past)
        return self._past

    def scene(
        self, house: House, candidates: Iterable[Candidate], around: Surroundings, live: Mapping[str, Run], *, now: datetime
    ) -> Scene:
        """Everything that a decision of the queue is made from, in the caller's read. ``live`` are the runs that have not ended, by id."""
        past, db = self.past(house), house.store.reading()
        return Scene(
            waiting=tuple(self._wanted(candidates, past)), running=self.running(house, around.leases, live, now=now),
            devices=around.devices, now=now, locks=around.locks, used=past.used,
            disks=disks_of(db, past.disk, around.leases, {host.name: host for host in around.hosts}),
        )

    def running(self, house: House, leases: Iterable[Lease], live: Mapping[str, Run], *, now: datetime) -> tuple[Running, ...]:
        """The runs that hold devices."""
        past, db = self.past(house), house.store.reading()
        return tuple(running(leases, live, lambda run, since: self._ends_at(db, run, past, since, now)))

    def _wanted(self, candidates: Iterable[Candidate], past: Past) -> Iterable[Waiting]:
        before, self._waiting, renewed = self._waiting, {}, 0
        for candidate in candidates:
            run_id = candidate.run.id
            known = before.get(run_id)
            old = known is not None and known[1] is not past.learned and renewed < RENEWED_AT_ONCE
            if known is None or known[0] is not candidate or old:
                known, renewed = (candidate, past.learned, waiting(candidate, past)), renewed + old
            self._waiting[run_id] = known
            yield known[2]

    def _ends_at(self, db: Database, run: Run, past: Past, since: datetime, now: datetime) -> datetime | None:
        known = self._ends.get(run.id)
        if known is None or now - known[0] >= LASTS:
            self._ends = {run_id: each for run_id, each in self._ends.items() if now - each[0] < LASTS}
            known = self._ends[run.id] = now, ends_at(db, run, past.learned, since, now)
        return known[1]


@dataclass(frozen=True, slots=True)
class Past:
    """What has been up to a moment: what each person used, true enough for ``LASTS`` after it; what earlier runs teach and what runs
    take on disks, for ``LEARNED_LASTS``.

    ``settled`` is what was used by all that ended up to ``settled_at``, decayed to then.
    """

    read_at: datetime
    used: Mapping[str, float]
    learned_at: datetime
    learned: Learned
    disk: DiskNeeds
    settled_at: datetime
    settled: Mapping[str, float]


def past_of(house: House, *, known: Past | None = None) -> Past:
    """The past as it is known already, or brought up to now: what ended long ago is not read again."""
    now, db, days = house.now(), house.store.reading(), house.settings.queue.half_life_days
    if known is not None and now - known.read_at < LASTS:
        return known
    settled_at = now - SETTLES
    since = known.settled_at if known else settled_at - timedelta(days=REMEMBERED_HALF_LIVES * days)
    newly = decayed(usage.spans(db, since=since, until=settled_at), now=settled_at, half_life_days=days)
    settled = _sum(newly, known.settled if known else {}, 0.5 ** ((settled_at - since) / timedelta(days=days)))
    recent = [*usage.spans(db, since=settled_at), *usage.spans_under_way(db, now=now)]
    used = _sum(decayed(recent, now=now, half_life_days=days), settled, 0.5 ** (SETTLES / timedelta(days=days)))
    if known is not None and now - known.learned_at < LEARNED_LASTS:
        return replace(known, read_at=now, used=used, settled_at=settled_at, settled=settled)
    return Past(now, used, now, Learned(house.store), DiskNeeds(house), settled_at, settled)


def _sum(one: Mapping[str, float], other: Mapping[str, float], factor: float) -> dict[str, float]:
    return {person: one.get(person, 0.0) + factor * other.get(person, 0.0) for person in {**one, **other}}


@dataclass(slots=True)
class Learned:
    """What earlier runs teach, asked once for each model and dataset."""

    store: Store
    _epochs: dict[tuple[str, str], float | None] = field(default_factory=dict)
    _memory: dict[tuple[str, int], int | None] = field(default_factory=dict)

    def lasts_s(self, run: Run) -> float | None:
        """How long a training will take from its start, by measured epochs of the same model on the same dataset."""
        if not isinstance(run.spec, TrainSpec):
            return None
        key = (run.spec.preset.name, run.spec.dataset.name)
        if key not in self._epochs:
            self._epochs[key] = usage.epoch_seconds(self.store.reading(), *key)
        epoch_s = self._epochs[key]
        return None if epoch_s is None else epoch_s * _epochs_to_do(run, run.spec)

    def memory_mib(self, run: Run) -> int | None:
        """What each of its GPUs has to have free: what was asked for, else what such runs were seen to hold; None: all of it."""
        if not isinstance(run.spec, TrainSpec):
            return turn_of(run).memory_mib
        asked = run.spec.turn.memory_mib
        batch = run.spec.overrides.batch or run.spec.preset.batch
        key = (run.spec.preset.name, batch)
        if asked is None and key not in self._memory:
            self._memory[key] = usage.memory_mib(self.store.reading(), *key)
        seen = self._memory.get(key)
        return asked or (round(seen * MEMORY_MARGIN) if seen else None)


def turn_of(run: Run) -> Turn:
    """What a run asked of the queue."""
    return run.spec.turn if isinstance(run.spec, TrainSpec | ModelSpec) else ANY_TURN


def _epochs_to_do(run: Run, spec: TrainSpec) -> int:
    prepared = run.prepared or {}
    epochs, done = prepared.get("epochs"), prepared.get("checkpoint_epoch") if spec.start.mode is StartMode.RESUME else None
    wanted = epochs if isinstance(epochs, int) else spec.overrides.epochs or spec.preset.epochs
    return max(1, wanted - (done if isinstance(done, int) else 0))


def waiting(candidate: Candidate, past: Past) -> Waiting:
    """What a run wants of the queue."""
    run, needs, turn, learned = candidate.run, candidate.needs, turn_of(candidate.run), past.learned
    return Waiting(
        id=run.id, owner=run.owner, submitted_at=run.created_at, hosts=tuple(candidate.hosts), devices=needs.devices,
        spread=needs.hosts, first=needs.first,
        channel=run.place.channel, priority=run.priority, place=run.queue_place, chosen=needs.chosen,
        memory_mib=learned.memory_mib(run), lasts_s=learned.lasts_s(run), limit_s=turn.limit_s,
        disk=past.disk.on_each(run, candidate.hosts),
    )


def running(
    leases: Iterable[Lease], live: Mapping[str, Run], ends: Callable[[Run, datetime], datetime | None]
) -> Iterable[Running]:
    """The runs that hold devices, and until when by ``ends`` (of a run and since when it holds them) or by their limits."""
    of_run: defaultdict[tuple[str, str], list[Lease]] = defaultdict(list)
    for lease in leases:
        of_run[lease.run_id, lease.host].append(lease)
    for (run_id, host), held in of_run.items():
        run, devices, since = live.get(run_id), tuple(lease.device for lease in held), min(lease.since for lease in held)
        if run is None:  # it cannot be read, and holds them all the same
            yield Running(run_id, "", host, devices, preemptible=False)
            continue
        limit_s = turn_of(run).limit_s
        yield Running(
            id=run.id, owner=run.owner, host=host, devices=devices, channel=run.place.channel, priority=run.priority,
            preemptible=isinstance(run.spec, TrainSpec), preempted=run.preempted_for is not None, ends_at=ends(run, since),
            at_most_until=None if limit_s is None else since + timedelta(seconds=limit_s),
        )


def ends_at(db: Database, run: Run, learned: Learned, since: datetime, now: datetime) -> datetime | None:
    """When a run will be done that holds devices ``since``: by its own epochs; before it logged any, by those of earlier runs."""
    at, epochs = progress.latest(db, run.id), (run.prepared or {}).get("epochs")
    if at is not None and isinstance(epochs, int) and run.attempt:
        known = time_left(progress.epochs_seen(db, attempts.get(db, run.id, run.attempt)), at, epochs)
        if known is not None:
            return now + known.left
    lasts_s = learned.lasts_s(run)
    return None if lasts_s is None else since + timedelta(seconds=lasts_s)


def _devices(db: Database, host: Host, leases: Iterable[Lease]) -> Iterable[Device]:
    held = {lease.device for lease in leases if lease.host == host.name}
    for gpu in hosts.devices(db, host):
        yield Device(host.name, gpu.uuid, gpu.index, gpu.name, gpu.memory_mib, _foreign(gpu, held=gpu.uuid in held), gpu.broken)


def _foreign(gpu: Gpu, *, held: bool) -> tuple[Foreign, ...]:
    """The programs of others; where the driver does not name programs, all that is used of a device that no run of ours holds."""
    if gpu.foreign is not None:
        return tuple(Foreign(user, used_mib) for user, used_mib in gpu.foreign)
    return (Foreign("somebody", gpu.used_mib),) if gpu.used_mib and not held else ()
