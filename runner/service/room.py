"""Whether there is room for a training: on a host's disk, and within what a person or a channel may hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlite_utils import Database

from runner.decisions import Eligible
from runner.disk_needs import DiskNeed, DiskNeeds, disks_of
from runner.entities import FreeDisk, Run
from runner.errors import RequestError
from runner.queueing.waiting_words import in_gb
from runner.service.house import House, Requester
from runner.service.present import facts_now, foreseen, nobodys_run, past_now
from runner.specs import TrainSpec
from runner.store import hosts

TRUE_FOR = timedelta(minutes=10)
"""How old what a host said of its disk may be for a refusal."""


@dataclass(frozen=True, slots=True)
class OnHost:
    """What a run takes on a host's disk, and what that last had free; ``free`` None: it has not said so."""

    host: str
    folder: str
    need: DiskNeed
    free: FreeDisk | None

    @property
    def fits(self) -> bool:
        """Whether it fits, as far as is known."""
        return self.free is None or self.need.size_bytes <= self.free.free_bytes


def require_room(house: House, who: Requester, spec: TrainSpec) -> None:
    """RequestError for what no quota lets start ever, and for what would fill the disks of the servers that it could run on."""
    policy = house.settings.queue
    for limit, whose in ((policy.person_gpus, "a person"), (policy.channel_gpus, "a channel" if who.place.channel else None)):
        if limit is not None and whose is not None and spec.gpus > limit:
            raise RequestError(f"{spec.gpus} GPUs are more than {whose} may hold at a time ({limit}); ask for {limit} at most.")
    run, now = nobodys_run(house, who, spec), house.now()
    with house.store.snapshot() as db:
        decision = foreseen(house, db, run, facts_now(db), approved=True)
        disks = on_hosts(house, db, run, decision.hosts) if isinstance(decision, Eligible) else ()
    full = [each for each in disks if not each.fits and each.free and each.free.at and now - each.free.at < TRUE_FOR]
    if full and len(disks) - len(full) < spec.hosts:
        raise RequestError(" ".join([*map(in_words, full[:3]), "Free some there, or keep fewer checkpoints (--keep 1)."]))


def in_words(disk: OnHost) -> str:
    """``It needs 12 GB in /data on gpu-1 (2.0 GB of the dataset, 5 checkpoints of 2.0 GB each), which has 3.0 GB free.``"""
    need = disk.need
    parts = [f"{in_gb(need.dataset_bytes)} of the dataset"] if need.dataset_bytes else []
    if need.checkpoint.size_bytes:
        parts.append(f"{need.checkpoints} checkpoints of {in_gb(need.checkpoint.size_bytes)} each, {need.checkpoint.why}")
    free = f"has {in_gb(disk.free.free_bytes)} free" if disk.free else "has not said what is free"
    return f"It needs {in_gb(need.size_bytes)} in {disk.folder} on {disk.host} ({', '.join(parts) or 'all is there'}), which {free}."


def on_hosts(house: House, db: Database, run: Run, names: Sequence[str]) -> tuple[OnHost, ...]:
    """What a run takes on the disks of hosts, and what these have free for it."""
    needs, known = DiskNeeds(house), {name: hosts.get(db, name) for name in names}
    free = {disk.host: disk.free_bytes for disk in disks_of(db, past_now(house).disk, hosts.leases(db), known)}
    said = {name: hosts.disk(db, name) for name in names}
    return tuple(
        OnHost(name, known[name].root, needs.on(run, name), FreeDisk(free[name], found.at) if (found := said[name]) else None)
        for name in names
    )
