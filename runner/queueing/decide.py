"""What starts where now, what is stopped for it, and the one reason why each of the others waits."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from runner.queueing.facts import Device, Lock, Running, Scene, Waiting
from runner.queueing.order import ordered
from runner.queueing.policy import Policy
from runner.states import Reason

Order = Callable[[Scene, Policy], Sequence[Waiting]]
FOREVER = datetime.max.replace(tzinfo=UTC)
PROMISED = 2
"""So many come next on each host: more than one, since whose turn it is may change until a device is free."""
NEAR = 64
"""Runs. Who comes next is looked for among so many of those that wait."""


@dataclass(frozen=True, slots=True)
class Start:
    """The run starts on these devices of a host."""

    run_id: str
    host: str
    devices: tuple[str, ...]


class Wait(NamedTuple):
    """The run waits for one thing; ``position`` counts from 1, ``starts_at`` is the guess by measured epochs, None where nobody knows.
    ``after`` is the run whose turn comes before, where it waits for that."""

    run_id: str
    position: int
    reason: Reason
    why: str
    starts_at: datetime | None = None
    after: str = ""


@dataclass(frozen=True, slots=True)
class Preempt:
    """A running training gives up its devices for a run of higher priority, after its next checkpoint."""

    run_id: str
    for_run: str


@dataclass(frozen=True, slots=True)
class Promise:
    """The run probably comes next on a host: what it needs there can be laid before a device is free."""

    run_id: str
    host: str


@dataclass(frozen=True, slots=True)
class Decisions:
    """Every waiting run is in exactly one of ``starts`` and ``waits``; those of ``promised`` wait."""

    starts: tuple[Start, ...]
    waits: tuple[Wait, ...]
    preempts: tuple[Preempt, ...]
    promised: tuple[Promise, ...] = ()


def decide(scene: Scene, policy: Policy, order: Order = ordered) -> Decisions:
    """One pass over the whole queue, in its order.

    The first run that finds no room on a host that could hold it reserves there the devices that will be free first; whatever comes
    later may use these only if it is certain to be gone by then (its own time limit says so), so it never delays who is before it.
    """
    room = _Room(scene, policy)
    starts: list[Start] = []
    waits: list[Wait] = []
    near: list[Waiting] = []
    for position, run in enumerate(order(scene, policy), start=1):
        found = room.quota(run) or room.place(run)
        if isinstance(found, Start):
            starts.append(found)
        else:
            waits.append(Wait(run.id, position, *found))
            if found.reason is Reason.WAITING_FOR_GPU and len(near) < NEAR:
                near.append(run)
    return Decisions(tuple(starts), tuple(waits), tuple(room.preempts), tuple(room.promises(near)))


class _Refusal(NamedTuple):
    """Why a run does not start, and as in :class:`Wait` when it will and after whom."""

    reason: Reason
    why: str
    starts_at: datetime | None = None
    after: str = ""


@dataclass(slots=True)
class _Reservation:
    """The devices that the first run of all that wait for a host will get, and when; FOREVER where nobody knows."""

    run_id: str
    devices: frozenset[str]
    at: datetime


@dataclass(slots=True)
class _Host:
    """A host's devices as they are taken and given away in one pass."""

    devices: tuple[Device, ...]
    holders: dict[str, Running] = field(default_factory=dict)
    locks: dict[str, Lock] = field(default_factory=dict)
    free: list[Device] = field(default_factory=list)
    reservation: _Reservation | None = None


