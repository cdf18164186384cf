"""How a program of MMDetection 3.x is started: alone, as several processes under torchrun, or by srun."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from runner.entities import Environment
from runner.frameworks.base import LaunchPlan, Prepared, Ranks

GLOO_LAUNCHER = "gloo_launcher.py"
# mmengine's checkpoints hold objects (HistoryBuffer, numpy scalars) that torch 2.6 and later refuse to unpickle. Lifting
# that is right for files that our own runs wrote and nobody else: so it is set only where a verified one is loaded.
OWN_CHECKPOINT = {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}


def launch(
    environment: Environment, tool: str, arguments: Sequence[str], *, prepared: Prepared, ranks: Ranks, files: Mapping[str, bytes],
    own_checkpoint: bool,
) -> LaunchPlan:
    """``tool`` (below ``environment.code``) with its arguments in as many processes as ``ranks`` says; ``files`` are written before.

    ``prepared.values["backend"]`` is ``gloo`` where the host has no CUDA device. ``own_checkpoint``: a run of ours wrote what is loaded.
    """
    program = [f"{environment.code.rstrip('/')}/{tool}", *arguments]
    variables = {**environment.variables, **(OWN_CHECKPOINT if own_checkpoint else {})}
    if ranks.distributed:
        program += ["--launcher", "slurm" if ranks.slurm else "pytorch"]
        if prepared.values.get("backend") == "gloo":
            program.insert(0, GLOO_LAUNCHER)
            files = {**files, GLOO_LAUNCHER: (Path(__file__).parent.parent / "host" / GLOO_LAUNCHER).read_bytes()}
        if ranks.slurm:
            variables["MASTER_PORT"] = str(ranks.port)
        else:
            program = [*torchrun(ranks), *program]
    return LaunchPlan(argv=(environment.python, *program), variables=variables, files=files, setup=environment.setup)


def torchrun(ranks: Ranks) -> list[str]:
    """torchrun as a module of the environment's Python. On one host it finds a free port itself; several need to know one."""
    meeting = ["--standalone"]
    if ranks.nodes > 1:
        meeting = [f"--nnodes={ranks.nodes}", f"--node_rank={ranks.node}", f"--master_addr={ranks.address}", f"--master_port={ranks.port}"]
    return ["-m", "torch.distributed.run", *meeting, f"--nproc_per_node={ranks.processes}"]
