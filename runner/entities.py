"""What the house is made of: frozen values, in the words of the glossary. Times are aware UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from runner.specs import Kind, Preset, RunSpec, TrainSpec
from runner.states import IN_SLURMS_QUEUE, Reason, State


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run reports: a channel and, once its card is posted, the card's thread."""

    channel: str | None = None
    thread: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One request and what became of it. ``nonce`` makes its directories and claims unique for ever.

    ``queue_place`` orders what was moved before all else of its ``priority``; ``held_by`` keeps it from starting.
    ``stop_reason`` says why where no person asked for the stop (TIME_LIMIT, PREEMPTED); ``limit_told`` are the per cent of its time
    limit that the owner was told of.
    """

    id: str
    nonce: str
    spec: RunSpec
    state: State
    reason: Reason
    detail: str
    owner: str
    place: Place
    parent_id: str | None
    host: str | None
    attempt: int
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    stop_requested_by: str | None = None
    prepared: Mapping[str, object] | None = None
    retry_at: datetime | None = None
    priority: int = 0
    queue_place: float | None = None
    held_by: str | None = None
    stop_reason: Reason | None = None
    preempted_for: str | None = None
    preempted_at: datetime | None = None
    limit_told: int = 0
    approved_by: str | None = None

    @property
    def kind(self) -> Kind:
        """What the run does."""
        return self.spec.kind

    @property
    def spans(self) -> int:
        """On how many hosts it runs at once."""
        return self.spec.hosts if isinstance(self.spec, TrainSpec) else 1

    @property
    def waits_in_slurm(self) -> bool:
        """Whether a cluster has taken it and not yet begun: it holds a place in that queue, and no device."""
        return self.reason is Reason.LAUNCHING and self.detail.startswith(IN_SLURMS_QUEUE)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One launch of a run on one host: evidence only. ``exit_code`` is the shell's (128 + n for signal n).

    ``oom_kills``: processes that the host's kernel killed for want of memory in the attempt's last minute; None where not known.
    A run on several hosts has one of these on each, counted by ``rank``: the first is the run's attempt wherever one is meant, and
    ``port`` on its host is where all meet. ``stopped``: that its processes ended was our doing.
    """

    run_id: str
    number: int
    host: str
    directory: str
    session: str
    created_at: datetime
    claimed_at: datetime | None = None
    pid: int | None = None
    process_start: str | None = None
    boot_id: str | None = None
    exit_code: int | None = None
    ended_at: datetime | None = None
    fenced: bool = False
    staged: bool = False
    oom_kills: int | None = None
    devices: int = 0
    rank: int = 0
    port: int | None = None
    stopped: bool = False

    @property
    def marker(self) -> str:
        """The value of SIGNALBOX_ATTEMPT in every process of this attempt."""
        return "/".join(self.directory.rsplit("/", 2)[-2:])

    @property
    def log_name(self) -> str:
        """What its log is called among those that are here."""
        return f"{self.run_id}-{numbered(self.number, self.rank)}.log"


def numbered(number: int, rank: int) -> str:
    """``2``, and on the further hosts of a run ``2-rank1``: hosts may share the file system that their directories lie on."""
    return f"{number}-rank{rank}" if rank else str(number)


class TransportName(StrEnum):
    """How a host is reached."""

    SSH = "ssh"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Host:
    """A server, or a cluster reached by its login node. ``host_key`` is one pinned public key (``ssh-ed25519 AAAA…``); ``root`` holds
    everything of ours there. ``executor`` names how programs are held; ``partition`` and ``options`` (for sbatch) are a cluster's.
    ``peer_address`` and ``peer_interface`` are where other hosts reach it and by which of its network interfaces, where that is not
    how we do. ``host_time`` is its own clock when it was last heard, ``seen_at`` is ours."""

    name: str
    transport: TransportName
    root: str
    address: str = ""
    port: int = 22
    user: str = ""
    key_path: str = ""
    host_key: str = ""
    slots: int = 1
    drained: bool = False
    machine_id: str | None = None
    host_name: str | None = None
    boot_id: str | None = None
    python: str | None = None
    seen_at: datetime | None = None
    trouble: str = ""
    executor: str = "screen"
    partition: str = ""
    options: str = ""
    host_time: datetime | None = None
    drained_by: str = ""
    drained_at: datetime | None = None
    peer_address: str = ""
    peer_interface: str = ""

    @property
    def meeting_address(self) -> str:
        """Where the other hosts of a run find this one."""
        return self.peer_address or self.address


