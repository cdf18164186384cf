"""What every executor promises, over every transport: real sessions, real processes."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runner.errors import BadSpecError, HostError
from runner.evidence import ClaimSeen, ExitSeen, LogBytes, Vanished
from runner.executors import executors
from runner.executors.base import Executor, LaunchOrder
from runner.frameworks.base import LaunchPlan
from tests.support.hosts import MARKER, NONCE, Reached, end_all, eventually, marked, order, watching

# A rank as torchrun starts it: a session of its own, and deaf to a polite request.
STUBBORN = """
import os, signal, subprocess, sys, time
rank = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('rank', flush=True); time.sleep(60)"
subprocess.Popen([sys.executable, "-c", rank], start_new_session=True)
time.sleep(60)
"""


@pytest.fixture(params=sorted(executors().keys() - {"slurm"}))  # test_slurm.py: it needs a cluster
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    yield executors()[request.param]
    end_all(MARKER)


def start(executor: Executor, reached: Reached, wanted: LaunchOrder) -> Path:
    executor.stage(reached.transport, wanted, root=reached.host.root)
    executor.launch(reached.transport, wanted)
    return Path(wanted.directory)


def stop(executor: Executor, reached: Reached, wanted: LaunchOrder, grace_s: float = 1) -> tuple[str, int, bool, bool]:
    fence = executor.stop(reached.transport, directory=wanted.directory, nonce=wanted.nonce, marker=wanted.marker, grace_s=grace_s)
    return fence.claim, fence.processes_left, fence.exited, fence.done


def log_of(wanted: LaunchOrder) -> bytes:
    path = Path(wanted.directory, "log")
    return path.read_bytes() if path.exists() else b""


def test_which_devices_it_gets_is_said_at_the_launch(executor: Executor, any_host: Reached) -> None:
    laid = order(any_host.root, "echo [$CUDA_VISIBLE_DEVICES]")
    executor.stage(any_host.transport, laid, root=any_host.host.root)
    assert executor.launch(any_host.transport, replace(laid, devices=("GPU-1", "GPU-2")))
    eventually(lambda: log_of(laid) == b"[GPU-1,GPU-2]\n")


def test_what_is_not_laid_does_not_start_and_says_so(executor: Executor, any_host: Reached) -> None:
    wanted = order(any_host.root, "echo one")
    assert not executor.launch(any_host.transport, wanted)
    assert not Path(wanted.directory).exists()


def test_an_attempt_runs_from_claim_to_exit(executor: Executor, any_host: Reached) -> None:
    wanted = order(any_host.root, "echo one; cat sub/file; echo err >&2; exit 3", files={"sub/file": b"two\n"})
    with watching(any_host, wanted) as (_, evidences):
        start(executor, any_host, wanted)
        assert evidences.wait_for(ClaimSeen).text.startswith(f"{NONCE}:")
        assert evidences.wait_for(ExitSeen).code == 3
        assert evidences.log() == b"one\ntwo\nerr\n"


def test_launching_again_and_staging_again_are_harmless(executor: Executor, any_host: Reached) -> None:
    wanted = order(any_host.root, "echo trained; sleep 0.5")
    for _ in range(4):
        start(executor, any_host, wanted)
    eventually(lambda: Path(wanted.directory, "exit").exists())
    assert log_of(wanted) == b"trained\n"


def test_the_data_is_a_tree_of_links_into_the_store(executor: Executor, any_host: Reached, tmp_path: Path) -> None:
    contents = {"images/ö 1.jpg": b"pixels", "annotations/train.json": b"{}", "images/copy.jpg": b"pixels"}
    manifest = {path: hashlib.sha256(content).hexdigest() for path, content in contents.items()}
    for path, content in contents.items():
        (tmp_path / manifest[path]).write_bytes(content)
    store = f"{any_host.root}/objects"
    any_host.transport.put_objects(store, [(digest, tmp_path / digest) for digest in manifest.values()], timeout_s=10)
    wanted = order(any_host.root, "cat data/images/*; touch data/images/cache; ls data/images", dataset_manifest=manifest)
    directory = start(executor, any_host, wanted)
    eventually((directory / "exit").exists)
    assert log_of(wanted) == b"pixelspixels" + "cache\ncopy.jpg\nö 1.jpg\n".encode()
    digest = manifest["images/copy.jpg"]
    assert (directory / "data/images/copy.jpg").samefile(any_host.root / "objects" / digest[:2] / digest)


def test_data_that_the_host_lacks_is_said(executor: Executor, any_host: Reached) -> None:
    wanted = order(any_host.root, "true", dataset_manifest={"a.jpg": "0" * 64})
    with pytest.raises(HostError, match=f"1 files are not in .*: {'0' * 64}"):
        executor.stage(any_host.transport, wanted, root=any_host.host.root)
    assert not Path(wanted.directory, "launch.sh").exists()


def test_stop_before_the_start_fences(executor: Executor, any_host: Reached) -> None:
    wanted = order(any_host.root, "echo trained")
    assert stop(executor, any_host, wanted) == (f"cancelled:{NONCE}", 0, False, True)
    start(executor, any_host, wanted)
    executor.stage(any_host.transport, wanted, root=any_host.host.root)
    subprocess.run(["sh", f"{wanted.directory}/launch.sh"], check=False, timeout=10)
    assert log_of(wanted) == b""


def test_stop_asks_first(executor: Executor, any_host: Reached) -> None:
    wanted = order(any_host.root, "trap 'echo saved; exit 7' TERM; echo ready; while :; do sleep 0.05; done")
    start(executor, any_host, wanted)
    eventually(lambda: b"ready" in log_of(wanted))
    claim, left, exited, done = stop(executor, any_host, wanted, grace_s=5)
    assert (claim.split(":")[0], left, exited, done) == (NONCE, 0, True, True)
    assert log_of(wanted).endswith(b"saved\n")
    assert Path(wanted.directory, "exit").read_text(encoding="ascii").split() == ["7"]


def test_stop_ends_a_rank_in_a_session_of_its_own_that_ignores_term(executor: Executor, any_host: Reached) -> None:
    wanted = order(any_host.root, sys.executable, "-c", STUBBORN)
    start(executor, any_host, wanted)
    eventually(lambda: b"rank" in log_of(wanted))
    assert len(marked(MARKER)) == 2
    began = time.monotonic()
    claim, left, exited, done = stop(executor, any_host, wanted)
    assert (claim.split(":")[0], left, exited, done) == (NONCE, 0, True, True)
    assert time.monotonic() - began < 5
    assert marked(MARKER) == []
    assert Path(wanted.directory, "exit").read_text(encoding="ascii").split() == ["143"]


def test_stop_spares_attempts_whose_marker_only_begins_alike(executor: Executor, any_host: Reached) -> None:
    bystander = subprocess.Popen(["sleep", "30"], env={"PATH": os.environ["PATH"], "SIGNALBOX_ATTEMPT": MARKER + "0"})
    wanted = order(any_host.root, "sleep 30")
    start(executor, any_host, wanted)
    eventually(lambda: marked(MARKER))
    assert stop(executor, any_host, wanted, grace_s=0)[3]
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_stop_after_the_end_finds_the_exit(executor: Executor, any_host: Reached) -> None:
    wanted = order(any_host.root, "true")
    directory = start(executor, any_host, wanted)
    eventually((directory / "exit").exists)
    claim, left, exited, done = stop(executor, any_host, wanted)
    assert (claim.split(":")[0], left, exited, done) == (NONCE, 0, True, True)


def test_a_program_killed_by_others_ends_with_137(executor: Executor, any_host: Reached) -> None:
    wanted = order(any_host.root, "echo ready; sleep 30")
    with watching(any_host, wanted) as (_, evidences):
        directory = start(executor, any_host, wanted)
        evidences.wait_for(LogBytes)
        os.killpg(int((directory / "pid").read_text()), signal.SIGKILL)
        assert evidences.wait_for(ExitSeen).code == 137


@pytest.mark.parametrize("point", ["launch.after_claim", "launch.before_exit"])
def test_a_holder_that_dies_leaves_vanished(executor: Executor, any_host: Reached, point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_CRASH_AT", point)
    wanted = order(any_host.root, "echo out")
    with watching(any_host, wanted) as (_, evidences):
        start(executor, any_host, wanted)
        evidences.wait_for(Vanished)
        assert evidences.log() == (b"out\n" if point == "launch.before_exit" else b"")


@pytest.mark.slow
def test_a_training_whose_holder_died_goes_on_and_vanishes_at_its_end(
    executor: Executor, any_host: Reached, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNALBOX_CRASH_AT", "launch.after_start")
    wanted = order(any_host.root, "echo begin; sleep 2; echo end")
    with watching(any_host, wanted) as (_, evidences):
        start(executor, any_host, wanted)
        evidences.wait_for(Vanished)
        assert evidences.log() == b"begin\nend\n"


@pytest.mark.slow
def test_a_launch_that_died_before_its_claim_can_be_repeated(
    executor: Executor, any_host: Reached, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = order(any_host.root, "echo trained")
    monkeypatch.setenv("SIGNALBOX_CRASH_AT", "launch.before_claim")
    start(executor, any_host, wanted)
    assert not Path(wanted.directory, "claim").is_symlink()
    monkeypatch.delenv("SIGNALBOX_CRASH_AT")
    directory = start(executor, any_host, wanted)
    eventually((directory / "exit").exists)
    assert log_of(wanted) == b"trained\n"


def test_an_exit_written_before_the_holder_died_counts(executor: Executor, any_host: Reached, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_CRASH_AT", "launch.after_exit")
    wanted = order(any_host.root, "exit 4")
    with watching(any_host, wanted) as (_, evidences):
        start(executor, any_host, wanted)
        assert evidences.wait_for(ExitSeen).code == 4


@pytest.mark.parametrize("plan", [LaunchPlan(("python", "-V")), LaunchPlan(()), LaunchPlan(("/bin/true",), variables={"A B": "1"})])
def test_a_plan_that_cannot_run_is_refused(executor: Executor, any_host: Reached, plan: LaunchPlan) -> None:
    with pytest.raises(BadSpecError):
        executor.stage(any_host.transport, order(any_host.root, "true", plan=plan), root=any_host.host.root)
