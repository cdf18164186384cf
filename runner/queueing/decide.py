"""What starts where now, what is stopped for it, and the one reason why each of the others waits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from runner.queueing.facts import Device, Running, Scene, Waiting
from runner.queueing.host_room import HostRoom, Reservation, choice, has_room, kinds_of, of_kind, rooms, usable
from runner.queueing.order import Order, ordered
from runner.queueing.policy import Policy
from runner.queueing.waiting_words import devices_in_words, in_gb, listed, never_in_words, never_together, why_in_words
from runner.states import Reason

FOREVER = datetime.max.replace(tzinfo=UTC)
PROMISED = 2
"""So many come next on each host: more than one, since whose turn it is may change until a device is free."""
NEAR = 64
"""Runs. Who comes next is looked for among so many of those that wait."""


class Share(NamedTuple):
    """What a run gets of one host."""

    host: str
    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Start:
    """The run starts on these devices of a host, and on all of its ``further`` hosts at once."""

    run_id: str
    host: str
    devices: tuple[str, ...]
    further: tuple[Share, ...] = ()

    @property
    def shares(self) -> tuple[Share, ...]:
        """What it gets of each host, the leading one first."""
        return Share(self.host, self.devices), *self.further


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


class _Room:
    """What is free, and who was promised what, while the queue is gone through."""

    def __init__(self, scene: Scene, policy: Policy) -> None:
        self._now = scene.now
        self._policy = policy
        self._unlimited = policy.person_gpus is None and policy.channel_gpus is None
        self._hosts = rooms(scene)
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
            if run.total > limit:
                why = f"It wants {run.total} devices, and the quota of {whose} is {limit}: it never starts so. Ask for {limit} at most."
                return _Refusal(Reason.WAITING_FOR_QUOTA, why)
            held = self._held[whose]
            if sum(held.values()) + run.total > limit:
                why = f"The quota of {whose} is {devices_in_words(limit)} at a time, and {listed([*held])} hold{'s' * (len(held) == 1)} "
                return _Refusal(Reason.WAITING_FOR_QUOTA, f"{why}{sum(held.values())}: it waits for the end of one of its own runs.")
        return None

    def place(self, run: Waiting) -> Start | _Refusal:
        """The first host that has room for a run now; else why there is none, and a reservation where it will be first."""
        roomy = self._with_disk(run)
        if len(roomy) < run.spread:
            return _Refusal(Reason.WAITING_FOR_HOST, self._disk_in_words(run, roomy))
        if len(roomy) < len(run.hosts):
            run = replace(run, hosts=roomy)
        if run.devices == 0:
            return Start(run.id, run.hosts[0], ())
        # Of thousands that want the same, the first refusal stands for all behind it: nothing becomes free within a pass.
        wanted = (run.hosts, run.devices, run.chosen, run.memory_mib, run.limit_s, run.priority, run.spread, run.first)
        if wanted in self._full:
            return self._full[wanted]
        found = self._together(run) if run.spread > 1 else self._alone(run)
        if found:
            for share in found:
                self._take(run, share)
            return Start(run.id, *found[0], tuple(found[1:]))
        self._full[wanted] = _Refusal(Reason.WAITING_FOR_GPU, f"Its turn comes after {run.id}, which wants the same.", after=run.id)
        return self._refuse_together(run) if run.spread > 1 else self._refuse(run)

    def _alone(self, run: Waiting) -> Sequence[Share]:
        """Room on one host, where there is any."""
        for name in run.hosts:
            devices = self._fitting(self._hosts[name], run) if name in self._hosts else None
            if devices:
                return [_share(name, devices)]
        return ()

    def _together(self, run: Waiting) -> Sequence[Share]:
        """Room of one kind on as many hosts as the run wants, where there is any: all of them, or none."""
        known = {name: self._hosts[name] for name in run.hosts if name in self._hosts}
        for kind in kinds_of(known.values()):
            shares = [_share(name, devices) for name, host in known.items() if (devices := self._fitting(host, run, kind))]
            if chosen := _led(shares, run):
                return chosen
        return ()

    def promises(self, waiting: Iterable[Waiting]) -> Iterable[Promise]:
        """Who comes next where, of some that found no room: each on the host that it reserved, else on the first that could hold it."""
        reserved = {host.reservation.run_id: name for name, host in self._hosts.items() if host.reservation}
        left = dict.fromkeys(self._hosts, PROMISED)
        for run in waiting:
            roomy = self._with_disk(run)
            if run.spread > 1:  # where its hosts meet is known only once it has them
                continue
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

    def _disk_in_words(self, run: Waiting, roomy: Sequence[str]) -> str:
        lacks = [
            f"{in_gb(run.disk[name])} in {self._disks[name].folder} on {name}, which has {in_gb(self._disks[name].free_bytes)} free"
            for name in run.hosts if name not in roomy
        ]
        return f"Needs {'; '.join(lacks[:3])}. Free some there; `--keep` says how many checkpoints stay."

    def _take(self, run: Waiting, share: Share) -> None:
        host, taken = self._hosts[share.host], frozenset(share.devices)
        if share.host in self._disks and run.disk.get(share.host):
            disk = self._disks[share.host]
            self._disks[share.host] = replace(disk, free_bytes=disk.free_bytes - run.disk[share.host])
            self._roomy.clear()
        host.free = [device for device in host.free if device.id not in taken]
        until = self._now + timedelta(seconds=run.limit_s) if run.limit_s else None
        ends = self._now + timedelta(seconds=run.lasts_s) if run.lasts_s else until
        devices = tuple(sorted(taken))
        holder = Running(run.id, run.owner, share.host, devices, run.channel, run.priority, ends_at=ends, at_most_until=until)
        host.holders.update(dict.fromkeys(taken, holder))
        self._openings = {wanted: opening for wanted, opening in self._openings.items() if wanted[0] != share.host}
        self._count(run.owner, run.channel, run.id, len(taken))

    def _count(self, owner: str, channel: str | None, run_id: str, devices: int) -> None:
        for whose in filter(None, (owner, channel)):
            self._held[whose][run_id] = self._held[whose].get(run_id, 0) + devices

    def _fitting(self, host: HostRoom, run: Waiting, kind: str | None = None) -> Sequence[Device] | None:
        if len(host.free) < run.devices:
            return None
        gone_by = self._now + timedelta(seconds=run.limit_s) if run.limit_s else FOREVER
        kept = host.reservation
        promised = kept.devices if kept is not None and gone_by > kept.at else frozenset[str]()
        free = [device for device in host.free if device.id not in promised and has_room(device, run, self._policy)]
        return choice(of_kind(free, kind), run)

    def _refuse(self, run: Waiting) -> _Refusal:
        """Why there is no room, with a reservation on the host where there will be some first, if nobody stands there before."""
        could = self._could(run)
        if not could:
            return _Refusal(Reason.WAITING_FOR_GPU, never_in_words(run, self._hosts))
        reserved = [self._hosts[name].reservation for name in could]
        if None not in reserved:
            first = sorted({each.run_id for each in reserved if each})
            return _Refusal(Reason.WAITING_FOR_GPU, f"Its turn comes after {listed(first)}.", after=first[0])
        openings = [(*self._opening(name, run), name) for name in could]
        at, devices, name = min(openings, key=lambda opening: opening[0])
        host = self._hosts[name]
        before = host.reservation
        if before is None:
            host.reservation = Reservation(run.id, devices, at)
            self._preempt_for(run, host, devices)
        why = why_in_words(run, {each: self._hosts[each] for each in could}, before, self._policy)
        starts_at = at if before is None and at < FOREVER else None
        return _Refusal(Reason.WAITING_FOR_GPU, why, starts_at, before.run_id if before else "")

    def _refuse_together(self, run: Waiting) -> _Refusal:
        """Why there is no room on several hosts at once, with a reservation on all of those where there will be first, until the last of
        them is free: on none of them if somebody stands there before."""
        known = {name: self._hosts[name] for name in run.hosts if name in self._hosts}
        could = {
            kind: [name for name, host in known.items() if choice(of_kind(usable(host, run), kind), run)]
            for kind in kinds_of(known.values())
        }
        able = {kind: names for kind, names in could.items() if _led([Share(name, ()) for name in names], run)}
        if not able:
            names = sorted({name for names in could.values() for name in names})
            return _Refusal(Reason.WAITING_FOR_GPU, never_together(run, names))
        found = []
        for kind, names in able.items():
            soonest = sorted((*self._opening(name, run, kind), name) for name in names if known[name].reservation is None)
            chosen = _led([Share(name, tuple(devices)) for _, devices, name in soonest], run)
            if chosen:
                found.append((max(at for at, _, name in soonest if name in {share.host for share in chosen}), chosen))
        if not found:
            reserved = sorted({each.run_id for name in known if (each := known[name].reservation)})
            return _Refusal(Reason.WAITING_FOR_GPU, f"Its turn comes after {listed(reserved)}.", after=reserved[0])
        at, shares = min(found, key=lambda each: each[0])
        for share in shares:
            devices = frozenset(share.devices)
            known[share.host].reservation = Reservation(run.id, devices, at)
            if at < FOREVER:  # else what gave way would have given way for nothing
                self._preempt_for(run, known[share.host], devices)
        where = {name: known[name] for names in able.values() for name in names}
        why = why_in_words(run, where, None, self._policy)
        return _Refusal(Reason.WAITING_FOR_GPU, why, at if at < FOREVER else None)

    def _preempt_for(self, run: Waiting, host: HostRoom, devices: frozenset[str]) -> None:
        holders = {holder.id: holder for device, holder in host.holders.items() if device in devices}
        told = {each.run_id for each in self.preempts}
        self.preempts += [
            Preempt(each.id, run.id) for each in holders.values()
            if each.id not in told and self._gives_way(each, run) and not each.preempted
        ]

    def _could(self, run: Waiting) -> Sequence[str]:
        """The hosts that could hold a run if they were empty."""
        wanted = (run.hosts, run.devices, run.chosen, run.memory_mib)
        if wanted not in self._possible:
            self._possible[wanted] = [
                name for name in run.hosts if name in self._hosts and choice(usable(self._hosts[name], run), run)
            ]
        return self._possible[wanted]

    def _gives_way(self, holder: Running, run: Waiting) -> bool:
        least = self._policy.preempting_priority
        return least is not None and run.priority >= least and holder.preemptible and holder.priority < run.priority

    def _opening(self, name: str, run: Waiting, kind: str | None = None) -> tuple[datetime, frozenset[str]]:
        """When a run will find room on a host by what is known of the others, and which devices (of that kind) these are."""
        wanted = (name, run.devices, run.chosen, run.memory_mib, run.priority, kind)
        if wanted not in self._openings:
            self._openings[wanted] = self._next_opening(self._hosts[name], run, kind)
        return self._openings[wanted]

    def _next_opening(self, host: HostRoom, run: Waiting, kind: str | None) -> tuple[datetime, frozenset[str]]:
        def free_at(device: Device) -> datetime:
            lock, holder, foreign = host.locks.get(device.id), host.holders.get(device.id), not has_room(device, run, self._policy)
            ends = self._now if holder is None else holder.ends_at or holder.at_most_until or FOREVER
            if holder is not None and self._gives_way(holder, run):
                ends = min(ends, self._now + timedelta(seconds=self._policy.preemption_grace_s))
            return max(ends, self._now, lock.until if lock else self._now, FOREVER if foreign and holder is None else self._now)

        by_kind: defaultdict[str, list[Device]] = defaultdict(list)
        for device in of_kind(usable(host, run), kind):
            if not run.chosen or device.id in run.chosen:
                by_kind["" if run.chosen else device.kind].append(device)
        soonest = [sorted(each, key=lambda device: (free_at(device), device.index))[: run.devices] for each in by_kind.values()]
        at, devices = min(((max(map(free_at, each)), each) for each in soonest if len(each) == run.devices), key=lambda pair: pair[0])
        return at, frozenset(device.id for device in devices)


def _share(name: str, devices: Sequence[Device]) -> Share:
    return Share(name, tuple(device.id for device in devices))


def _led(shares: Sequence[Share], run: Waiting) -> Sequence[Share]:
    """As many shares as a run wants, the one of its first host leading them; none where there are too few."""
    first = [share for share in shares if share.host == run.first]
    if run.first is not None and not first:
        return ()
    chosen = [*first, *(share for share in shares if share not in first)][: run.spread]
    return chosen if len(chosen) == run.spread else ()
