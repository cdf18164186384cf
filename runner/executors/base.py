"""How a program is held on a host so that it outlives every connection. One file per way; a directory scan finds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from runner.frameworks.base import LaunchPlan
from runner.transports.base import Transport


@dataclass(frozen=True, slots=True)
class Allotment:
    """What a cluster's own queue is asked for: ``gpus`` of one ``kind`` ("" is any) on ``nodes``, with their CPUs, for ``limit_s``."""

    gpus: int = 0
    kind: str = ""
    nodes: int = 1
    cpus_per_gpu: int = 1
    limit_s: float | None = None
    partition: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LaunchOrder:
    """Everything one attempt needs to start. The same order may be carried out any number of times: one claim wins.

    ``directory`` is ``<root>/runs/<run id>-<nonce>/<attempt>``; ``devices`` are GPU UUIDs, empty for a CPU slot, None
    where a cluster says at the start which they are (``allotment``). To stage, it need not be known yet which devices they are.
    ``dataset_manifest`` maps the tree ``data/`` to digests in the host's object store.
    """

    directory: str
    nonce: str
    session: str
    marker: str
    plan: LaunchPlan
    spec_json: bytes
    devices: tuple[str, ...] | None = ()
    threads: int = 1
    dataset_manifest: Mapping[str, str] = field(default_factory=dict)
    allotment: Allotment = Allotment()


@dataclass(frozen=True, slots=True)
class Fence:
    """What stopping found: the claim as it now stands and whether any process is left."""

    claim: str
    processes_left: int
    exited: bool

    @property
    def done(self) -> bool:
        """Whether the attempt can never run again: its claim is taken, and nothing of it is left."""
        return bool(self.claim) and self.processes_left == 0


class Executor(Protocol):
    """A way to hold a program."""

    name: str
    watch_program: Path
    """What runs on the host and tells what becomes of attempts held this way."""

    def stage(self, transport: Transport, order: LaunchOrder, *, root: str) -> int:
        """Lay the attempt's directory: spec.json, launch.sh, launch.env, command.sh, the plan's files, the data tree. Returns how many
        links of that tree had to be symbolic."""
        ...

    def launch(self, transport: Transport, order: LaunchOrder) -> bool:
        """Start the session on the order's devices. Returns when the host accepted the command; only the claim says that it runs. False
        where the directory is not laid."""
        ...

    def stop(self, transport: Transport, *, directory: str, nonce: str, marker: str, grace_s: float) -> Fence:
        """Take the claim if it is free; else TERM to the group, grace, KILL, then a sweep by the marker."""
        ...