class _Room:
    """What is free, and who was promised what, while the queue is gone through."""

    def __init__(self, scene: Scene, policy: Policy) -> None:
        self._now = scene.now
        self._policy = policy
        self._unlimited = policy.person_gpus is None and policy.channel_gpus is None
        self._hosts = _hosts(scene)
        self._held: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for run in scene.running:
            self._count(run.owner, run.channel, run.id, len(run.devices))
        self._disks = {disk.host: disk for disk in scene.disks}
        self._roomy: dict[tuple[object, ...], tuple[str, ...]] = {}
        self._full: dict[tuple[object, ...], _Refusal] = {}
        self._possible: dict[tuple[object, ...], Sequence[str]] = {}
        self._openings: dict[tuple[object, ...], tuple[datetime, frozenset[str]]] = {}
        self.preempts: list[Preempt] = []

    def quota(self, run: Waiting) -> _Refusal | None:
        """The refusal of a run whose owner or channel holds enough already."""
        if self._unlimited:
            return None
        for limit, whose in ((self._policy.person_gpus, run.owner), (self._policy.channel_gpus, run.channel)):
            if limit is None or not whose or not run.devices:
                continue
            if run.devices > limit:
                why = f"It wants {run.devices} devices, and the quota of {whose} is {limit}: it never starts so. Ask for {limit} at most."
                return _Refusal(Reason.WAITING_FOR_QUOTA, why)
            held = self._held[whose]
            if sum(held.values()) + run.devices > limit:
                why = f"The quota of {whose} is {_devices(limit)} at a time, and {_listed([*held])} hold{'s' * (len(held) == 1)} "
                return _Refusal(Reason.WAITING_FOR_QUOTA, f"{why}{sum(held.values())}: it waits for the end of one of its own runs.")
        return None

    def place(self, run: Waiting) -> Start | _Refusal:
        """The first host that has room for a run now; else why there is none, and a reservation where it will be first."""
        roomy = self._with_disk(run)
        if not roomy:
            return _Refusal(Reason.WAITING_FOR_HOST, self._disk_in_words(run))
        if len(roomy) < len(run.hosts):
            run = replace(run, hosts=roomy)
        if run.devices == 0:
            return Start(run.id, run.hosts[0], ())
        # Of thousands that want the same, the first refusal stands for all behind it: nothing becomes free within a pass.
        wanted = (run.hosts, run.devices, run.chosen, run.memory_mib, run.limit_s, run.priority)
        if wanted in self._full:
            return self._full[wanted]
        for name in run.hosts:
            devices = self._fitting(self._hosts[name], run) if name in self._hosts else None
            if devices:
                return self._start(run, name, devices)
        self._full[wanted] = _Refusal(Reason.WAITING_FOR_GPU, f"Its turn comes after {run.id}, which wants the same.", after=run.id)
        return self._refuse(run)

    def promises(self, waiting: Iterable[Waiting]) -> Iterable[Promise]:
        """Who comes next where, of some that found no room: each on the host that it reserved, else on the first that could hold it."""
        reserved = {host.reservation.run_id: name for name, host in self._hosts.items() if host.reservation}
        left = dict.fromkeys(self._hosts, PROMISED)
        for run in waiting:
            roomy = self._with_disk(run)
            could = [name for name in self._could(run) if left[name] and name in roomy]
            if could:
                name = reserved[run.id] if reserved.get(run.id) in could else could[0]
                left[name] -= 1
                yield Promise(run.id, name)

    def _with_disk(self, run: Waiting) -> tuple[str, ...]:
        """The hosts whose disk holds what it will write, where both are known."""
        if not run.disk or not self._disks:
            return run.hosts
        wanted = (id(run.disk), run.hosts)  # of many that want the same, all have the same mapping
        if wanted not in self._roomy:
            lack = {name for name in run.hosts if name in self._disks and run.disk.get(name, 0) > self._disks[name].free_bytes}
            self._roomy[wanted] = tuple(name for name in run.hosts if name not in lack)
        return self._roomy[wanted]

    def _disk_in_words(self, run: Waiting) -> str:
        lacks = [
            f"{in_gb(run.disk[name])} in {self._disks[name].folder} on {name}, which has {in_gb(self._disks[name].free_bytes)} free"
            for name in run.hosts
        ]
        return f"Needs {'; '.join(lacks[:3])}. Free some there; `--keep` says how many checkpoints stay."

    def _start(self, run: Waiting, name: str, devices: Sequence[Device]) -> Start:
        host, taken = self._hosts[name], frozenset(device.id for device in devices)
        if name in self._disks and run.disk.get(name):
            self._disks[name] = replace(self._disks[name], free_bytes=self._disks[name].free_bytes - run.disk[name])
            self._roomy.clear()
        host.free = [device for device in host.free if device.id not in taken]
        until = self._now + timedelta(seconds=run.limit_s) if run.limit_s else None
        ends = self._now + timedelta(seconds=run.lasts_s) if run.lasts_s else until
        holder = Running(run.id, run.owner, name, tuple(sorted(taken)), run.channel, run.priority, ends_at=ends, at_most_until=until)
        host.holders.update(dict.fromkeys(taken, holder))
        self._openings = {wanted: opening for wanted, opening in self._openings.items() if wanted[0] != name}
        self._count(run.owner, run.channel, run.id, len(taken))
        return Start(run.id, name, tuple(device.id for device in devices))

    def _count(self, owner: str, channel: str | None, run_id: str, devices: int) -> None:
        for whose in filter(None, (owner, channel)):
            self._held[whose][run_id] = self._held[whose].get(run_id, 0) + devices

    def _fitting(self, host: _Host, run: Waiting) -> Sequence[Device] | None:
        if len(host.free) < run.devices:
            return None
        gone_by = self._now + timedelta(seconds=run.limit_s) if run.limit_s else FOREVER
        kept = host.reservation
        promised = kept.devices if kept is not None and gone_by > kept.at else frozenset[str]()
        return _choice([device for device in host.free if device.id not in promised and _has_room(device, run, self._policy)], run)

    def _refuse(self, run: Waiting) -> _Refusal:
        """Why there is no room, with a reservation on the host where there will be some first, if nobody stands there before."""
        could = self._could(run)
        if not could:
            return _Refusal(Reason.WAITING_FOR_GPU, _never(run, self._hosts))
        reserved = [self._hosts[name].reservation for name in could]
        if None not in reserved:
            first = sorted({each.run_id for each in reserved if each})
            return _Refusal(Reason.WAITING_FOR_GPU, f"Its turn comes after {_listed(first)}.", after=first[0])
        openings = [(*self._opening(name, run), name) for name in could]
        at, devices, name = min(openings, key=lambda opening: opening[0])
        host = self._hosts[name]
        before = host.reservation
        if before is None:
            host.reservation = _Reservation(run.id, devices, at)
            holders = {holder.id: holder for device, holder in host.holders.items() if device in devices}
            self.preempts += [Preempt(each.id, run.id) for each in holders.values() if self._gives_way(each, run) and not each.preempted]
        why = _why(run, {each: self._hosts[each] for each in could}, before, self._policy)
        starts_at = at if before is None and at < FOREVER else None
        return _Refusal(Reason.WAITING_FOR_GPU, why, starts_at, before.run_id if before else "")

    def _could(self, run: Waiting) -> Sequence[str]:
        """The hosts that could hold a run if they were empty."""
        wanted = (run.hosts, run.devices, run.chosen, run.memory_mib)
        if wanted not in self._possible:
            self._possible[wanted] = [
                name for name in run.hosts if name in self._hosts and _choice(_usable(self._hosts[name], run), run)
            ]
        return self._possible[wanted]

    def _gives_way(self, holder: Running, run: Waiting) -> bool:
        least = self._policy.preempting_priority
        return least is not None and run.priority >= least and holder.preemptible and holder.priority < run.priority

    def _opening(self, name: str, run: Waiting) -> tuple[datetime, frozenset[str]]:
        """When a run will find room on a host by what is known of the others, and which devices these are."""
        wanted = (name, run.devices, run.chosen, run.memory_mib, run.priority)
        if wanted not in self._openings:
            self._openings[wanted] = self._next_opening(self._hosts[name], run)
        return self._openings[wanted]

    def _next_opening(self, host: _Host, run: Waiting) -> tuple[datetime, frozenset[str]]:
        def free_at(device: Device) -> datetime:
            lock, holder, foreign = host.locks.get(device.id), host.holders.get(device.id), not _has_room(device, run, self._policy)
            ends = self._now if holder is None else holder.ends_at or holder.at_most_until or FOREVER
            if holder is not None and self._gives_way(holder, run):
                ends = min(ends, self._now + timedelta(seconds=self._policy.preemption_grace_s))
            return max(ends, self._now, lock.until if lock else self._now, FOREVER if foreign and holder is None else self._now)

        of_kind: defaultdict[str, list[Device]] = defaultdict(list)
        for device in _usable(host, run):
            if not run.chosen or device.id in run.chosen:
                of_kind["" if run.chosen else device.kind].append(device)
        soonest = [sorted(each, key=lambda device: (free_at(device), device.index))[: run.devices] for each in of_kind.values()]
        at, devices = min(((max(map(free_at, each)), each) for each in soonest if len(each) == run.devices), key=lambda pair: pair[0])
        return at, frozenset(device.id for device in devices)


