"""Conditions of hosts and their devices. Of a host that does not speak only that is found."""

from __future__ import annotations

from collections.abc import Iterable

from runner.alerts.course import seconds_in_words
from runner.alerts.scene import Finding, HostSeen, Scene, about_run
from runner.evidence import DeviceUse
from runner.states import Reason

_LOST = ("lost", "reaches it no more")
_DIVIDED = "MIG"
"""No fault: a device that somebody divided is left alone."""
_GIB = 2**30


def unreachable(scene: Scene) -> Iterable[Finding]:
    """A host that spoke once does not speak now."""
    for host in scene.hosts.values():
        if host.seen_at is not None and not scene.heard(host.name):
            why = f": {host.trouble}" if host.trouble else ""
            yield _of(host, f"Last heard {seconds_in_words((scene.now - host.seen_at).total_seconds())} ago{why}")


def rebooted(scene: Scene, *, within_h: float) -> Iterable[Finding]:
    """A host came back with another boot id."""
    for event in scene.happened:
        host = str(event.payload.get("host"))
        if event.kind == "rebooted" and (scene.now - event.at).total_seconds() <= 3600 * within_h and host in scene.hosts:
            yield Finding({"host": host}, "It was started anew; what ran there has ended.")


def gpu_lost(scene: Scene) -> Iterable[Finding]:
    """A device fell off the bus, or none of a host's answers."""
    for host in _speaking(scene):
        if host.devices is None:
            yield _of(host, "nvidia-smi does not answer.")
        for device in host.devices or ():
            if any(word in device.broken for word in _LOST):
                yield _of_device(host, device, device.broken)


def gpu_broken(scene: Scene) -> Iterable[Finding]:
    """A device reports what needs a reset: an Xid, memory errors."""
    for host in _speaking(scene):
        for device in host.devices or ():
            if device.broken and _DIVIDED not in device.broken and not any(word in device.broken for word in _LOST):
                yield _of_device(host, device, device.broken)


def hot(scene: Scene, *, celsius: float) -> Iterable[Finding]:
    """A device is at least so hot."""
    for host in _speaking(scene):
        for device in host.devices or ():
            if device.temperature_c is not None and device.temperature_c >= celsius:
                yield _of_device(host, device, f"It has {device.temperature_c} °C.")


def moved_in(scene: Scene) -> Iterable[Finding]:
    """Somebody's program came to a device while a run of ours had it, and is still there."""
    runs = {run.id: run for run in scene.runs}
    for event in scene.happened:
        run = runs.get(event.run_id or "")
        if event.kind != "moved_in" or run is None or not run.devices or not scene.heard(run.host):
            continue
        user, index = event.payload.get("user"), event.payload.get("device")
        for device in scene.hosts[run.host or ""].devices or ():
            there = [each.used_mib for each in device.processes or () if each.user == user and not each.attempt]
            if device.index == index and device.uuid in run.devices and there:
                found = about_run(run, f"{user} is on GPU {index} of {run.host}, and holds {sum(there) / 1024:.1f} GiB.")
                yield Finding({**found.labels, "gpu": str(index), "user": str(user)}, found.detail)


def idle_while_waiting(scene: Scene) -> Iterable[Finding]:
    """Devices are free, and a run waits that would fit on them by number and host."""
    waiting = [run for run in scene.runs if run.reason is Reason.WAITING_FOR_GPU and run.wanted_devices]
    taken = {device for run in scene.runs for device in run.devices}
    for host in _speaking(scene):
        free = [
            device for device in host.devices or () if device.uuid not in taken | host.locked and not device.broken
            and device.processes == () and not host.drained
        ]
        fits = [run for run in waiting if run.wanted_host in (None, host.name) and run.wanted_devices <= len(free)]
        if free and fits:
            yield _of(host, f"{len(free)} GPU{'s' * (len(free) > 1)} free, and {fits[0].id} waits: {fits[0].detail}")


def disk_fills(scene: Scene, *, hours: float, per_cent: float) -> Iterable[Finding]:
    """The disk is nearly full, or will be soon if it goes on like this."""
    for host in _speaking(scene):
        if not host.disk_free or not host.disk_total_bytes:
            continue
        free = host.disk_free[-1][1]
        share, left_h = 100 * free / host.disk_total_bytes, _hours_to_full(host)
        soon = left_h is not None and left_h <= hours
        if share <= per_cent or soon:
            when = f"; full in about {seconds_in_words(3600 * left_h)}" if left_h is not None and soon else ""
            yield _of(host, f"{free / _GIB:.1f} GiB are free ({share:.0f} %){when}.")


def _hours_to_full(host: HostSeen) -> float | None:
    """By how fast it filled over at least ten minutes; None where it does not."""
    (began, before), (ended, now) = host.disk_free[0], host.disk_free[-1]
    passed_h = (ended - began).total_seconds() / 3600
    gone = before - now
    return now / (gone / passed_h) if passed_h >= 1 / 6 and gone > 0 else None


def _speaking(scene: Scene) -> list[HostSeen]:
    return [host for host in scene.hosts.values() if scene.heard(host.name)]


def _of(host: HostSeen, detail: str) -> Finding:
    return Finding({"host": host.name}, detail)


def _of_device(host: HostSeen, device: DeviceUse, detail: str) -> Finding:
    return Finding({"host": host.name, "gpu": str(device.index)}, detail)
