"""When each run that waits will probably start: the queue played forward by how long runs last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from runner.queueing.facts import Device, Running, Scene, Waiting
from runner.queueing.order import UNKNOWN_S, ordered
from runner.queueing.policy import Policy

MOST = 200


def forecast(scene: Scene, policy: Policy, *, most: int = MOST, queue: Sequence[Waiting] | None = None) -> Mapping[str, datetime]:
    """The first ``most`` runs in their order (``queue`` where it is known), each on the devices that are free first; runs that fit
    nowhere are left out.

    A guess for people, not a promise: runs end early, fail, and are moved. A run of unknown length is taken to last four hours.
    """
    free = {device.id: _free_at(device, scene) for device in scene.devices if not device.broken}
    found: dict[str, datetime] = {}
    groups: dict[tuple[object, ...], list[list[Device]]] = {}
    for run in (ordered(scene, policy) if queue is None else queue)[:most]:
        wanted = (run.hosts, run.memory_mib, run.chosen)
        if wanted not in groups:
            groups[wanted] = _groups(run, scene, free)
        opening = _first_opening(run, scene.now, groups[wanted], free)
        if opening is None:
            continue
        at, devices = opening
        found[run.id] = at
        free.update(dict.fromkeys(devices, at + timedelta(seconds=run.lasts_s or run.limit_s or UNKNOWN_S)))
    return found


def _groups(run: Waiting, scene: Scene, free: Mapping[str, datetime]) -> list[list[Device]]:
    """The devices that would serve a run, by host and kind."""
    groups: dict[tuple[str, str], list[Device]] = {}
    for device in scene.devices:
        fits = device.id in free and device.host in run.hosts and (device.is_slot or device.memory_mib >= (run.memory_mib or 0))
        if fits and (not run.chosen or device.id in run.chosen):
            groups.setdefault((device.host, "" if run.chosen else device.kind), []).append(device)
    return list(groups.values())


def _first_opening(
    run: Waiting, now: datetime, groups: Sequence[Sequence[Device]], free: Mapping[str, datetime]
) -> tuple[datetime, list[str]] | None:
    if run.devices == 0:
        return now, []
    openings = []
    for group in groups:
        if len(group) >= run.devices:
            soonest = sorted((free[device.id], at) for at, device in enumerate(group))[: run.devices]
            openings.append((soonest[-1][0], [group[at].id for _, at in soonest]))
    return min(openings, key=lambda opening: opening[0], default=None)


def _free_at(device: Device, scene: Scene) -> datetime:
    holder = next((run for run in scene.running if run.host == device.host and device.id in run.devices), None)
    locked = max((lock.until for lock in scene.locks if lock.host == device.host and lock.device in (None, device.id)), default=scene.now)
    return max(scene.now, locked, _ends(holder, scene.now) if holder else scene.now)


def _ends(run: Running, now: datetime) -> datetime:
    return run.ends_at or run.at_most_until or now + timedelta(seconds=UNKNOWN_S)
