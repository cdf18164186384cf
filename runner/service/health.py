"""What an installation says of its own health: database, processes, hosts and environments. Nothing here speaks to a host."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from runner.entities import Environment, Host
from runner.service.house import House
from runner.store import hosts, integrity, people

CHECK_DEADLINE_S = 2.0
MOUNTS = Path("/proc/self/mounts")
_REMOTE = frozenset({
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "lustre", "gpfs", "beegfs", "glusterfs", "fuse.sshfs", "fuse.glusterfs",
    "fuse.ceph", "fuse.rclone", "fuse.s3fs",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class DatabaseHealth:
    """``problems`` of its contents, why it cannot be written, the remote file system it lies on, and the space left beside it.

    ``read_through`` is False where it was too large to be read to its end in the time given.
    """

    problems: Sequence[str]
    read_through: bool
    unwritable: str
    remote: str
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Health:
    """One look at an installation. ``beats`` says when each process last said that it lives, as far as it ever did."""

    database: DatabaseHealth
    beats: dict[str, datetime]
    hosts: Sequence[Host]
    environments: Sequence[Environment]


def health(house: House) -> Health:
    """Look at the installation; takes a few seconds at most."""
    database = _database(house)
    with house.store.snapshot() as db:
        said = {process: people.last_beat(db, process) for process in ("runner", "bot", "socket")}
        beats = {process: at for process, at in said.items() if at is not None}
        return Health(database, beats, hosts.all_hosts(db), hosts.environments(db))


def _database(house: House) -> DatabaseHealth:
    problems: list[str] = []
    read_through = True
    try:
        problems = integrity.problems(house.store, deadline_s=CHECK_DEADLINE_S)
    except TimeoutError:
        read_through = False
    folder = house.settings.state
    return DatabaseHealth(
        problems, read_through, integrity.unwritable(house.store), remote_file_system(folder, MOUNTS.read_text(encoding="utf-8")),
        shutil.disk_usage(folder).free,
    )


def remote_file_system(folder: Path, mounts: str) -> str:
    """The kind of network file system that a folder lies on, from the text of /proc/mounts; empty for a local one."""
    best, kind = "", ""
    for line in mounts.splitlines():
        _, point, mounted, *_ = line.split(" ")
        point = point.replace("\\040", " ")
        if len(point) >= len(best) and Path(folder).is_relative_to(point):
            best, kind = point, mounted
    return kind if kind in _REMOTE else ""
