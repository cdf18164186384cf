"""What is asked of Slurm and what it says, without one."""

from __future__ import annotations

import pytest

from runner.errors import BadSpecError, RequestError
from runner.evidence import Queued, Unstarted
from runner.executors.base import Allotment
from runner.executors.slurm import sbatch_options
from runner.host.watch_slurm.nodes import gpus
from runner.service.hosts import Held
from runner.slurm_words import why_it_waits, why_never_begun


@pytest.mark.parametrize(("wanted", "options"), [
    (Allotment(), "--nodes=1 --ntasks-per-node=1 --cpus-per-task=1"),
    (Allotment(gpus=1, limit_s=61), "--nodes=1 --ntasks-per-node=1 --cpus-per-task=1 --gres=gpu:1 --time=2"),
    (
        Allotment(gpus=4, kind="a100", cpus_per_gpu=8, partition="big", options=("--account=vision",)),
        "--nodes=1 --ntasks-per-node=1 --cpus-per-task=32 --gres=gpu:a100:4 --partition=big --account=vision",
    ),
    (Allotment(gpus=16, nodes=2, cpus_per_gpu=5), "--nodes=2 --ntasks-per-node=8 --cpus-per-task=5 --gres=gpu:8"),
])  # fmt: skip
def test_what_sbatch_is_asked_for(wanted: Allotment, options: str) -> None:
    assert " ".join(sbatch_options(wanted)) == options


def test_gpus_that_nodes_cannot_share_are_refused() -> None:
    with pytest.raises(BadSpecError, match="a multiple of 2"):
        sbatch_options(Allotment(gpus=3, nodes=2))


@pytest.mark.parametrize(("gres", "found"), [
    ("(null)", []),
    ("gpu:2", [("GPU", 0), ("GPU", 1)]),
    ("gpu:a100:2(S:0-1),nvme:1", [("a100", 0), ("a100", 1)]),
    ("gpu:a100:1(S:0,1),gpu:t4:1(S:1)", [("a100", 0), ("t4", 1)]),
    ("gpu", []),
    ("license:gpu:3", []),
])
def test_gres_as_gpus(gres: str, found: list[tuple[str, int]]) -> None:
    assert list(gpus(gres)) == found


@pytest.mark.parametrize(("reason", "words"), [
    ("Resources", "all that it needs is in use (Resources)."),
    ("ReqNodeNotAvail, UnavailableNodes:node7", "down, drained or reserved (ReqNodeNotAvail, UnavailableNodes:node7)."),
    ("QOSMaxGRESPerUser", "a limit of its quality of service is reached (QOSMaxGRESPerUser)."),
    ("AssocGrpGRES", "a limit of its account is reached (AssocGrpGRES)."),
    ("NewInVersion99", "Slurm's reason has no words here (NewInVersion99)."),
])
def test_a_pending_reason_is_a_sentence(reason: str, words: str) -> None:
    said = why_it_waits(Queued("cluster", "/r/1", "12", "PENDING", reason))
    assert said.startswith("Waits in Slurm's queue as job 12: ")
    assert said.endswith(words)


def test_a_job_that_never_began() -> None:
    assert why_never_begun(Unstarted("cluster", "/r/1", "12", "NODE_FAIL", "None")) is None
    assert "/r/1: that folder has to lie on a file system" in (
        why_never_begun(Unstarted("cluster", "/r/1", "12", "FAILED", "NonZeroExitCode")) or ""
    )


@pytest.mark.parametrize("held", [
    Held("slrum"), Held("screen", "gpus"), Held("slurm", "a b"), Held("slurm", options="--wrap=x"), Held("slurm", options="run.sh"),
    Held("slurm", options="--comment='"),
])
def test_what_no_host_can_be_is_refused(held: Held) -> None:
    with pytest.raises(RequestError):
        held.checked()
    assert Held("slurm", "gpus", "--account=vision --qos=long").checked().partition == "gpus"
