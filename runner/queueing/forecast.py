"""When each run that waits will probably start: the queue played forward by how long runs last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from runner.queueing.facts import Device, Running, Scene, Waiting
from runner.queueing.order import UNKNOWN_S, Order, ordered
from runner.queueing.policy import Policy

MOST = 200


@dataclass(frozen=True, slots=True)
class Opening:
    """When and on what a run will probably start; without a host where it takes no devices; with what of its ``further`` hosts."""

    at: datetime
    host: str = ""
    devices: tuple[str, ...] = ()
    further: tuple[tuple[str, tuple[str, ...]], ...] = ()


def forecast(scene: Scene, policy: Policy, order: Order = ordered, *, most: int = MOST) -> Mapping[str, Opening]:
    """The first ``most`` runs in their order, each on the devices that are free first; runs that fit nowhere are left out.

    A guess for people, not a promise: runs end early, fail, and are moved. A run of unknown length is taken to last four hours.
    """
    free = {(device.host, device.id): _free_at(device, scene) for device in scene.devices if not device.broken}
    quotas = _Quotas(policy)
    for running in scene.running:
        quotas.take(running, _ends(running, scene.now))
    found: dict[str, Opening] = {}
    for run in order(scene, policy)[:most]:
        opening = _first_opening(run, scene, free, quotas.free_at(run, scene.now))
        if opening is None:
            continue
        found[run.id] = opening
        ends = opening.at + timedelta(seconds=run.lasts_s or run.limit_s or UNKNOWN_S)
        taken = ((opening.host, opening.devices), *opening.further)
        free.update(dict.fromkeys([(host, device) for host, devices in taken for device in devices], ends))
        quotas.take(run, ends)
    return found


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


def _first_opening(run: Waiting, scene: Scene, free: Mapping[tuple[str, str], datetime], earliest: datetime | None) -> Opening | None:
    if earliest is None:
        return None
    if run.devices == 0:
        return Opening(scene.now)
    of_kind: dict[str, list[Opening]] = {}
    leads = run.first if run.spread > 1 else None
    for (host, kind), (at, devices) in sorted(_openings(run, scene, free).items(), key=lambda each: (each[0][0] != leads, each[1][0])):
        if of_kind.get(kind) or leads in (None, host):
            of_kind.setdefault(kind, []).append(Opening(max(earliest, at), host, devices))
    found = [
        replace(first, at=max(each.at for each in (first, *further)), further=tuple((each.host, each.devices) for each in further))
        for first, *further in (each[: run.spread] for each in of_kind.values() if len(each) >= run.spread)
    ]
    return min(found, key=lambda opening: opening.at, default=None)


def _openings(
    run: Waiting, scene: Scene, free: Mapping[tuple[str, str], datetime]
) -> dict[tuple[str, str], tuple[datetime, tuple[str, ...]]]:
    """When each (host, kind) has what a run wants of one host, and which devices that are."""
    groups: dict[tuple[str, str], list[Device]] = {}
    for device in scene.devices:
        fits = (device.host, device.id) in free and device.host in run.hosts
        fits = fits and (device.is_slot or not device.memory_mib or device.memory_mib >= (run.memory_mib or 0))
        if fits and (not run.chosen or device.id in run.chosen):
            groups.setdefault((device.host, "" if run.chosen else device.kind), []).append(device)
    return {
        (host, kind): (free[host, soonest[-1].id], tuple(device.id for device in soonest))
        for (host, kind), group in groups.items()
        if len(soonest := sorted(group, key=lambda device: free[device.host, device.id])[: run.devices]) == run.devices
    }


def _free_at(device: Device, scene: Scene) -> datetime:
    holder = next((run for run in scene.running if run.host == device.host and device.id in run.devices), None)
    locked = max((lock.until for lock in scene.locks if lock.host == device.host and lock.device in (None, device.id)), default=scene.now)
    return max(scene.now, locked, _ends(holder, scene.now) if holder else scene.now)


def _ends(run: Running, now: datetime) -> datetime:
    return run.ends_at or run.at_most_until or now + timedelta(seconds=UNKNOWN_S)
