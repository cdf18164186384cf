"""What a run waits for, as people read it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from runner.queueing.facts import Waiting
from runner.queueing.host_room import HostRoom, Reservation, has_room
from runner.queueing.policy import Policy


def why_in_words(run: Waiting, hosts: Mapping[str, HostRoom], before: Reservation | None, policy: Policy) -> str:
    """What a run waits for, in one sentence."""
    where = " or ".join(hosts) if len(hosts) <= 2 else f"one of {len(hosts)} hosts"
    if run.spread > 1:
        where = f"each of {run.spread} hosts"
    chosen = [f"{device.host}:{device.index}" for host in hosts.values() for device in host.devices if device.id in run.chosen]
    needs = listed(chosen) if run.chosen else "a device" if run.devices == 1 else f"{run.devices} devices of one kind"
    if before is not None:
        return f"Its turn on {where} comes after {before.run_id}."

    def matters(device: str) -> bool:
        return not run.chosen or device in run.chosen

    holders = sorted({holder.id for host in hosts.values() for device, holder in host.holders.items() if matters(device)})
    locks = {lock.owner: lock for host in hosts.values() for device, lock in host.locks.items() if matters(device)}
    strangers = sorted({
        f"{each.user} on {device.host}:{device.index}" for host in hosts.values() for device in host.free
        if matters(device.id) and not has_room(device, run, policy) for each in device.foreign
    })
    parts = [f"held by {listed(holders)}"] if holders else []
    parts += [f"locked by {listed(sorted(locks))}"] if locks else []
    parts += [f"used by programs of {listed(strangers)}"] if strangers else []
    return f"Needs {needs} on {where}: {', '.join(parts) or 'none is free'}."


def never_in_words(run: Waiting, hosts: Mapping[str, HostRoom]) -> str:
    """Why a run can start on none of its hosts, however long it waits."""
    known = [name for name in run.hosts if name in hosts]
    if not known:
        have = "has" if len(run.hosts) == 1 else "have"
        return f"{listed(run.hosts)} {have} not said which devices there are, or nvidia-smi does not answer there; `top` says more."
    broken = [f"{name}:{device.index} ({device.broken})" for name in known for device in hosts[name].devices if device.broken]
    most = max(Counter(device.kind for device in hosts[name].devices).most_common(1)[0][1] for name in known)
    memory = f" with {run.memory_mib / 1024:.0f} GiB each" if run.memory_mib else ""
    trouble = f"; out of order: {listed(broken)}" if broken else ""
    needs = "a device" if run.devices == 1 else f"{run.devices} devices of one kind"
    said = f"Needs {needs}{memory} on one host; the most that {' or '.join(known[:4])} has of a kind are {most}{trouble}."
    only_broken = bool(broken) and run.devices <= most and not run.memory_mib
    return f"{said} It starts once that is mended." if only_broken else f"{said} Ask for fewer, or for less memory."


def never_together(run: Waiting, able: Sequence[str]) -> str:
    """Why a run can never start on as many hosts as it wants."""
    memory = f" with {run.memory_mib / 1024:.0f} GiB each" if run.memory_mib else ""
    only = f"only {listed(able)} could ever give that" if able else "none of its hosts could ever give that"
    led = f", and {run.first} has to be among them" if run.first else ""
    devices = "a device" if run.devices == 1 else f"{run.devices} devices"
    return f"Needs {devices}{memory} on each of {run.spread} hosts at once, all of one kind{led}; {only}."


def devices_in_words(count: int) -> str:
    """``1 device``, ``2 devices``."""
    return f"{count} device{'s' * (count != 1)}"


def in_gb(size_bytes: int) -> str:
    """``12 GB``, ``1.4 GB``, ``80 MB``."""
    value = size_bytes / 1e9
    return f"{value * 1000:.0f} MB" if value < 1 else f"{value:.1f} GB" if value < 10 else f"{value:,.0f} GB"


def listed(names: Sequence[str]) -> str:
    """The first few of them."""
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
