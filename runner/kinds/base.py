"""What the runner needs to know of each kind of run. One file per kind, defining one object named ``kind``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sqlite_utils import Database

from runner.diagnosis import UNKNOWN, Circumstances
from runner.entities import Attempt, Diagnosis, Environment, Host, Run
from runner.frameworks.base import LaunchPlan, LogParser
from runner.service.house import House
from runner.specs import Kind


@dataclass(frozen=True, slots=True)
class Needs:
    """What a run needs before it can start.

    ``host`` None means any that fits; ``devices`` 0 takes none. ``framework`` None needs no environment. ``prepares``: its spec is
    resolved on a host before devices are taken. ``chosen``: these very devices, by UUID, and no others. ``hosts``: so many at once,
    ``devices`` on each, of those ``among`` which where they are named; ``host`` is then the one that leads.
    """

    host: str | None
    devices: int
    framework: str | None = None
    environment: str | None = None
    prepares: bool = False
    chosen: tuple[str, ...] = ()
    hosts: int = 1
    among: tuple[str, ...] = ()

    @property
    def first(self) -> str | None:
        """The host that has to lead the others, if there are others and it matters."""
        return self.host if self.hosts > 1 else None


@dataclass(frozen=True, slots=True)
class Work:
    """What an attempt executes and the files of its dataset: ``objects`` are (digest, file here) that the host must hold."""

    plan: LaunchPlan
    manifest: Mapping[str, str] = field(default_factory=dict)
    objects: Mapping[str, Path] = field(default_factory=dict)


class KindOfWork(Protocol):
    """One kind of run."""

    name: Kind
    collects: bool
    """Whether what an attempt left below ``results/`` is brought here before its run counts as done."""

    def needs(self, run: Run) -> Needs: ...

    def work(self, house: House, run: Run, *, host: Host, environment: Environment | None) -> Work: ...

    def log_parser(self, house: House, run: Run) -> LogParser: ...

    def completed(self, house: House, db: Database, run: Run, attempt: Attempt) -> str:
        """Keep what a successful attempt made, in the caller's transaction; returns it in words."""
        ...

    def cause(self, exit_code: int, tail: bytes, circumstances: Circumstances = UNKNOWN) -> Diagnosis: ...

    def afterwards(self, house: House, run: Run) -> None:
        """Remove what only the run needed, once its end is committed; perhaps again after a crash, so twice is as good as once."""
        ...
