"""Who else is on the devices that runs of ours hold: nobody owns these servers, so somebody may move in after a launch."""

from __future__ import annotations

from collections.abc import Sequence

from sqlite_utils import Database

from runner.entities import Gpu, Lease
from runner.evidence import Resources
from runner.service.house import House
from runner.store import events, hosts

MOVED_IN = "moved_in"


def note(house: House, db: Database, resources: Resources) -> None:
    """Keep what a host says of itself; record once for each run and foreign user that somebody moved in on a device of the run."""
    host = hosts.get(db, resources.host)
    before = hosts.devices(db, host)
    hosts.note_resources(db, resources, now=house.now())
    held = [lease for lease in hosts.leases(db) if lease.host == host.name]
    for lease, gpu, user, used_mib in moved_in(before, hosts.devices(db, host), held):
        told = [event.payload.get("user") for event in events.of_run(db, lease.run_id) if event.kind == MOVED_IN]
        if user not in told:
            payload = {"host": host.name, "device": gpu.index, "user": user, "used_mib": used_mib}
            events.record(db, MOVED_IN, at=house.now(), run_id=lease.run_id, payload=payload)


def moved_in(before: Sequence[Gpu], now: Sequence[Gpu], held: Sequence[Lease]) -> list[tuple[Lease, Gpu, str, int]]:
    """(lease, device, user, MiB) of foreign programs on devices that are held; not of users who were on the device already."""
    there = {(gpu.uuid, user) for gpu in before for user, _ in gpu.foreign or ()}
    of_device = {lease.device: lease for lease in held}
    return [
        (of_device[gpu.uuid], gpu, user, used_mib)
        for gpu in now if gpu.uuid in of_device
        for user, used_mib in gpu.foreign or () if (gpu.uuid, user) not in there
    ]