def _hosts(scene: Scene) -> dict[str, _Host]:
    devices: defaultdict[str, list[Device]] = defaultdict(list)
    for device in scene.devices:
        devices[device.host].append(device)
    hosts = {name: _Host(tuple(found)) for name, found in devices.items()}
    for running in scene.running:
        if running.host in hosts:
            hosts[running.host].holders.update(dict.fromkeys(running.devices, running))
    for lock in scene.locks:
        if lock.until > scene.now and lock.host in hosts:
            ids = [lock.device] if lock.device else [device.id for device in hosts[lock.host].devices]
            hosts[lock.host].locks.update(dict.fromkeys(ids, lock))
    for host in hosts.values():
        host.free = [
            device for device in host.devices if device.id not in host.holders and device.id not in host.locks and not device.broken
        ]
    return hosts


def _has_room(device: Device, run: Waiting, policy: Policy) -> bool:
    """Whether what others hold on a device leaves a run its memory; where that or the device's is not known, it wants one for itself."""
    if device.is_slot:
        return True
    if run.memory_mib is None or not device.memory_mib:
        return device.foreign_mib <= policy.free_mib
    return device.memory_mib - device.foreign_mib >= run.memory_mib


def _usable(host: _Host, run: Waiting) -> list[Device]:
    """Devices that could ever serve a run: sound, and large enough when empty."""
    need = run.memory_mib or 0
    return [each for each in host.devices if not each.broken and (each.is_slot or not each.memory_mib or each.memory_mib >= need)]


