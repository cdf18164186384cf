"""What Signalbox needs to know of a training system. One file per framework; a directory scan finds it.

A framework module defines one object named ``framework`` that satisfies :class:`Framework`. What must run in the framework's
own Python lies in ``runner/host/prepare_<name>``, a module or a package, and speaks JSON over stdin and stdout
(:class:`PrepareRequest`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from runner.entities import Environment, Record
from runner.specs import Kind, ModelSpec, TrainSpec


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """What to execute in an attempt's directory, which is the working directory.

    ``argv[0]`` is an absolute interpreter; ``files`` (paths relative to the directory) are written before the launch.
    """

    argv: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    setup: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ranks:
    """How many processes train together, and how they find each other.

    ``processes`` on each of ``nodes`` hosts, of which this is number ``node``; they meet at ``address``:``port``. One process on one
    host needs no launcher. ``slurm``: srun starts the processes, and the framework's Slurm launcher is used.
    """

    processes: int = 1
    nodes: int = 1
    node: int = 0
    address: str = "127.0.0.1"
    port: int = 29500
    slurm: bool = False

    @property
    def distributed(self) -> bool:
        """Whether there is more than one process."""
        return self.processes * self.nodes > 1


@dataclass(frozen=True, slots=True)
class DatasetOnHost:
    """A dataset version as an attempt sees it: a tree of links at ``data/`` in its directory.

    ``splits`` maps a split (train, val, test) to its annotations and its image folder, relative to the attempt's directory, as
    runner/dataset_layouts.py says for each format: COCO a JSON file and a folder; VOC a list of stems (ImageSets/Main) and a folder;
    TFRecord a glob of record files and the label map. ``images`` counts the images of a split, ``unmasked`` the boxes without a mask;
    None where the version does not say.
    """

    name: str
    format: str
    classes: tuple[str, ...]
    splits: Mapping[str, tuple[str, str]]
    images: Mapping[str, int]
    unmasked: int | None = None


@dataclass(frozen=True, slots=True)
class PrepareRequest:
    """The input of ``prepare_<framework> prepare``: everything a resolved config depends on, for any kind of run (``spec.kind``).

    ``checkpoints`` are absolute paths on the host, most wanted first, of which the first whole one is used (resume, fine-tune, eval,
    predict, export); ``folder`` is an existing folder on the host for what preparing writes (a checkpoint copy with another
    learning rate); where the data tree lies in it too (``data/``), its annotation files are checked. In a resume, an override of
    epochs or learning rate left out means: as the checkpoint was trained. ``lr`` is the learning rate of a fresh training by the
    linear scaling rule (a person's ``--lr`` has replaced it already). ``code_folder`` is the environment's own code, ``code`` are the
    preset's modules: path to text.
    ``trained`` is what was prepared for the run whose model is used or resumed, and ``trained_classes`` that run's classes.
    """

    spec: TrainSpec | ModelSpec
    dataset: DatasetOnHost | None
    checkpoints: tuple[str, ...]
    folder: str
    code_folder: str = ""
    lr: float | None = None
    code: Mapping[str, str] = field(default_factory=dict)
    trained: Prepared | None = None
    trained_classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """The answer of preparing, stored with the run and used by every attempt.

    ``config`` is the resolved config's text. ``iterations`` are those of one epoch. ``checkpoint`` is the verified file to start from
    or to use and ``checkpoint_epoch`` the epochs it holds; ``refused`` are (path, why) of newer files that are not whole. A fine-tune
    takes over ``taken_parameters`` weights (one sha256 over their names and bytes) and starts ``new_parameters`` anew. ``notes`` are
    sentences for people. ``values`` are what only this framework's launch line needs.
    """

    config: str
    epochs: int
    batch: int
    lr: float
    revision: str
    iterations: int | None = None
    checkpoint: str | None = None
    checkpoint_epoch: int | None = None
    refused: tuple[tuple[str, str], ...] = ()
    new_parameters: tuple[str, ...] = ()
    taken_parameters: int = 0
    taken_sha256: str | None = None
    notes: tuple[str, ...] = ()
    values: Mapping[str, object] = field(default_factory=dict)


class LogParser(Protocol):
    """An incremental reader of one attempt's log.

    ``feed`` takes bytes in any chunking and from any start offset and never raises. ``pending_bytes`` says how much of what
    was fed belongs to a record not yet complete: the offset to go on from after a restart is the bytes fed minus these.
    """

    @property
    def pending_bytes(self) -> int: ...

    def feed(self, data: bytes) -> Sequence[Record]: ...


class Framework(Protocol):
    """A training system. Each launch runs its own unmodified program in the attempt's directory, with the data tree at ``data/``, the
    preset's own modules at ``code/`` (on PYTHONPATH), and what people get of it under ``results/``. BadSpecError where it cannot.

    An evaluation that leaves ``found.bbox.json`` (COCO results) beside these, and a training whose last validation leaves it as
    ``work_dir/val.bbox.json``, has its best and worst images drawn."""

    name: str
    formats: tuple[str, ...]
    """Dataset formats its programs read, the most wanted first."""
    kinds: frozenset[Kind]
    """What it can do: train, eval, predict, export."""
    spans_hosts: bool
    """Whether it trains on several hosts at once: then its first process alone writes checkpoints, and tells how it goes."""
    checkpoint_folder: str
    """Where a training's checkpoints lie, relative to its attempt's directory."""
    log_folder: str
    """What TensorBoard is pointed at, relative to the attempt's directory."""
    usually_kept: int | None
    """How many of the newest checkpoints stay where a run does not say ``keep``; None: those of all epochs."""
    prepare_program: Path
    """What runs in its own Python: a module, or a package with ``__main__.py`` that is sent as one file (``host_program.py``).
    Its verbs: ``prepare`` (PrepareRequest to Prepared), ``verify`` ({"paths": […]} to {"checkpoints": [{path, whole, why, epoch,
    size_bytes}]}), ``identify`` ({"code": folder} to {…, "revision", "fingerprint"} or an error that says what is missing), ``smoke``."""

    def train(self, spec: TrainSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan: ...

    def evaluate(self, spec: ModelSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan: ...

    def predict(self, spec: ModelSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan: ...

    def export(self, spec: ModelSpec, prepared: Prepared, environment: Environment) -> LaunchPlan: ...

    def log_parser(self, prepared: Prepared | None) -> LogParser:
        """A reader of what its programs print, whatever the kind of run; ``prepared`` None: nothing is known of the run."""
        ...
