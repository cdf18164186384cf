"""Programs held by a real Slurm, reached through a real sshd as its login node."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.demo.loopback_sshd import LoopbackSshd, find_sshd
from bot.demo.processes import marked
from runner.diagnosis import diagnose
from runner.errors import HostError
from runner.evidence import ClaimSeen, Connected, ExitSeen, LogBytes, Queued, Resources, Unstarted, Vanished
from runner.executors.base import Allotment, LaunchOrder
from runner.executors.slurm import executor
from runner.slurm_words import why_it_waits, why_never_begun
from runner.states import Reason
from tests.conftest import AWKWARD
from tests.support.hosts import NONCE, Reached, end_all, eventually, order, reach_over_ssh, watching
from tests.support.scripted_house import empty_home
from tests.support.slurm_cluster import SlurmCluster, slurm_cluster, why_not

WHY_NOT = why_not() or ("" if find_sshd() else "openssh-server is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]
GPU = Allotment(gpus=1, kind="fake")
SHOW = "echo devices=$CUDA_VISIBLE_DEVICES job=$SLURM_JOB_ID order=$CUDA_DEVICE_ORDER"


@pytest.fixture(scope="module")
def cluster() -> Iterator[SlurmCluster]:
    with tempfile.TemporaryDirectory(prefix="slurm") as folder, slurm_cluster(Path(folder)) as up:
        Path(folder).chmod(0o755)
        yield up


@pytest.fixture(scope="module")
def login(cluster: SlurmCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackSshd]:
    with LoopbackSshd(tmp_path_factory.mktemp("login"), variables=cluster.variables | empty_home(tmp_path_factory.mktemp("of"))) as sshd:
        yield sshd


@pytest.fixture
def reached(login: LoopbackSshd, tmp_path: Path) -> Iterator[Reached]:
    found = reach_over_ssh(login, tmp_path / AWKWARD, executor="slurm")
    yield found
    found.transport.close()


def wanted(reached: Reached, script: str, run: str, allotment: Allotment = GPU) -> LaunchOrder:
    return order(reached.root, script, run=run, allotment=allotment)


def start(reached: Reached, *orders: LaunchOrder) -> None:
    for each in orders:
        executor.stage(reached.transport, each, root=reached.host.root)
        executor.launch(reached.transport, each)


def stop(reached: Reached, each: LaunchOrder, grace_s: float = 2) -> tuple[bool, bool]:
    fence = executor.stop(reached.transport, directory=each.directory, nonce=each.nonce, marker=each.marker, grace_s=grace_s)
    return fence.done, fence.exited


def log_of(each: LaunchOrder) -> str:
    path = Path(each.directory, "log")
    return path.read_text(encoding="utf-8") if path.exists() else ""


def test_an_attempt_runs_from_submission_to_exit_and_lies_in_the_same_files(reached: Reached, cluster: SlurmCluster) -> None:
    one = wanted(reached, f"{SHOW}; echo err >&2; exit 3", "r-1")
    with watching(reached, one) as (_, evidences):
        start(reached, one)
        assert evidences.wait_for(Connected).identity.machine_id == "slurm:signalbox"
        assert evidences.wait_for(ClaimSeen).text.startswith(f"{NONCE}:")
        assert evidences.wait_for(ExitSeen).code == 3
        assert "devices=0 job=" in log_of(one)
        assert "order=PCI_BUS_ID\nerr\n" in evidences.log().decode()
    job = cluster.ask("squeue", "-h", "-t", "all", "-o", "%A|%k").splitlines()
    number = next(line.split("|")[0] for line in job if line.endswith(one.marker))
    said = cluster.ask("scontrol", "show", "job", number)
    assert "Requeue=0" in said
    assert "gres:gpu:fake:1" in said or "gres/gpu" in said


def test_its_gpus_are_told_as_slurm_shows_them(reached: Reached) -> None:
    with watching(reached) as (_, evidences):
        said = evidences.wait_for(Resources)
        assert said.devices is not None
        assert [(each.uuid, each.name, each.broken) for each in said.devices] == [("node1:0", "fake", ""), ("node1:1", "fake", "")]
        assert said.cpus == 4


def test_two_share_the_gpus_and_a_third_waits_with_slurms_reason(reached: Reached) -> None:
    orders = [wanted(reached, f"{SHOW}; while [ ! -e go ]; do sleep 0.1; done", f"r-{number}") for number in (11, 12, 13)]
    with watching(reached, *orders) as (_, evidences):
        start(reached, *orders)
        first = [evidences.wait_for(ClaimSeen).directory for _ in range(2)]
        assert set(first) == {each.directory for each in orders[:2]}
        queued = evidences.wait_for(Queued, where=lambda said: said.reason in ("Resources", "Priority"))
        assert queued.directory == orders[2].directory
        assert "Waits in Slurm's queue as job" in why_it_waits(queued)
        eventually(lambda: all("devices=" in log_of(each) for each in orders[:2]))
        assert sorted(log_of(each).split("devices=")[1][0] for each in orders[:2]) == ["0", "1"]
        Path(orders[0].directory, "go").touch()
        assert evidences.wait_for(ClaimSeen, 20).directory == orders[2].directory
        for each in orders[1:]:
            Path(each.directory, "go").touch()
        assert {evidences.wait_for(ExitSeen).code for _ in range(2)} == {0}


def test_a_lost_answer_makes_no_second_job_and_of_two_jobs_one_claims(reached: Reached, cluster: SlurmCluster) -> None:
    one = wanted(reached, "echo trained; sleep 1", "r-21")
    start(reached, one, one, one)
    assert len(cluster.states(one.marker)) == 1
    eventually(lambda: Path(one.directory, "exit").exists(), 20)
    assert log_of(one) == "trained\n"
    twice = wanted(reached, "echo trained; sleep 1", "r-22")
    executor.stage(reached.transport, twice, root=reached.host.root)
    for _ in range(2):
        cluster.ask("sbatch", f"--comment={twice.marker}", f"--chdir={twice.directory}", "--output=/dev/null", "--wrap=exec sh ./launch.sh")
    eventually(lambda: cluster.states(twice.marker) == ["COMPLETED"] * 2, 20)
    assert log_of(twice) == "trained\n"


def test_stop_asks_first_and_leaves_an_exit(reached: Reached, cluster: SlurmCluster) -> None:
    polite = wanted(reached, "trap 'echo saved; exit 7' TERM; echo ready; while :; do sleep 0.05; done", "r-31")
    start(reached, polite)
    eventually(lambda: "ready" in log_of(polite))
    assert stop(reached, polite, grace_s=10) == (True, True)
    assert log_of(polite).endswith("saved\n")
    assert set(cluster.states(polite.marker)).isdisjoint({"RUNNING", "PENDING"})


def test_stop_ends_what_does_not_listen(reached: Reached) -> None:
    deaf = wanted(reached, "trap '' TERM; echo ready; while :; do sleep 0.05; done", "r-32")
    start(reached, deaf)
    eventually(lambda: "ready" in log_of(deaf))
    try:
        assert stop(reached, deaf, grace_s=1)[0]
    finally:
        end_all(deaf.marker)


def test_stop_before_the_start_fences(reached: Reached, cluster: SlurmCluster) -> None:
    blocking = [wanted(reached, "sleep 60", f"r-{number}") for number in (41, 42)]
    late = wanted(reached, "echo trained", "r-43")
    start(reached, *blocking, late)
    eventually(lambda: cluster.states(late.marker) == ["PENDING"])
    assert stop(reached, late) == (True, False)
    start(reached, late)
    for each in blocking:
        stop(reached, each, 0)
    assert cluster.states(late.marker) == ["CANCELLED"]
    assert log_of(late) == ""


def test_what_outlives_a_program_that_ended_well_is_ended_with_its_job(reached: Reached) -> None:
    """Slurm itself leaves it behind: it has a session of its own, its parent is gone, and it is deaf."""
    one = wanted(reached, "setsid sh -c 'trap \"\" TERM; echo begun; sleep 300' & sleep 0.3; exit 0", "r-51")
    with watching(reached, one) as (_, evidences):
        start(reached, one)
        assert evidences.wait_for(ExitSeen, 40).code == 0
        assert evidences.log() == b"begun\n"
    try:
        assert marked(one.marker) == []
    finally:
        end_all(one.marker)


def test_the_controller_restarts_in_the_middle_and_nothing_is_lost(reached: Reached, cluster: SlurmCluster) -> None:
    one = wanted(reached, "echo begin; while [ ! -e go ]; do sleep 0.1; done; echo end", "r-61")
    with watching(reached, one) as (_, evidences):
        start(reached, one)
        evidences.wait_for(ClaimSeen)
        cluster.end("slurmctld")
        Path(one.directory, "seen").touch()
        evidences.wait_for(LogBytes)
        cluster.start_controller()
        eventually(lambda: cluster.states(one.marker) == ["RUNNING"], 40)
        Path(one.directory, "go").touch()
        assert evidences.wait_for(ExitSeen, 20).code == 0
        assert evidences.log() == b"begin\nend\n"
        assert not [each for each in evidences.seen if isinstance(each, Vanished)]
    eventually(cluster.idle, 40)


def test_a_job_that_slurm_ends_before_its_claim_is_told(reached: Reached, cluster: SlurmCluster) -> None:
    one = wanted(reached, "echo begin", "r-81", replace(GPU, options=("--hold",)))
    with watching(reached, one) as (_, evidences):
        start(reached, one)
        held = evidences.wait_for(Queued)
        assert "somebody holds it in Slurm" in why_it_waits(held)
        cluster.ask("scancel", held.job)
        ended = evidences.wait_for(Unstarted, 30)
        assert "was cancelled in Slurm" in (why_never_begun(ended) or "")


def test_what_slurm_refuses_is_an_error_in_its_words(reached: Reached) -> None:
    one = wanted(reached, "echo begin", "r-91", replace(GPU, partition="nowhere"))
    executor.stage(reached.transport, one, root=reached.host.root)
    with pytest.raises(HostError, match="nvalid partition"):
        executor.launch(reached.transport, one)


@pytest.fixture(scope="module")
def pair() -> Iterator[SlurmCluster]:
    """Two nodes, of which a test may break one for good."""
    with tempfile.TemporaryDirectory(prefix="slurm") as folder, slurm_cluster(Path(folder), nodes=("node1", "node2")) as up:
        Path(folder).chmod(0o755)
        yield up


@pytest.fixture
def reached_pair(pair: SlurmCluster, tmp_path: Path) -> Iterator[Reached]:
    with LoopbackSshd(tmp_path / "login", variables=pair.variables | empty_home(tmp_path)) as sshd:
        found = reach_over_ssh(sshd, tmp_path / AWKWARD, executor="slurm")
        yield found
        found.transport.close()


def test_on_several_nodes_srun_starts_a_rank_for_each_gpu(reached_pair: Reached) -> None:
    script = "echo rank=$SLURM_PROCID/$SLURM_NTASKS local=$SLURM_LOCALID node=$SLURM_NODEID devices=$CUDA_VISIBLE_DEVICES"
    four = wanted(reached_pair, script, "r-1", Allotment(gpus=4, kind="fake", nodes=2))
    bad = wanted(reached_pair, "[ $SLURM_PROCID != 1 ] || exit 5; sleep 60", "r-2", Allotment(gpus=4, kind="fake", nodes=2))
    with watching(reached_pair, four, bad) as (_, evidences):
        start(reached_pair, four)
        assert evidences.wait_for(ExitSeen, 60).code == 0
        assert sorted(log_of(four).splitlines()) == [f"rank={rank}/4 local={rank % 2} node={rank // 2} devices=0,1" for rank in range(4)]
        start(reached_pair, bad)
        code = evidences.wait_for(ExitSeen, 60).code  # srun's own: the highest, which may be that of those it ended
        said = diagnose(exit_code=code, tail=log_of(bad).encode())
        assert said.sentence.startswith("Process 1 of the run ended with exit code 5")


def test_a_time_limit_is_said_in_the_log_and_a_node_that_dies_takes_its_attempt_along(reached_pair: Reached, pair: SlurmCluster) -> None:
    """Slurm looks for either every half minute: one wait for both."""
    long = wanted(reached_pair, "echo ready; sleep 300", "r-51", replace(GPU, limit_s=30, options=("--nodelist=node2",)))
    lost = wanted(reached_pair, "echo begin; sleep 300", "r-71", replace(GPU, options=("--nodelist=node1",)))
    with watching(reached_pair, long, lost) as (_, evidences):
        start(reached_pair, long, lost)
        for _ in range(2):
            evidences.wait_for(ClaimSeen)
        pair.cut_power("node1", Path(lost.directory), lost.marker, told=False)
        jobs = dict(line.split()[::-1] for line in pair.ask("squeue", "-h", "-o", "%A %k").splitlines())
        assert "TimeLimit=00:01:00" in pair.ask("scontrol", "show", "job", jobs[long.marker]), "in whole minutes"
        pair.ask("scontrol", "update", f"jobid={jobs[long.marker]}", "EndTime=now")
        ends = {each.directory: each for each in (evidences.wait_for(ExitSeen | Vanished, 120) for _ in range(2))}
        limited = ends[long.directory]
        assert isinstance(limited, ExitSeen) and limited.code == 143
        assert diagnose(exit_code=143, tail=log_of(long).encode()).reason is Reason.TIME_LIMIT
        assert isinstance(ends[lost.directory], Vanished)
        broken = evidences.wait_for(Resources, 40, where=lambda said: bool(said.devices and said.devices[0].broken)).devices
        assert broken is not None
        assert broken[0].broken.startswith("Slurm has node1 as down")
    assert pair.states(lost.marker) == ["NODE_FAIL"]
