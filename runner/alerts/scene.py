"""What the rules look at: the house at one moment, as values. Times are aware UTC of this machine unless they say otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from runner.alerts.course import Course, Measured
from runner.evidence import DeviceUse
from runner.specs import Kind
from runner.states import Reason, State

HEARD_WITHIN = timedelta(seconds=20)
"""Heartbeats come every 5 s."""


@dataclass(frozen=True, slots=True)
class RunSeen:
    """A run that lives, or ended within a day. ``log_grown_at`` is the host's clock; ``devices`` are those it holds."""

    id: str
    kind: Kind
    state: State
    reason: Reason
    created_at: datetime
    updated_at: datetime
    channel: str | None = None
    owner: str = ""
    preset: str = ""
    dataset: str = ""
    host: str | None = None
    claimed_at: datetime | None = None
    ended_at: datetime | None = None
    log_grown_at: datetime | None = None
    limit_s: float | None = None
    detail: str = ""
    wanted_host: str | None = None
    wanted_devices: int = 1
    devices: tuple[str, ...] = ()
    epochs: int | None = None
    course: Course = field(default_factory=Course)
    evaluations: Sequence[Measured] = ()
    parent: str | None = None
    parent_best: float | None = None
    champion: str | None = None
    champion_best: float | None = None
    followed: bool = False
    """Whether somebody has gone on from it, or tried it again."""


@dataclass(frozen=True, slots=True)
class HostSeen:
    """A host as it last spoke. ``host_time`` is its own clock at its last heartbeat; ``disk_free`` are (when, bytes) of the last hour."""

    name: str
    seen_at: datetime | None = None
    host_time: datetime | None = None
    trouble: str = ""
    drained: bool = False
    devices: Sequence[DeviceUse] | None = ()
    disk_total_bytes: int = 0
    disk_free: Sequence[tuple[datetime, int]] = ()
    locked: frozenset[str] = frozenset()
    """Devices that people keep for themselves."""


@dataclass(frozen=True, slots=True)
class Happened:
    """An event of the last day that rules ask for."""

    kind: str
    at: datetime
    run_id: str | None = None
    payload: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything at one moment."""

    now: datetime
    runs: Sequence[RunSeen] = ()
    hosts: Mapping[str, HostSeen] = field(default_factory=dict)
    happened: Sequence[Happened] = ()
    owed_since: datetime | None = None
    """The oldest message that Slack has not taken and could have."""
    beats: Mapping[str, datetime] = field(default_factory=dict)
    state_free_bytes: int | None = None

    def heard(self, host: str | None) -> bool:
        """Whether what is known of a host is of now."""
        seen = self.hosts.get(host or "")
        return seen is not None and not seen.trouble and seen.seen_at is not None and self.now - seen.seen_at <= HEARD_WITHIN

    @property
    def working(self) -> Sequence[RunSeen]:
        """Runs whose program is at work on a host that speaks."""
        return [run for run in self.runs if run.reason is Reason.WORKING and self.heard(run.host)]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a condition found: ``labels`` say of what, ``detail`` with numbers what."""

    labels: Mapping[str, str]
    detail: str


def about_run(run: RunSeen, detail: str) -> Finding:
    """A finding about a run, and where it runs, and where people follow it."""
    labels = {"run": run.id, "host": run.host or "", "channel": run.channel or "", "preset": run.preset, "owner": run.owner}
    return Finding({name: value for name, value in labels.items() if value}, detail)