def _choice(devices: Iterable[Device], run: Waiting) -> Sequence[Device] | None:
    """As many of one kind as a run needs, or the very ones it asked for; the fullest that fit, so that large ones stay free."""
    found = list(devices)
    if run.chosen:
        asked = [device for device in found if device.id in run.chosen]
        return asked if len(asked) == len(run.chosen) else None
    of_kind: defaultdict[str, list[Device]] = defaultdict(list)
    for device in found:
        of_kind[device.kind].append(device)
    enough = [each for each in of_kind.values() if len(each) >= run.devices]
    if not enough:
        return None
    tightest = min(enough, key=lambda each: (each[0].memory_mib, each[0].kind))
    return sorted(tightest, key=lambda device: (-device.foreign_mib, device.index))[: run.devices]


def _why(run: Waiting, hosts: Mapping[str, _Host], before: _Reservation | None, policy: Policy) -> str:
    """What a run waits for, in one sentence."""
    where = " or ".join(hosts) if len(hosts) <= 2 else f"one of {len(hosts)} hosts"
    chosen = [f"{device.host}:{device.index}" for host in hosts.values() for device in host.devices if device.id in run.chosen]
    needs = _listed(chosen) if run.chosen else "a device" if run.devices == 1 else f"{run.devices} devices of one kind"
    if before is not None:
        return f"Its turn on {where} comes after {before.run_id}."

    def matters(device: str) -> bool:
        return not run.chosen or device in run.chosen

    holders = sorted({holder.id for host in hosts.values() for device, holder in host.holders.items() if matters(device)})
    locks = {lock.owner: lock for host in hosts.values() for device, lock in host.locks.items() if matters(device)}
    strangers = sorted({
        f"{each.user} on {device.host}:{device.index}" for host in hosts.values() for device in host.free
        if matters(device.id) and not _has_room(device, run, policy) for each in device.foreign
    })
    parts = [f"held by {_listed(holders)}"] if holders else []
    parts += [f"locked by {_listed(sorted(locks))}"] if locks else []
    parts += [f"used by programs of {_listed(strangers)}"] if strangers else []
    return f"Needs {needs} on {where}: {', '.join(parts) or 'none is free'}."


def _never(run: Waiting, hosts: Mapping[str, _Host]) -> str:
    known = [name for name in run.hosts if name in hosts]
    if not known:
        have = "has" if len(run.hosts) == 1 else "have"
        return f"{_listed(run.hosts)} {have} not said which devices there are, or nvidia-smi does not answer there; `top` says more."
    broken = [f"{name}:{device.index} ({device.broken})" for name in known for device in hosts[name].devices if device.broken]
    most = max(Counter(device.kind for device in hosts[name].devices).most_common(1)[0][1] for name in known)
    memory = f" with {run.memory_mib / 1024:.0f} GiB each" if run.memory_mib else ""
    trouble = f"; out of order: {_listed(broken)}" if broken else ""
    needs = "a device" if run.devices == 1 else f"{run.devices} devices of one kind"
    said = f"Needs {needs}{memory} on one host; the most that {' or '.join(known[:4])} has of a kind are {most}{trouble}."
    return f"{said} Ask for fewer, or for less memory."


def _devices(count: int) -> str:
    return f"{count} device{'s' * (count != 1)}"


def in_gb(size_bytes: int) -> str:
    """``12 GB``, ``1.4 GB``, ``80 MB``."""
    value = size_bytes / 1e9
    return f"{value * 1000:.0f} MB" if value < 1 else f"{value:.1f} GB" if value < 10 else f"{value:,.0f} GB"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
