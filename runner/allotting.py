"""What a run asks of a cluster's own queue, from the devices that it was leased: these only count, the cluster chooses."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Sequence

from sqlite_utils import Database

from runner.entities import Gpu, Host, Run
from runner.errors import BadSpecError
from runner.executors.base import Allotment
from runner.queue_scene import turn_of
from runner.queueing.facts import CPU
from runner.store import hosts

ANY_KIND = "GPU"
"""The name of GPUs whose kind a cluster does not say."""


def is_cluster(host: Host) -> bool:
    """Whether a host has a queue of its own."""
    return host.executor == "slurm"


def nodes_of(db: Database, host: Host, gpus: int) -> int:
    """How many nodes so many GPUs take: as few as can be, with equally many on each. BadSpecError where that cannot be."""
    known = _gpus(hosts.devices(db, host)) if is_cluster(host) else []
    on_node = max(Counter(gpu.uuid.rpartition(":")[0] for gpu in known).values(), default=0)
    if not on_node or gpus <= on_node:
        return 1
    nodes = math.ceil(gpus / on_node)
    if gpus % nodes:
        raise BadSpecError(f"{host.name} has {on_node} GPUs on a node, and {gpus} cannot lie evenly on {nodes}; ask for {nodes * on_node}.")
    return nodes


def allotment_of(db: Database, host: Host, run: Run, devices: Sequence[str]) -> Allotment:
    """What Slurm is asked for; nothing where the host is no cluster."""
    if not is_cluster(host):
        return Allotment()
    known = hosts.devices(db, host)
    leased = _gpus([gpu for gpu in known if gpu.uuid in devices])
    kinds = {gpu.name for gpu in leased} - {ANY_KIND}
    cpus = hosts.resources(db, host.name).get("cpus")
    return Allotment(
        gpus=len(leased), kind=kinds.pop() if len(kinds) == 1 else "", nodes=nodes_of(db, host, len(leased)),
        cpus_per_gpu=max(1, cpus // len(known)) if isinstance(cpus, int) and known else 1, limit_s=turn_of(run).limit_s,
        partition=host.partition, options=tuple(shlex.split(host.options)),
    )


def _gpus(devices: Sequence[Gpu]) -> list[Gpu]:
    return [gpu for gpu in devices if not gpu.uuid.startswith(CPU)]
