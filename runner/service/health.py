"""What an installation says of its own health: database, processes, messages, hosts and environments. Nothing here speaks to a host."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from runner.entities import Environment, Host
from runner.service.house import House
from runner.store import hosts, integrity, observations, outbox, people
from runner.store.connection import DatabaseError

SILENT_AFTER = timedelta(seconds=30)
STUCK_AFTER = timedelta(minutes=5)
TOLD_AFTER = timedelta(seconds=60)
_TOLD = "runner_silent"
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


def troubles(house: House, processes: Sequence[str], *, messages: bool = False) -> list[str]:
    """Why not all is well, a sentence each: the database cannot be written, one of these processes is silent, messages do not move."""
    try:
        if why := integrity.unwritable(house.store):
            return [f"The database cannot be written: {why}."]
        db, now = house.store.reading(), house.now()
        beats = {process: people.last_beat(db, process) for process in processes}
        silent = [
            f"The {process} has {f'been silent for {(now - at).total_seconds():.0f} s' if at else 'never been heard'}."
            for process, at in beats.items() if at is None or now - at > SILENT_AFTER
        ]
        owed = observations.owed_since(db) if messages else None
        stuck = [f"The oldest message has waited for {(now - owed).total_seconds():.0f} s."] if owed and now - owed > STUCK_AFTER else []
        return silent + stuck
    except DatabaseError as error:
        return [f"The database cannot be read: {error}."]


@dataclass(frozen=True, slots=True)
class Outage:
    """The runner was last heard at ``since``, and that is to be told; or it is ``over``, and that is."""

    since: datetime
    over: bool = False


def outage(house: House) -> Outage | None:
    """What is to be told of the runner now, as far as it has not been noted."""
    db = house.store.reading()
    beat, told = people.last_beat(db, "runner"), outbox.cursor(db, _TOLD)
    if beat is None:
        return None
    silent = house.now() - beat >= TOLD_AFTER
    if told and not silent:
        return Outage(datetime.fromtimestamp(told, tz=beat.tzinfo), over=True)
    return Outage(beat) if silent and not told else None


def note_outage(house: House, told: Outage) -> None:
    """Note that it was told; in the transaction that owes the message."""
    with house.store.writing() as db:
        outbox.move_cursor(db, _TOLD, 0 if told.over else int(told.since.timestamp()))


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
