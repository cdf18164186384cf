"""What the house is made of: frozen values, in the words of the glossary. Times are aware UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from runner.states import Reason, State


class Kind(StrEnum):
    """What a run does."""

    TRAIN = "train"
    CONVERT = "convert"
    INGEST = "ingest"
    DIFF = "diff"
    VERIFY = "verify"
    REMOVE = "remove"
    BOOTSTRAP = "bootstrap"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Preset(_Frozen):
    """What a person calls "the model"; read from ``presets/<name>.yaml`` and frozen whole into a run.

    ``config`` names a config of the framework's own collection (``rtmdet/rtmdet_tiny_8xb32-300e_coco.py``);
    ``options`` are config keys in dotted form set on top of it, before a run's own overrides.
    """

    name: str
    framework: str
    config: str
    description: str
    environment: str | None = None
    epochs: int = Field(gt=0)
    batch: int = Field(gt=0)
    lr: float = Field(gt=0)
    eval_every: int = Field(default=1, gt=0)
    seed: int = 0
    options: dict[str, object] = Field(default_factory=dict)


class DatasetRef(_Frozen):
    """One immutable version of a dataset, as a run needs it."""

    name: str
    version: int
    fingerprint: str
    format: str

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


class Overrides(_Frozen):
    """What a person changed for this one run. ``options`` are raw framework options (after ``--``)."""

    epochs: int | None = Field(default=None, gt=0)
    lr: float | None = Field(default=None, gt=0)
    batch: int | None = Field(default=None, gt=0)
    eval_every: int | None = Field(default=None, gt=0)
    options: tuple[str, ...] = ()


class StartMode(StrEnum):
    """Where the weights and the epoch come from."""

    FRESH = "fresh"
    RESUME = "resume"
    FINETUNE = "finetune"


class Start(_Frozen):
    """How a training begins. ``checkpoint`` names one (``epoch_12``); None means the newest whole one."""

    mode: StartMode = StartMode.FRESH
    run_id: str | None = None
    checkpoint: str | None = None


class TrainSpec(_Frozen):
    """A training run, frozen at submission."""

    kind: Literal[Kind.TRAIN] = Kind.TRAIN
    preset: Preset
    dataset: DatasetRef
    overrides: Overrides = Overrides()
    start: Start = Start()
    gpus: int = Field(default=1, ge=0)
    host: str | None = None


class Origin(StrEnum):
    """Where an ingest finds what it reads."""

    INBOX = "inbox"
    URL = "url"
    HOST = "host"


class IngestSpec(_Frozen):
    """An upload, a file from the web or a folder of a host becomes a raw dataset version.

    ``archive`` is a file in the inbox of this machine, a URL, or an absolute path on ``host``, as ``origin`` says; ``file_name`` is
    what people call it. ``format`` None: found out.
    """

    kind: Literal[Kind.INGEST] = Kind.INGEST
    archive: str
    dataset: str
    file_name: str
    origin: Origin = Origin.INBOX
    host: str | None = None
    sha256: str | None = None
    format: str | None = None


class ConvertSpec(_Frozen):
    """A recipe makes a new version of a dataset, or a dry run only says what it would make. ``text`` is the recipe as it was."""

    kind: Literal[Kind.CONVERT] = Kind.CONVERT
    source: DatasetRef
    recipe: str
    text: str = Field(repr=False)
    parameters: dict[str, str] = Field(default_factory=dict)
    dataset: str
    dry_run: bool = False


class VersionsSpec(_Frozen):
    """Versions of datasets are compared (an old and a new), verified (one, or none for all) or removed."""

    kind: Literal[Kind.DIFF, Kind.VERIFY, Kind.REMOVE]
    versions: tuple[DatasetRef, ...] = ()


class BootstrapSpec(_Frozen):
    """A training environment is built on a host. ``requirements`` is the profile's text, frozen."""

    kind: Literal[Kind.BOOTSTRAP] = Kind.BOOTSTRAP
    host: str
    environment: str
    requirements: dict[str, object]


RunSpec = Annotated[TrainSpec | IngestSpec | ConvertSpec | VersionsSpec | BootstrapSpec, Field(discriminator="kind")]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run reports: a channel and, once its card is posted, the card's thread."""

    channel: str | None = None
    thread: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One request and what became of it. ``nonce`` makes its directories and claims unique for ever."""

    id: str
    nonce: str
    spec: TrainSpec | IngestSpec | ConvertSpec | VersionsSpec | BootstrapSpec
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

    @property
    def kind(self) -> Kind:
        """What the run does."""
        return self.spec.kind


@dataclass(frozen=True, slots=True)
class Attempt:
    """One launch of a run: evidence only. ``exit_code`` is the shell's (128 + n for signal n).

    ``oom_kills``: processes that the host's kernel killed for want of memory in the attempt's last minute; None where not known.
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

    @property
    def marker(self) -> str:
        """The value of SIGNALBOX_ATTEMPT in every process of this attempt."""
        return self.directory.rsplit("/", 2)[-2] + "/" + str(self.number)


class TransportName(StrEnum):
    """How a host is reached."""

    SSH = "ssh"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Host:
    """A server. ``host_key`` is one pinned public key (``ssh-ed25519 AAAA…``); ``root`` holds everything of ours there."""

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


@dataclass(frozen=True, slots=True)
class Gpu:
    """A device, by UUID. A host without any offers its CPU slots as devices ``cpu:0``, ``cpu:1``…"""

    host: str
    uuid: str
    index: int
    name: str
    memory_mib: int
    used_mib: int = 0


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


@dataclass(frozen=True, slots=True)
class Progress:
    """One point read from a log. ``iteration`` counts inside the epoch; epochs from 1."""

    epoch: int
    iteration: int
    iterations: int
    loss: float | None = None
    lr: float | None = None
    eta_s: float | None = None
    step_s: float | None = None
    memory_mib: int | None = None
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An mAP result. AP fractions 0..1; None where undefined (no ground truth of that size)."""

    epoch: int
    task: str
    ap: float | None
    ap50: float | None = None
    ap75: float | None = None
    ap_small: float | None = None
    ap_medium: float | None = None
    ap_large: float | None = None
    per_class: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A weights file that a log says was written. ``epoch`` counts finished epochs."""

    name: str
    epoch: int
    best: bool = False


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
class Event:
    """A row for everything that happened. ``kind`` is a word such as state, evaluation, checkpoint, alert, audit."""

    id: int
    at: datetime
    kind: str
    run_id: str | None
    actor: str | None
    payload: Mapping[str, object]
