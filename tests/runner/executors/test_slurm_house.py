"""The whole runner with a cluster as its GPU server: real slurmctld and slurmd, a real sshd as its login node, the scripted framework."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.demo.loopback_sshd import LoopbackSshd, find_sshd
from bot.demo.processes import marked
from bot.grammar import answer
from runner.crash_points import CANCEL, SUBMIT
from runner.service.runs import request_stop
from runner.states import Reason
from runner.store import hosts
from tests.support.hosts import eventually
from tests.support.runner_process import runner_process
from tests.support.scripted_house import HOST, ScriptedHouse, empty_home, scripted_house
from tests.support.slurm_cluster import SlurmCluster, slurm_cluster, why_not

WHY_NOT = why_not() or ("" if find_sshd() else "openssh-server is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[SlurmCluster]:
    """Slurm forgets its jobs after two seconds, and there is no sacct."""
    with tempfile.TemporaryDirectory(prefix="slurm") as folder, slurm_cluster(Path(folder), min_job_age_s=2) as up:
        yield up


@pytest.fixture
def house(cluster: SlurmCluster) -> Iterator[ScriptedHouse]:
    with scripted_house(Path(tempfile.mkdtemp(prefix="house"))) as scripted, LoopbackSshd(
        scripted.root.parent / "login", variables=cluster.variables | empty_home(scripted.root.parent)
    ) as login:
        with scripted.house.store.writing() as db:
            known = hosts.get(db, HOST)
            hosts.put(db, replace(
                known, port=login.port, key_path=str(login.key_path), host_key=login.host_key, executor="slurm", partition="gpus",
            ))
        yield scripted


def ask(house: ScriptedHouse, line: str) -> str:
    return answer(house.house, house.who(line), line).text


def test_a_run_trains_on_the_cluster_and_its_gpus_are_the_hosts(house: ScriptedHouse) -> None:
    run = house.submit()
    with house.running():
        seen = house.wait(run, Reason.COMPLETED, timeout_s=60)
    assert [point.epoch for point in seen.epoch_ends] == [1, 2, 3]
    assert seen.attempt is not None
    assert seen.attempt.exit_code == 0
    with house.house.store.snapshot() as db:
        devices = hosts.devices(db, hosts.get(db, HOST))
    assert [(gpu.uuid, gpu.name, gpu.memory_mib) for gpu in devices] == [("node1:0", "fake", 0), ("node1:1", "fake", 0)]


def test_what_others_hold_makes_a_run_wait_with_slurms_reason_and_no_second_job(house: ScriptedHouse, cluster: SlurmCluster) -> None:
    other = cluster.ask("sbatch", "--parsable", "--gres=gpu:2", "--chdir=/", "--output=/dev/null", "--wrap=sleep 300").strip()
    run = house.submit()
    with house.running():
        seen = house.wait_until(run, lambda seen: "all that it needs is in use" in seen.run.detail, timeout_s=60)
        assert seen.run.reason is Reason.LAUNCHING
        job = seen.run.detail.split("job ")[1].split(":")[0]
        assert f"`{run.id}` quick on fish@1, U1, waits in Slurm's own queue since " in ask(house, "top")
        assert f"↳ Waits in Slurm's queue as job {job}: all that it needs is in use" in ask(house, "ps")
        why = ask(house, f"why {run.id}")
        assert f"Waits in Slurm's queue as job {job}" in why and f"Slurm starts it, and no other is submitted for it. `stop {run.id}" in why
    with house.running():  # a runner that knows of no launch asks Slurm before it asks for one
        seen = house.wait_until(run, lambda seen: seen.attempt is not None and seen.run.reason is Reason.LAUNCHING, timeout_s=60)
        time.sleep(3)
        assert len(cluster.ask("squeue", "-h", "-o", "%A").split()) == 2
        cluster.ask("scancel", other)
        house.wait(run, Reason.COMPLETED, timeout_s=60)
    log = (house.directory(run) / "log").read_text(encoding="utf-8")
    assert log.count("Epoch") > 0
    assert int(job) == int(other) + 1


def test_a_run_is_stopped_by_scancel(house: ScriptedHouse, cluster: SlurmCluster) -> None:
    run = house.submit("step_s=1")
    with house.running():
        house.wait(run, Reason.WORKING, timeout_s=60)
        request_stop(house.house, house.who("stop"), run.id)
        house.wait(run, Reason.BY_USER, timeout_s=60)
    assert cluster.ask("squeue", "-h", "-t", "running,pending,completing", "-o", "%A").split() == []


@pytest.mark.parametrize("point", ["runner.after_launched", *SUBMIT])
def test_an_answer_of_sbatch_that_is_lost_starts_nothing_twice(house: ScriptedHouse, cluster: SlurmCluster, point: str) -> None:
    """The runner dies once Slurm has the run, or the shell that asks Slurm does, before or after."""
    run = house.submit()
    said = house.house.settings.state / "runner.out"
    with runner_process(house.house.settings, crash_at=point) as first:
        if point == "submit.before_sbatch":
            eventually(lambda: said.exists() and f"launch of {run.id} did not come through" in said.read_text(encoding="utf-8"), 60)
            assert not (house.directory(run) / "claim").is_symlink()
        else:
            eventually((house.directory(run) / "claim").is_symlink, 60)
        first.kill()
    with runner_process(house.house.settings):
        seen = house.wait(run, Reason.COMPLETED, timeout_s=60)
    assert seen.run.attempt == 1
    lines = (house.directory(run) / "iterations.txt").read_text(encoding="ascii").splitlines()
    assert (len(lines), len({line.split()[2] for line in lines})) == (15, 1)
    eventually(lambda: cluster.ask("squeue", "-h", "-t", "running,pending,completing", "-o", "%A").split() == [], 30)


@pytest.mark.parametrize("point", CANCEL)
def test_an_answer_of_a_cancel_that_is_lost_is_asked_for_again(house: ScriptedHouse, cluster: SlurmCluster, point: str) -> None:
    run = house.submit("step_s=0.3", "epochs=50")
    said = house.house.settings.state / "runner.out"
    with runner_process(house.house.settings, crash_at=point) as first:
        seen = house.wait(run, Reason.WORKING, timeout_s=60)
        request_stop(house.house, house.who("stop"), run.id)
        eventually(lambda: f"stop of {run.id} did not come through" in said.read_text(encoding="utf-8"), 60)
        assert house.view(run).devices
        first.kill()
    with runner_process(house.house.settings):
        ended = house.wait(run, Reason.BY_USER, timeout_s=60)
    assert not ended.devices
    assert seen.attempt is not None
    assert marked(seen.attempt.marker) == []


def test_a_run_whose_node_died_is_tried_again_by_us(house: ScriptedHouse, cluster: SlurmCluster) -> None:
    run = house.submit("step_s=0.3")
    with house.running():
        seen = house.wait(run, Reason.WORKING, timeout_s=60)
        house.wait_until(run, lambda seen: seen.epoch_ends, timeout_s=60)
        assert seen.attempt is not None
        cluster.cut_power("node1", house.directory(run), seen.attempt.marker, told=True)
        house.wait_until(run, lambda seen: seen.diagnosis is not None, timeout_s=60)
        cluster.return_power("node1")
        done = house.wait(run, Reason.COMPLETED, timeout_s=90)
    assert done.run.attempt == 2
    assert done.diagnosis is not None
    assert done.diagnosis.reason is Reason.LOST
    assert marked(seen.attempt.marker) == []


def test_a_folder_that_compute_nodes_do_not_see_is_told_and_not_tried_for_ever(house: ScriptedHouse, cluster: SlurmCluster) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    cluster.end("node1")
    folder = house.root.parent
    hide = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(folder))
    cluster.start_node("node1", before=hide)
    eventually(cluster.idle, 40)
    try:
        run = house.submit()
        with house.running():
            seen = house.wait(run, Reason.ENVIRONMENT_ERROR, timeout_s=60)
        assert "has to lie on a file system that the login node and all compute nodes share" in seen.run.detail
    finally:
        cluster.end("node1")
        cluster.return_power("node1")


def test_a_run_that_somebody_cancelled_in_slurm_is_not_tried_again(house: ScriptedHouse, cluster: SlurmCluster) -> None:
    run = house.submit("step_s=0.3")
    with house.running():
        house.wait_until(run, lambda seen: seen.epoch_ends, timeout_s=60)
        cluster.ask("scancel", *cluster.ask("squeue", "-h", "-o", "%A").split())
        seen = house.wait(run, Reason.KILLED, timeout_s=60)
    assert seen.run.detail.startswith("The run was cancelled in Slurm (scancel) by somebody outside Signalbox.")