@dataclass(frozen=True, slots=True)
class FreeDisk:
    """What was free on the disk of a host's folder, and when it said so."""

    free_bytes: int
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Gpu:
    """A device, by UUID. A host without any offers its CPU slots as devices ``cpu:0``, ``cpu:1``…

    ``foreign`` are (user, MiB) of programs that are none of ours, None where the driver names none; ``broken`` says why it cannot be
    used, and is empty while it can.
    """

    host: str
    uuid: str
    index: int
    name: str
    memory_mib: int
    used_mib: int = 0
    foreign: tuple[tuple[str, int], ...] | None = None
    broken: str = ""
    utilization_percent: int | None = None
    temperature_c: int | None = None


@dataclass(frozen=True, slots=True)
class Environment:
    """A framework's Python and code on a host. ``variables`` and ``setup`` lines go before every launch."""

    host: str
    name: str
    framework: str
    python: str
    code: str
    fingerprint: str
    setup: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lease:
    """A run's claim on one device."""

    run_id: str
    host: str
    device: str
    since: datetime


class Progress(NamedTuple):
    """One point read from a log. ``iteration`` counts inside the epoch; epochs from 1."""

    epoch: int
    iteration: int
    iterations: int
    loss: float | None = None
    lr: float | None = None
    eta_s: float | None = None
    step_s: float | None = None
    memory_mib: int | None = None
    values: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An mAP result of a task (bbox, segm or proposal). Fractions 0..1; None where undefined (no ground truth of that size).

    ``recall`` maps how it was measured (``AR@100``) to average recalls: all that there is for proposals.
    """

    epoch: int
    task: str
    ap: float | None
    ap50: float | None = None
    ap75: float | None = None
    ap_small: float | None = None
    ap_medium: float | None = None
    ap_large: float | None = None
    per_class: Mapping[str, float | None] = field(default_factory=dict)
    recall: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A weights file that a log says was written. ``epoch`` counts finished epochs.

    ``name`` is its path below the framework's checkpoint folder, of a TensorFlow checkpoint its prefix. ``size_bytes`` is known where
    somebody looked at the file; ``removed`` tells that it is there no more.
    """

    name: str
    epoch: int
    best: bool = False
    size_bytes: int | None = None
    removed: bool = False


@dataclass(frozen=True, slots=True)
class WorkStep:
    """Progress of work without epochs (ingest, convert, bootstrap): ``done`` of ``total`` in a phase.

    ``unit`` is what is counted where that is not plain from the phase (``bytes``); ``rate`` is how many of it come a second.
    """

    phase: str
    done: int
    total: int | None
    unit: str = ""
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class WorkResult:
    """What work without epochs says at its end: its summary, as plain JSON values."""

    summary: Mapping[str, object]


Record = Progress | Evaluation | Checkpoint | WorkStep | WorkResult
"""What a log parser yields."""


class Remedy(StrEnum):
    """What a button under a failure does."""

    RESUME = "resume"
    RETRY = "retry"
    RETRY_SMALLER_BATCH = "retry_smaller_batch"
    DROP_UNREADABLE = "drop_unreadable"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why a run failed, for people: one sentence, the last log lines and what to do.

    ``action`` is the remedy that a button can carry out.
    """

    reason: Reason
    sentence: str
    remedy: str
    tail: tuple[str, ...] = ()
    action: Remedy | None = None


@dataclass(frozen=True, slots=True)
class StoredPreset:
    """One version of a preset that somebody added, and who made it when."""

    preset: Preset
    version: int
    made_by: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """A row for everything that happened. ``kind`` is a word such as state, evaluation, checkpoint, alert, audit."""

    id: int
    at: datetime
    kind: str
    run_id: str | None
    actor: str | None
    payload: Mapping[str, object]
