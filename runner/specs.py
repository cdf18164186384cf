"""What runs are asked for with: one frozen spec per kind of run, in pydantic, as they come in as text and are stored as JSON."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


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
