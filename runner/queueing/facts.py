"""What a decision of the queue is made from: frozen values, whatever the database and the hosts know. Times are aware UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

CPU = "cpu:"
"""What the names of CPU slots begin with; they have no memory to speak of and no foreign programs."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A run that could start now if there were room: it is prepared, not held, and all it waited for has ended.

    ``hosts`` are those that it may run on, best first. ``devices`` on one of them, all of one kind, each with ``memory_mib`` free
    (None: a whole free one); ``chosen`` are the very devices asked for. ``spread``: on so many hosts at once, so many devices on each,
    all of one kind; ``first`` is one that has to be among several, and leads them. ``lasts_s`` is how long it will take by measured
    epochs, ``limit_s`` how long it may take at most (then it is stopped): only that is a promise. ``place`` orders what a person or an
    operator has moved before all else of that priority.
    """

    id: str
    owner: str
    submitted_at: datetime
    hosts: tuple[str, ...]
    devices: int
    channel: str | None = None
    priority: int = 0
    place: float | None = None
    chosen: tuple[str, ...] = ()
    memory_mib: int | None = None
    lasts_s: float | None = None
    limit_s: float | None = None
    disk: Mapping[str, int] = field(default_factory=dict)
    """Bytes that it will take on the disk of each host, as far as that is known."""
    spread: int = 1
    first: str | None = None

    @property
    def total(self) -> int:
        """Its devices on all of its hosts."""
        return self.devices * self.spread


@dataclass(frozen=True, slots=True)
class Running:
    """A run that holds devices on a host; one on several hosts is one of these on each. ``ends_at`` is when it will be done by measured
    epochs, ``at_most_until`` when it is stopped."""

    id: str
    owner: str
    host: str
    devices: tuple[str, ...]
    channel: str | None = None
    priority: int = 0
    preemptible: bool = True
    preempted: bool = False
    ends_at: datetime | None = None
    at_most_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Foreign:
    """Somebody's program on a device that is none of ours."""

    user: str
    used_mib: int


@dataclass(frozen=True, slots=True)
class Lock:
    """A person keeps a device, or a whole host (``device`` None), for something of their own."""

    host: str
    device: str | None
    owner: str
    until: datetime
    reason: str = ""
    index: int | None = None
    """The device's number on its host, as people name it."""
    channel: str | None = None
    thread: str | None = None
    """Where it was asked for, and its owner is told of its end."""

    @property
    def place(self) -> str:
        """``gpu-1:2``, ``gpu-1``."""
        if self.device is None:
            return self.host
        return f"{self.host}:{self.device if self.index is None else self.index}"


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU or CPU slot as its host last showed it. ``kind`` is what must be the same for all devices of a run; ``foreign`` are the
    programs on it that are none of ours, whatever they may be."""

    host: str
    id: str
    index: int
    kind: str = ""
    memory_mib: int = 0
    foreign: tuple[Foreign, ...] = ()
    broken: str = ""
    """Why it cannot be used (it fell off the bus, uncorrectable memory errors); empty while it can."""

    @property
    def is_slot(self) -> bool:
        """Whether it is a CPU slot."""
        return self.id.startswith(CPU)

    @property
    def foreign_mib(self) -> int:
        """How much of its memory others hold."""
        return sum(each.used_mib for each in self.foreign)


@dataclass(frozen=True, slots=True)
class Disk:
    """What of the disk of a host's ``folder`` is free for runs that are not there yet."""

    host: str
    folder: str
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything at one moment. ``used`` is what each person has used, in GPU seconds that have decayed to now (``order.decayed``)."""

    waiting: tuple[Waiting, ...]
    running: tuple[Running, ...]
    devices: tuple[Device, ...]
    now: datetime
    locks: tuple[Lock, ...] = ()
    used: Mapping[str, float] = field(default_factory=dict)
    disks: tuple[Disk, ...] = ()
