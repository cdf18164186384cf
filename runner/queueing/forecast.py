"""When each run that waits will probably start: the queue played forward by how long runs last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice

from runner.queueing.facts import Device, Running, Scene, Waiting
from runner.queueing.order import UNKNOWN_S
from runner.queueing.policy import Policy


@dataclass(frozen=True, slots=True)
class Opening:
    """When and on what a run will probably start; without a host where it takes no devices; with what of its ``further`` hosts."""

    at: datetime
    host: str = ""
    devices: tuple[str, ...] = ()
    further: tuple[tuple[str, tuple[str, ...]], ...] = ()


def forecast(scene: Scene, policy: Policy, queue: Sequence[Waiting]) -> Iterator[tuple[str, Opening | None]]:
    """Each run of a queue by its id, on the devices that are free first; None: it fits nowhere. Played on only as far as it is looked at.

    A guess for people, not a promise: runs end early, fail, and are moved. A run of unknown length is taken to last four hours.
    """
    free = _Free(scene)
    quotas = _Quotas(policy)
    for running in scene.running:
        quotas.take(running, _ends(running, scene.now))
    for run in queue:
        opening = _first_opening(run, scene, free, quotas.free_at(run, scene.now))
        yield run.id, opening
        if opening is None:
            continue
        ends = opening.at + timedelta(seconds=run.lasts_s or run.limit_s or UNKNOWN_S)
        for host, devices in ((opening.host, opening.devices), *opening.further):
            free.take(host, devices, ends)
        quotas.take(run, ends)


class _Free:
    """From when each device is free; the devices of each (host, kind) in that order."""

    def __init__(self, scene: Scene) -> None:
        self._at = {(device.host, device.id): _free_at(device, scene) for device in scene.devices if not device.broken}
        self._groups: defaultdict[tuple[str, str], list[Device]] = defaultdict(list)
        for device in scene.devices:
            if not device.broken:
                self._groups[device.host, device.kind].append(device)
        self._soonest = {key: sorted(group, key=self._free_at) for key, group in self._groups.items()}

    def _free_at(self, device: Device) -> datetime:
        return self._at[device.host, device.id]

    def take(self, host: str, devices: Iterable[str], until: datetime) -> None:
        self._at.update(dict.fromkeys([(host, device) for device in devices], until))
        for key, group in self._groups.items():
            if key[0] == host:
                self._soonest[key] = sorted(group, key=self._free_at)

    def openings(self, run: Waiting) -> Iterator[tuple[str, str, datetime, tuple[str, ...]]]:
        """(host, kind, when, which devices) of each host that has what a run wants of one; those it chose need not be of a kind."""
        for (host, kind), group in self._chosen(run) if run.chosen else self._soonest.items():
            if host in run.hosts:
                soonest = [*islice((device for device in group if _is_large_enough(device, run)), run.devices)]
                if len(soonest) == run.devices:
                    yield host, kind, self._free_at(soonest[-1]), tuple(device.id for device in soonest)

    def _chosen(self, run: Waiting) -> Iterable[tuple[tuple[str, str], list[Device]]]:
        found: defaultdict[tuple[str, str], list[Device]] = defaultdict(list)
        for (host, _), group in self._groups.items():
            found[host, ""] += [device for device in group if device.id in run.chosen]
        return [(key, sorted(group, key=self._free_at)) for key, group in found.items()]


@dataclass(slots=True)
class _Quotas:
    """How many devices each person and each channel holds, and until when."""

    policy: Policy
    held: defaultdict[str, list[tuple[datetime, int]]] = field(default_factory=lambda: defaultdict(list))

    def take(self, run: Running | Waiting, ends: datetime) -> None:
        devices = len(run.devices) if isinstance(run, Running) else run.total
        for whose in filter(None, (run.owner, run.channel)):
            self.held[whose].append((ends, devices))

    def free_at(self, run: Waiting, now: datetime) -> datetime | None:
        """The first moment at which neither quota forbids it; None: never."""
        at = now
        for whose, limit in ((run.owner, self.policy.person_gpus), (run.channel, self.policy.channel_gpus)):
            if whose is None or limit is None:
                continue
            if run.total > limit:
                return None
            held = sorted(self.held[whose])
            over = sum(devices for _, devices in held) + run.total - limit
            for ends, devices in held:
                if over <= 0:
                    break
                at, over = max(at, ends), over - devices
        return at


def _first_opening(run: Waiting, scene: Scene, free: _Free, earliest: datetime | None) -> Opening | None:
    if earliest is None:
        return None
    if run.devices == 0:
        return Opening(scene.now)
    of_kind: dict[str, list[Opening]] = {}
    leads = run.first if run.spread > 1 else None
    for host, kind, at, devices in sorted(free.openings(run), key=lambda each: (each[0] != leads, each[2])):
        if of_kind.get(kind) or leads in (None, host):
            of_kind.setdefault(kind, []).append(Opening(max(earliest, at), host, devices))
    found = [
        replace(first, at=max(each.at for each in (first, *further)), further=tuple((each.host, each.devices) for each in further))
        for first, *further in (each[: run.spread] for each in of_kind.values() if len(each) >= run.spread)
    ]
    return min(found, key=lambda opening: opening.at, default=None)


def _is_large_enough(device: Device, run: Waiting) -> bool:
    return device.is_slot or not device.memory_mib or device.memory_mib >= (run.memory_mib or 0)


def _free_at(device: Device, scene: Scene) -> datetime:
    holder = next((run for run in scene.running if run.host == device.host and device.id in run.devices), None)
    locked = max((lock.until for lock in scene.locks if lock.host == device.host and lock.device in (None, device.id)), default=scene.now)
    return max(scene.now, locked, _ends(holder, scene.now) if holder else scene.now)


def _ends(run: Running, now: datetime) -> datetime:
    return run.ends_at or run.at_most_until or now + timedelta(seconds=UNKNOWN_S)
