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
from runner.specs import TrainSpec


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
class DatasetOnHost:
    """A dataset version as an attempt sees it: a tree of links at ``data/`` in its directory.

    ``splits`` maps a split (train, val, test) to its annotation file and image folder, relative to the attempt's directory.
    """

    classes: tuple[str, ...]
    splits: Mapping[str, tuple[str, str]]
    images: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PrepareRequest:
    """The input of ``prepare_<framework> prepare``: everything a resolved config depends on.

    ``checkpoints`` are absolute paths on the host, newest first, of which the first whole one is used (resume, fine-tune);
    ``folder`` is an existing folder on the host for what preparing writes (a checkpoint copy with another learning rate);
    where the data tree lies in it too (``data/``), its annotation files are checked. In a resume, an override of epochs or
    learning rate left out means: as the checkpoint was trained.
    """

    spec: TrainSpec
    dataset: DatasetOnHost
    checkpoints: tuple[str, ...]
    folder: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """The answer of preparing, stored with the run and used by every attempt.

    ``checkpoint`` is the verified file to resume or fine-tune from and ``checkpoint_epoch`` the epochs it holds;
    ``refused`` are (path, why) of newer files that are not whole. A fine-tune takes over ``taken_parameters`` weights (one
    sha256 over their names and bytes) and starts ``new_parameters`` anew. ``notes`` are sentences for people.
    """

    config: str
    epochs: int
    batch: int
    lr: float
    revision: str
    checkpoint: str | None = None
    checkpoint_epoch: int | None = None
    refused: tuple[tuple[str, str], ...] = ()
    new_parameters: tuple[str, ...] = ()
    taken_parameters: int = 0
    taken_sha256: str | None = None
    notes: tuple[str, ...] = ()


class LogParser(Protocol):
    """An incremental reader of one attempt's log.

    ``feed`` takes bytes in any chunking and from any start offset and never raises. ``pending_bytes`` says how much of what
    was fed belongs to a record not yet complete: the offset to go on from after a restart is the bytes fed minus these.
    """

    @property
    def pending_bytes(self) -> int: ...

    def feed(self, data: bytes) -> Sequence[Record]: ...


class Framework(Protocol):
    """A training system."""

    name: str
    formats: tuple[str, ...]
    """Dataset formats its programs read."""
    prepare_program: Path
    """What runs in its own Python: a module, or a package with ``__main__.py`` that is sent as one file (``host_program.py``)."""

    def train(self, spec: TrainSpec, prepared: Prepared, environment: Environment) -> LaunchPlan: ...

    def log_parser(self) -> LogParser: ...
