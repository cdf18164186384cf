"""Hands programs to Slurm on a cluster whose login node is the host; Slurm says where and when they start.

The directory, the claim, the log and the exit are those of a single host, on a file system that login and compute nodes share. sbatch
may be asked any number of times: of all jobs that come of it, one claims.
"""

from __future__ import annotations

import math
from dataclasses import replace
from importlib import resources
from pathlib import Path
from shlex import join

from runner.crash_points import in_shell
from runner.errors import BadSpecError, HostError, UnreachableError
from runner.executors import screen
from runner.executors.base import Allotment, Fence, LaunchOrder
from runner.frameworks.base import LaunchPlan
from runner.transports.base import Finished, Transport
from runner.transports.scripts import settings

SUBMIT_TIMEOUT_S = 60.0
STOP_MARGIN_S = 30.0
_NOT_NOW = 75
_PASSING = ("Unable to contact", "Socket timed out", "Zero Bytes", "onnection", "communication", "emporarily", "try again", "slurmctld")


class SlurmExecutor:
    """The executor for clusters with Slurm; nothing of ours is installed there."""

    name = "slurm"
    watch_program = Path(str(resources.files("runner.host") / "watch_slurm"))

    def stage(self, transport: Transport, order: LaunchOrder, *, root: str) -> int:
        """Lay the attempt's directory; which devices it gets, Slurm says at the start."""
        return screen.executor.stage(transport, _for_slurm(order), root=root)

    def launch(self, transport: Transport, order: LaunchOrder) -> bool:
        """Have Slurm take the attempt, unless it has it."""
        wanted = join((f"--job-name={order.session}", *sbatch_options(order.allotment)))
        values = settings(directory=order.directory, marker=order.marker) + in_shell()
        script = f"{values}set -- {wanted}\n{screen.host_file('slurm_submit.sh')}"
        _require(transport.shell(script, timeout_s=SUBMIT_TIMEOUT_S), "Slurm does not take the run")
        return True

    def stop(self, transport: Transport, *, directory: str, nonce: str, marker: str, grace_s: float) -> Fence:
        """Fence the attempt or end its jobs; ``processes_left`` are the jobs that Slurm has not ended."""
        grace = max(0, round(grace_s))
        values = settings(
            directory=directory, nonce=nonce, marker=marker, grace_s=str(grace), limit_s=str(grace + round(STOP_MARGIN_S / 2))
        )
        finished = transport.shell(values + in_shell() + screen.host_file("slurm_stop.sh"), timeout_s=grace + STOP_MARGIN_S)
        _require(finished, f"The attempt in {directory} cannot be stopped")
        return screen.fence_of(finished)


executor = SlurmExecutor()


def sbatch_options(wanted: Allotment) -> list[str]:
    """What sbatch is asked for. On one node one task holds all GPUs and starts its own processes; on several srun starts one a GPU."""
    if wanted.gpus % wanted.nodes:
        raise BadSpecError(f"{wanted.gpus} GPUs cannot be shared evenly by {wanted.nodes} nodes; ask for a multiple of {wanted.nodes}.")
    on_node = wanted.gpus // wanted.nodes
    tasks = on_node if wanted.nodes > 1 else 1
    options = [f"--nodes={wanted.nodes}", f"--ntasks-per-node={tasks}"]
    options.append(f"--cpus-per-task={wanted.cpus_per_gpu * max(1, on_node) // tasks}")
    if on_node:
        options.append(f"--gres=gpu:{wanted.kind}:{on_node}" if wanted.kind else f"--gres=gpu:{on_node}")
    if wanted.limit_s is not None:
        options.append(f"--time={math.ceil(wanted.limit_s / 60)}")
    if wanted.partition:
        options.append(f"--partition={wanted.partition}")
    return [*options, *wanted.options]


def _for_slurm(order: LaunchOrder) -> LaunchOrder:
    """The order with Slurm's own choice of devices kept; on several nodes the program is a rank that srun starts."""
    order = replace(order, devices=None)
    if order.allotment.nodes == 1:
        return order
    rank = {"rank.sh": screen.command_of(order).encode("utf-8", "surrogateescape")}
    start = ("/bin/sh", "-c", "exec srun --kill-on-bad-exit=1 sh ./rank.sh")  # as many as sbatch was asked for
    return replace(order, plan=LaunchPlan(start, files={**order.plan.files, **rank}))


def _require(finished: Finished, sentence: str) -> None:
    if not finished.exit_code:
        return
    said = finished.stderr.decode("utf-8", "replace").strip()[-500:] or "it does not say why"
    passing = finished.exit_code == _NOT_NOW or any(words in said for words in _PASSING)
    raise (UnreachableError if passing else HostError)(f"{sentence}: {said}")
