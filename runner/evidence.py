"""What a host says: the frames of the watch stream, as values. State is derived from these and from nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Identity:
    """Which machine answers. Evidence counts only while machine-id and host name stay what they were."""

    machine_id: str
    host_name: str
    boot_id: str
    user: str
    python: str


@dataclass(frozen=True, slots=True)
class Connected:
    """The watch stream stands; first frame of every connection."""

    host: str
    identity: Identity


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The host lives (every 5 s). ``host_time`` is its own clock."""

    host: str
    host_time: datetime


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The stream broke or heartbeats stopped; says nothing about the runs. ``permanent``: trying again changes nothing (a wrong key)."""

    host: str
    why: str
    permanent: bool = False


@dataclass(frozen=True, slots=True)
class ClaimSeen:
    """The text of an attempt's claim: ``<nonce>:<pid>:<start time>:<boot id>`` or ``cancelled:<nonce>``."""

    host: str
    directory: str
    text: str


@dataclass(frozen=True, slots=True)
class LogBytes:
    """New bytes of an attempt's log from ``offset``. A smaller file or a new inode starts at 0 with ``generation`` + 1."""

    host: str
    directory: str
    offset: int
    generation: int
    data: bytes
    grown_at: datetime
    inode: int = 0


@dataclass(frozen=True, slots=True)
class ExitSeen:
    """An attempt ended: its exit file. ``code`` is the shell's (128 + n for signal n). All log bytes came before: up to ``log_offset``
    of ``log_generation``. ``left`` processes of it outlived it; None where that is not known.

    ``oom_kills``: processes that the host's kernel killed for want of memory in the minute before; None where that is not known.
    """

    host: str
    directory: str
    code: int
    ended_at: datetime
    oom_kills: int | None = None
    log_offset: int = 0
    log_generation: int = 0
    left: int | None = None


@dataclass(frozen=True, slots=True)
class Vanished:
    """A claimed attempt without exit file of which no process is left: neither launch.sh nor anything with its marker.
    All else as in ExitSeen."""

    host: str
    directory: str
    oom_kills: int | None = None
    log_offset: int = 0
    log_generation: int = 0


@dataclass(frozen=True, slots=True)
class Queued:
    """A cluster's own queue has an attempt that nobody claimed yet: as the job of that name, in its words for state and reason."""

    host: str
    directory: str
    job: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unstarted:
    """A cluster ended the job of an attempt before anybody claimed; fields as in Queued."""

    host: str
    directory: str
    job: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class DirectoryGone:
    """An attempt's directory that was there is no more."""

    host: str
    directory: str


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs of one user on a device; ``attempt`` is the marker of the attempt that they belong to, "" where that is none."""

    user: str
    attempt: str
    used_mib: int


@dataclass(frozen=True, slots=True)
class DeviceUse:
    """One GPU as nvidia-smi shows it. ``processes`` is None where the driver names none; ``broken`` says why it cannot be used."""

    uuid: str
    index: int
    name: str
    memory_mib: int
    used_mib: int
    utilization_percent: int | None = None
    temperature_c: int | None = None
    broken: str = ""
    processes: tuple[Programs, ...] | None = None


@dataclass(frozen=True, slots=True)
class Resources:
    """Devices, disk and load of a host, every 15 s. No devices: the host offers CPU slots; None: its GPUs do not answer."""

    host: str
    devices: tuple[DeviceUse, ...] | None = ()
    disk_free_bytes: int = 0
    disk_total_bytes: int = 0
    load: float = 0.0
    cpus: int = 1
    notes: tuple[str, ...] = field(default=())
    driver: str = ""


OfAttempt = ClaimSeen | LogBytes | ExitSeen | Vanished | Queued | Unstarted | DirectoryGone
Evidence = Connected | Heartbeat | Disconnected | OfAttempt | Resources


@dataclass(frozen=True, slots=True)
class WatchedAttempt:
    """What to watch of one attempt: its log from ``offset`` of ``generation`` (of the file ``inode``, 0 if not known), its claim,
    its exit. ``claimed``: a claim was seen before, so that a missing directory is gone and not merely late."""

    directory: str
    marker: str
    offset: int = 0
    generation: int = 0
    inode: int = 0
    claimed: bool = False
