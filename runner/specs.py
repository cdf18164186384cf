"""What runs are asked for with: one frozen spec per kind of run, in pydantic, as they come in as text and are stored as JSON."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Kind(StrEnum):
    """What a run does."""

    TRAIN = "train"
    EVAL = "eval"
    PREDICT = "predict"
    EXPORT = "export"
    FETCH = "fetch"
    TENSORBOARD = "tensorboard"
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

    ``config`` names a config of the framework's own collection (``rtmdet/rtmdet_tiny_8xb32-300e_coco.py``), or a file of ``code``.
    ``options`` are config keys in dotted form set on top of it, before a run's own overrides. ``batch`` is images per GPU; ``lr``
    belongs to ``batch`` on ``gpus`` GPUs and is scaled with their product. ``start`` is the checkpoint that weights are taken from:
    an absolute path on the host, an https URL, or ``sha256:<digest>`` of a file in the catalog's object store. ``code`` maps the
    paths of own modules (and of an own config) to the digests of their texts in that store; ``imports`` are the modules to import
    before the config is built, all of ``code`` where none is named.
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
    gpus: int = Field(default=1, gt=0)
    start: str | None = None
    code: dict[str, str] = Field(default_factory=dict)
    imports: tuple[str, ...] = ()
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
    """What a person changed for this one run. ``options`` are raw framework options (after ``--``).

    ``keep`` is how many of the newest checkpoints stay (the best one always does). ``distributed`` False asks for one process
    that drives all GPUs (MMDetection 1.x, where its launcher fails).
    """

    epochs: int | None = Field(default=None, gt=0)
    lr: float | None = Field(default=None, gt=0)
    batch: int | None = Field(default=None, gt=0)
    eval_every: int | None = Field(default=None, gt=0)
    keep: int | None = Field(default=None, gt=0)
    distributed: bool = True
    options: tuple[str, ...] = ()


class StartMode(StrEnum):
    """Where the weights and the epoch come from."""

    FRESH = "fresh"
    RESUME = "resume"
    FINETUNE = "finetune"


class Start(_Frozen):
    """How a training begins. ``checkpoint`` names one (``epoch_12``); None means the newest whole one.

    A fine-tune without ``run_id`` takes the preset's own start checkpoint. ``at_epoch`` makes a fine-tune count its epochs (and its
    learning rate schedule) from there instead of from 0 (M2Det's ``--resume_epoch``).
    """

    mode: StartMode = StartMode.FRESH
    run_id: str | None = None
    checkpoint: str | None = None
    at_epoch: int | None = Field(default=None, ge=0)


class Turn(_Frozen):
    """What a run asks of the queue. ``memory_mib`` on each GPU (None: a GPU that nobody else uses); after ``limit_s`` it is stopped;
    it starts once the runs of ``after`` have succeeded. Its priority can be changed later and is the run's own then."""

    priority: int = Field(default=0, ge=-100, le=100)
    memory_mib: int | None = Field(default=None, gt=0)
    limit_s: float | None = Field(default=None, gt=0)
    after: tuple[str, ...] = ()


class TrainSpec(_Frozen):
    """A training run, frozen at submission."""

    kind: Literal[Kind.TRAIN] = Kind.TRAIN
    preset: Preset
    dataset: DatasetRef
    overrides: Overrides = Overrides()
    start: Start = Start()
    gpus: int = Field(default=1, ge=0)
    host: str | None = None
    devices: tuple[str, ...] = ()
    """The very GPUs, by UUID, that were asked for by their numbers; there are ``gpus`` of them."""
    turn: Turn = Turn()
    hosts: int = Field(default=1, ge=1)
    """It trains on so many hosts at once, with as many of ``gpus`` on each; ``host`` is then the one that leads."""
    among: tuple[str, ...] = ()
    """The hosts to choose these from, where they were named."""


class ResultFile(StrEnum):
    """What a prediction leaves behind, besides nothing."""

    PICTURES = "pictures"
    PICKLE = "pickle"
    COCO = "coco"
    CITYSCAPES = "cityscapes"


class GivenFile(_Frozen):
    """A picture or a video that somebody gave: its content lies in the catalog's object store under ``digest``."""

    name: str
    digest: str


class ModelSpec(_Frozen):
    """What is done with a checkpoint of a trained run: it is evaluated, used on a dataset or on given files, or exported.

    ``model`` names the run and the checkpoint (None: the best one, else the newest whole one). ``preset`` and ``trained_on`` are that
    run's, frozen. ``dataset`` and ``split`` are what it is evaluated or used on (an export needs neither, and neither do ``files``).
    ``score`` is the least score of a drawn box.
    """

    kind: Literal[Kind.EVAL, Kind.PREDICT, Kind.EXPORT]
    preset: Preset
    model: Start
    trained_on: DatasetRef
    dataset: DatasetRef | None = None
    split: str | None = None
    files: tuple[GivenFile, ...] = ()
    overrides: Overrides = Overrides()
    gpus: int = Field(default=1, ge=0)
    host: str
    devices: tuple[str, ...] = ()
    results: tuple[ResultFile, ...] = ()
    score: float = Field(default=0.3, ge=0, le=1)
    turn: Turn = Turn()
    publish_as: str | None = None
    """An export becomes the start checkpoint of a new preset of this name."""


class FetchSpec(_Frozen):
    """Files that a run left on its host are brought here. ``paths`` are patterns relative to that attempt's directory."""

    kind: Literal[Kind.FETCH] = Kind.FETCH
    run_id: str
    host: str
    directory: str
    what: str
    paths: tuple[str, ...]


class BoardSpec(_Frozen):
    """TensorBoard on the host where a run lies, over its ``folder``; it ends by itself after ``hours``."""

    kind: Literal[Kind.TENSORBOARD] = Kind.TENSORBOARD
    run_id: str
    host: str
    framework: str
    environment: str | None = None
    folder: str
    hours: float = Field(default=4.0, gt=0)


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


class DeclaredEnvironment(_Frozen):
    """An environment that is on a host already: its Python, the framework's checkout, and what goes before every launch."""

    framework: str
    python: str
    code: str
    setup: tuple[str, ...] = ()
    variables: dict[str, str] = Field(default_factory=dict)


class BootstrapSpec(_Frozen):
    """A training environment is built on a host (``requirements`` is the profile's text, frozen), or a declared one is looked at."""

    kind: Literal[Kind.BOOTSTRAP] = Kind.BOOTSTRAP
    host: str
    environment: str
    requirements: dict[str, object] = Field(default_factory=dict)
    declared: DeclaredEnvironment | None = None


RunSpec = Annotated[
    TrainSpec | ModelSpec | FetchSpec | BoardSpec | IngestSpec | ConvertSpec | VersionsSpec | BootstrapSpec, Field(discriminator="kind")
]
