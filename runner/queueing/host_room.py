"""A host's devices as one pass over the queue takes and promises them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from runner.queueing.facts import Device, Lock, Running, Scene, Waiting
from runner.queueing.policy import Policy


@dataclass(slots=True)
class Reservation:
    """The devices that the first run of all that wait for a host will get, and when; FOREVER where nobody knows."""

    run_id: str
    devices: frozenset[str]
    at: datetime


@dataclass(slots=True)
class HostRoom:
    """A host's devices as they are taken and given away in one pass."""

    devices: tuple[Device, ...]
    holders: dict[str, Running] = field(default_factory=dict)
    locks: dict[str, Lock] = field(default_factory=dict)
    free: list[Device] = field(default_factory=list)
    reservation: Reservation | None = None


def rooms(scene: Scene) -> dict[str, HostRoom]:
    """Every host that has devices, by name."""
    devices: defaultdict[str, list[Device]] = defaultdict(list)
    for device in scene.devices:
        devices[device.host].append(device)
    hosts = {name: HostRoom(tuple(found)) for name, found in devices.items()}
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


def kinds_of(hosts: Iterable[HostRoom]) -> Sequence[str]:
    """Of all devices, the smallest first, so that large ones stay free."""
    memory = {device.kind: device.memory_mib for host in hosts for device in host.devices}
    return sorted(memory, key=lambda kind: (memory[kind], kind))


def of_kind(devices: Sequence[Device], kind: str | None) -> Sequence[Device]:
    """Those of a kind; None: all of them."""
    return devices if kind is None else [device for device in devices if device.kind == kind]


def has_room(device: Device, run: Waiting, policy: Policy) -> bool:
    """Whether what others hold on a device leaves a run its memory; where that or the device's is not known, it wants one for itself."""
    if device.is_slot:
        return True
    if run.memory_mib is None or not device.memory_mib:
        return device.foreign_mib <= policy.free_mib
    return device.memory_mib - device.foreign_mib >= run.memory_mib


def usable(host: HostRoom, run: Waiting) -> list[Device]:
    """Devices that could ever serve a run: sound, and large enough when empty."""
    need = run.memory_mib or 0
    return [each for each in host.devices if not each.broken and (each.is_slot or not each.memory_mib or each.memory_mib >= need)]


def choice(devices: Iterable[Device], run: Waiting) -> Sequence[Device] | None:
    """As many of one kind as a run needs, or the very ones it asked for; the fullest that fit, so that large ones stay free."""
    found = list(devices)
    if run.chosen:
        asked = [device for device in found if device.id in run.chosen]
        return asked if len(asked) == len(run.chosen) else None
    by_kind: defaultdict[str, list[Device]] = defaultdict(list)
    for device in found:
        by_kind[device.kind].append(device)
    enough = [each for each in by_kind.values() if len(each) >= run.devices]
    if not enough:
        return None
    tightest = min(enough, key=lambda each: (each[0].memory_mib, each[0].kind))
    return sorted(tightest, key=lambda device: (-device.foreign_mib, device.index))[: run.devices]
