"""The queue's scene as the database and the hosts know it: what waits, what runs, which devices there are, who has used how much."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlite_utils import Database

from runner.disk_needs import DiskNeeds, disks_of
from runner.entities import Gpu, Host, Lease, Run
from runner.kinds.base import Needs
from runner.preparing import prepared_from
from runner.queueing.facts import Device, Foreign, Running, Scene, Waiting
from runner.queueing.order import decayed
from runner.service.house import House
from runner.specs import ModelSpec, TrainSpec, Turn
from runner.store import hosts, locks, progress, runs, usage
from runner.time_left import time_left

MEMORY_MARGIN = 1.15
"""Times what earlier runs of the same model and batch held: fragments, and larger pictures."""
REMEMBERED_HALF_LIVES = 6
LASTS = timedelta(seconds=30)
ANY_TURN = Turn()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run that could start now, on any of ``hosts`` (names, best first)."""

    run: Run
    hosts: Sequence[str]
    needs: Needs


@dataclass(frozen=True, slots=True)
class Past:
    """What has been up to a moment: what each person used, and what earlier runs teach. True enough for ``LASTS`` after it."""

    read_at: datetime
    used: Mapping[str, float]
    learned: Learned
    disk: DiskNeeds


def past(house: House, db: Database, *, now: datetime, known: Past | None = None) -> Past:
    """The past as it is known already, or read anew: many thousand rows, which a pass of twenty a second must not ask for."""
    if known is not None and now - known.read_at < LASTS:
        return known
    policy = house.settings.queue
    since = now - timedelta(days=REMEMBERED_HALF_LIVES * policy.half_life_days)
    used = decayed(usage.spans(db, since=since, now=now), now=now, half_life_days=policy.half_life_days)
    return Past(now, used, Learned(db), DiskNeeds(house, db))


def scene_of(db: Database, candidates: Iterable[Candidate], known: Mapping[str, Host], past: Past, *, now: datetime) -> Scene:
    """Everything that a decision of the queue is made from, in the caller's read."""
    leases = hosts.leases(db)
    return Scene(
        waiting=tuple(_waiting(candidate, past) for candidate in candidates),
        running=tuple(running(db, leases, past.learned, now)),
        devices=tuple(device for host in known.values() for device in _devices(db, host, leases)),
        now=now,
        locks=tuple(locks.all_locks(db, now=now)),
        used=past.used,
        disks=disks_of(db, past.disk, leases, known),
    )


@dataclass(slots=True)
class Learned:
    """What earlier runs teach, asked once for each model and dataset."""

    db: Database
    _epochs: dict[tuple[str, str], float | None] = field(default_factory=dict)
    _memory: dict[tuple[str, int], int | None] = field(default_factory=dict)

    def lasts_s(self, run: Run) -> float | None:
        """How long a training will take from its start, by measured epochs of the same model on the same dataset."""
        if not isinstance(run.spec, TrainSpec):
            return None
        key = (run.spec.preset.name, run.spec.dataset.name)
        if key not in self._epochs:
            self._epochs[key] = usage.epoch_seconds(self.db, *key)
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
            self._memory[key] = usage.memory_mib(self.db, *key)
        seen = self._memory.get(key)
        return asked or (round(seen * MEMORY_MARGIN) if seen else None)


def turn_of(run: Run) -> Turn:
    """What a run asked of the queue."""
    return run.spec.turn if isinstance(run.spec, TrainSpec | ModelSpec) else ANY_TURN


def _epochs_to_do(run: Run, spec: TrainSpec) -> int:
    prepared = prepared_from(run.prepared) if run.prepared else None
    epochs = prepared.epochs if prepared else spec.overrides.epochs or spec.preset.epochs
    resumes = prepared is not None and spec.start.mode.value == "resume"
    return max(1, epochs - (prepared.checkpoint_epoch or 0 if prepared and resumes else 0))


def _waiting(candidate: Candidate, past: Past) -> Waiting:
    run, needs, turn, learned = candidate.run, candidate.needs, turn_of(candidate.run), past.learned
    return Waiting(
        id=run.id, owner=run.owner, submitted_at=run.created_at, hosts=tuple(candidate.hosts), devices=needs.devices,
        spread=needs.hosts, first=needs.first,
        channel=run.place.channel, priority=run.priority, place=run.queue_place, chosen=needs.chosen, memory_mib=learned.memory_mib(run),
        lasts_s=learned.lasts_s(run), limit_s=turn.limit_s,
        disk=past.disk.on_each(run, candidate.hosts),
    )


def running(db: Database, leases: Iterable[Lease], learned: Learned, now: datetime) -> Iterable[Running]:
    """The runs that hold devices, and until when by measured epochs or by their limits."""
    of_run: defaultdict[tuple[str, str], list[Lease]] = defaultdict(list)
    for lease in leases:
        of_run[lease.run_id, lease.host].append(lease)
    for (run_id, host), held in of_run.items():
        run = runs.get(db, run_id)
        limit_s, since = turn_of(run).limit_s, min(lease.since for lease in held)
        yield Running(
            id=run.id, owner=run.owner, host=host, devices=tuple(lease.device for lease in held), channel=run.place.channel,
            priority=run.priority, preemptible=isinstance(run.spec, TrainSpec), preempted=run.preempted_for is not None,
            ends_at=_ends_at(db, run, learned, since, now),
            at_most_until=None if limit_s is None else since + timedelta(seconds=limit_s),
        )


def _ends_at(db: Database, run: Run, learned: Learned, since: datetime, now: datetime) -> datetime | None:
    """By its own epochs; before it logged any, by those of earlier runs."""
    at, epochs = progress.latest(db, run.id), (run.prepared or {}).get("epochs")
    if at is not None and isinstance(epochs, int) and run.attempt:
        known = time_left(progress.epochs_seen(db, runs.attempt(db, run.id, run.attempt)), at, epochs)
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
