"""When each run that waits will probably start: the queue played forward by how long runs last."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from runner.queueing.facts import Device, Running, Scene, Waiting
from runner.queueing.order import UNKNOWN_S, ordered
from runner.queueing.policy import Policy

MOST = 200


def forecast(scene: Scene, policy: Policy, *, most: int = MOST) -> Mapping[str, datetime]:
    """The first ``most`` runs in their order, each on the devices that are free first; runs that fit nowhere are left out.

    A guess for people, not a promise: runs end early, fail, and are moved. A run of unknown length is taken to last four hours.
    """
    free = {(device.host, device.id): _free_at(device, scene) for device in scene.devices if not device.broken}
    found: dict[str, datetime] = {}
    for run in ordered(scene, policy)[:most]:
        opening = _first_opening(run, scene, free)
        if opening is None:
            continue
        at, devices = opening
        found[run.id] = at
        free.update(dict.fromkeys(devices, at + timedelta(seconds=run.lasts_s or run.limit_s or UNKNOWN_S)))
    return found


_Free = Mapping[tuple[str, str], datetime]
_Opening = tuple[datetime, list[tuple[str, str]]]


def _first_opening(run: Waiting, scene: Scene, free: _Free) -> _Opening | None:
    """When a run finds room, on as many hosts as it wants at once, and on which (host, device)."""
    if run.devices == 0:
        return scene.now, []
    on_hosts: dict[str, list[_Opening]] = {}
    for (host, kind), (at, devices) in sorted(_openings(run, scene, free).items(), key=lambda each: (each[0][0] != run.first, each[1][0])):
        if on_hosts.get(kind) or run.first in (None, host):
            on_hosts.setdefault(kind, []).append((at, devices))
    together = [openings[: run.spread] for openings in on_hosts.values() if len(openings) >= run.spread]
    found = [(max(at for at, _ in each), [device for _, devices in each for device in devices]) for each in together]
    return min(found, key=lambda opening: opening[0], default=None)


def _openings(run: Waiting, scene: Scene, free: _Free) -> dict[tuple[str, str], _Opening]:
    """When each (host, kind) has what a run wants of one host, and which devices that are."""
    groups: dict[tuple[str, str], list[Device]] = {}
    for device in scene.devices:
        fits = not device.broken and device.host in run.hosts and (device.is_slot or device.memory_mib >= (run.memory_mib or 0))
        if fits and (not run.chosen or device.id in run.chosen):
            groups.setdefault((device.host, "" if run.chosen else device.kind), []).append(device)
    found = {}
    for place, group in groups.items():
        opens = [(free[device.host, device.id], (device.host, device.id)) for device in group]
        soonest = sorted(opens, key=lambda each: each[0])[: run.devices]
        if len(soonest) == run.devices:
            found[place] = soonest[-1][0], [device for _, device in soonest]
    return found


def _free_at(device: Device, scene: Scene) -> datetime:
    holder = next((run for run in scene.running if run.host == device.host and device.id in run.devices), None)
    locked = max((lock.until for lock in scene.locks if lock.host == device.host and lock.device in (None, device.id)), default=scene.now)
    return max(scene.now, locked, _ends(holder, scene.now) if holder else scene.now)


def _ends(run: Running, now: datetime) -> datetime:
    return run.ends_at or run.at_most_until or now + timedelta(seconds=UNKNOWN_S)
