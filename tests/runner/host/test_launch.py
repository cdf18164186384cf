"""launch.sh, as it lies on a host: run by the shells that hosts have."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.crash_points import LAUNCH, VARIABLE
from runner.executors import executors
from runner.executors.base import LaunchOrder
from runner.frameworks.base import LaunchPlan
from runner.frameworks.mmdet_log import MmdetLogParser
from runner.own_lines import OwnLines
from tests.conftest import AWKWARD
from tests.support.hosts import MARKER, NONCE, end_all, eventually, marked, order, reach_locally
from tests.support.nvidia_standin import NvidiaStandin, app, gpu

pytestmark = pytest.mark.slow
SHELLS = [path for path in (shutil.which("dash"), shutil.which("bash"), shutil.which("busybox")) if path]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / AWKWARD
    end_all(MARKER)


def stage(wanted: LaunchOrder, root: Path) -> Path:
    reached = reach_locally(root)
    executors()["screen"].stage(reached.transport, wanted, root=str(root))
    return Path(wanted.directory)


def hold(directory: Path, shell: str = "/bin/sh", *, devices: str = "") -> subprocess.Popen[bytes]:
    command = [shell, *(["sh"] if shell.endswith("busybox") else []), str(directory / "launch.sh")]
    return subprocess.Popen(
        command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        env={**os.environ, "SIGNALBOX_DEVICES": devices},
    )


def exit_code(directory: Path) -> int:
    (code,) = eventually(lambda: (directory / "exit").exists() and (directory / "exit").read_text().split())
    return int(code)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("program", "code"), [("true", 0), ("exit 3", 3), ("exit 127", 127), ("kill -9 $$", 137), ("kill -TERM $$", 143)])
def test_the_exit_is_the_programs_own(root: Path, shell: str, program: str, code: int) -> None:
    directory = stage(order(root, program), root)
    assert hold(directory, shell).wait(60) == 0
    assert exit_code(directory) == code
    assert sorted(path.name for path in directory.iterdir()) == [
        "claim", "command.sh", "exit", "launch.env", "launch.sh", "log", "pid", "spec.json",
    ]  # fmt: skip


@pytest.mark.parametrize("shell", SHELLS)
def test_of_eight_that_start_at_once_one_claims_and_trains(root: Path, shell: str) -> None:
    directory = stage(order(root, "echo trained; sleep 0.3"), root)
    holders = [hold(directory, shell) for _ in range(8)]
    assert [holder.wait(60) for holder in holders] == [0] * 8
    assert exit_code(directory) == 0
    assert (directory / "log").read_text() == "trained\n"
    nonce, pid, started, boot_id = str((directory / "claim").readlink()).split(":")
    assert nonce == NONCE
    assert int(pid) in [holder.pid for holder in holders]
    assert started.isdigit()
    assert boot_id == Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


@pytest.mark.parametrize("shell", SHELLS)
def test_the_claim_names_the_holder_exactly(root: Path, shell: str) -> None:
    directory = stage(order(root, "sleep 20"), root)
    holder = hold(directory, shell)
    pid = int(eventually(lambda: (directory / "pid").exists() and (directory / "pid").read_text().strip()))
    fields = Path(f"/proc/{holder.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    assert str((directory / "claim").readlink()).split(":")[1:3] == [str(holder.pid), fields[19]]
    eventually(lambda: os.getpgid(pid) == os.getsid(pid) == pid)
    assert holder.pid not in eventually(lambda: marked(MARKER))
    end_all(MARKER)
    holder.wait(60)


@pytest.mark.parametrize("shell", SHELLS)
def test_signals_to_the_window_harm_nothing_and_term_is_passed_on(root: Path, shell: str) -> None:
    program = "trap 'echo asked; sleep 0.2; exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    directory = stage(order(root, program), root)
    holder = hold(directory, shell)
    eventually(lambda: (directory / "log").exists() and b"ready" in (directory / "log").read_bytes())
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGINT):
        os.kill(holder.pid, number)
        time.sleep(0.02)  # signals of one kind merge while one is pending
    assert holder.poll() is None
    os.kill(holder.pid, signal.SIGTERM)
    assert exit_code(directory) == 5
    assert (directory / "log").read_bytes().endswith(b"asked\n")
    holder.wait(60)


@pytest.fixture
def earlier(nvidia: NvidiaStandin) -> Iterator[subprocess.Popen[bytes]]:
    """A program of an attempt before, which holds memory of GPU-0."""
    process = subprocess.Popen(["/bin/sleep", "60"], env={"SIGNALBOX_ATTEMPT": "r-0-abc/1"})
    eventually(lambda: b"SIGNALBOX_ATTEMPT" in Path(f"/proc/{process.pid}/environ").read_bytes())
    nvidia.shows(gpu(0, memory__used=9000), gpu(1, memory__used=9000), apps=[app(0, process.pid, 8000), app(1, os.getpid(), 8000)])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def nvidia(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NvidiaStandin:
    standin = NvidiaStandin(tmp_path)
    for name, value in standin.variables.items():
        monkeypatch.setenv(name, value)
    return standin


@pytest.mark.parametrize("shell", SHELLS)
def test_a_program_starts_once_what_ran_before_has_left_its_gpu(
    root: Path, shell: str, nvidia: NvidiaStandin, earlier: subprocess.Popen[bytes]
) -> None:
    directory = stage(order(root, "echo trained"), root)
    holder = hold(directory, shell, devices="GPU-0")
    eventually(lambda: len(nvidia.asked) > 2)
    assert (directory / "log").read_bytes() == b""
    nvidia.shows(gpu(0, memory__used=9000))  # it is gone, and its memory not yet free
    earlier.kill()
    seen = len(nvidia.asked)
    eventually(lambda: len(nvidia.asked) > seen)
    assert (directory / "log").read_bytes() == b""
    nvidia.shows(gpu(0))
    assert holder.wait(60) == exit_code(directory) == 0
    log = (directory / "log").read_text().splitlines()
    assert re.fullmatch(r"Signalbox waited \d+ s until the memory of its GPUs was free\.", log[0])
    told = OwnLines(MmdetLogParser()).feed((log[1] + "\n").encode())
    assert [(record.summary["memory_wait_s"] >= 0, record.summary["memory_free"]) for record in told] == [(True, True)]
    assert log[2:] == ["trained"]


def test_other_peoples_programs_and_other_gpus_are_not_waited_for(root: Path, earlier: subprocess.Popen[bytes]) -> None:
    directory = stage(order(root, "echo trained"), root)
    assert hold(directory, devices="GPU-1").wait(60) == 0
    assert (directory / "log").read_text() == "trained\n"
    assert earlier.poll() is None


def test_memory_that_nobody_gives_back_delays_for_five_seconds(root: Path, nvidia: NvidiaStandin) -> None:
    nvidia.shows(gpu(0, memory__used=9000))
    directory = stage(order(root, "echo trained"), root)
    assert hold(directory, devices="GPU-0").wait(15) == 0
    said = re.match(r"Signalbox waited (\d+) s, and memory of its GPUs is still held", (directory / "log").read_text())
    assert said is not None
    assert int(said[1]) >= 5


def test_a_stop_ends_the_waiting(root: Path, nvidia: NvidiaStandin, earlier: subprocess.Popen[bytes]) -> None:
    wanted = order(root, "echo trained")
    directory = stage(wanted, root)
    holder = hold(directory, devices="GPU-0")
    eventually(lambda: len(nvidia.asked) > 2)
    fence = executors()["screen"].stop(
        reach_locally(root).transport, directory=wanted.directory, nonce=NONCE, marker=MARKER, grace_s=20
    )
    assert fence.done
    assert exit_code(directory) == 143
    assert holder.wait(60) == 0
    assert (directory / "log").read_bytes() == b""
    assert earlier.poll() is None


def test_the_program_gets_its_environment_and_nothing_of_ours(root: Path) -> None:
    script = "import json, os, sys\nprint(json.dumps([dict(os.environ), sys.argv[1:], os.getcwd(), sys.stdin.read()]))"
    plan = LaunchPlan(
        (sys.executable, "-c", script, "it's", "$HOME"),
        variables={"QUOTED": "a'b\"c $HOME\nd", "OMP_NUM_THREADS": "3"},
        setup=("FROM_SETUP=yes; export FROM_SETUP", "export CUDA_VISIBLE_DEVICES=7"),
    )
    directory = stage(order(root, "x", "y", plan=plan, threads=2), root)
    hold(directory, devices="GPU-1,GPU-2").wait(60)
    assert exit_code(directory) == 0
    variables, arguments, folder, stdin = json.loads((directory / "log").read_text())
    assert (arguments, folder, stdin) == (["it's", "$HOME"], str(directory), "")
    wanted = {
        "QUOTED": "a'b\"c $HOME\nd",
        "OMP_NUM_THREADS": "3",
        "FROM_SETUP": "yes",
        "CUDA_VISIBLE_DEVICES": "GPU-1,GPU-2",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "LC_ALL": "C.UTF-8",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONUNBUFFERED": "1",
        "SIGNALBOX_ATTEMPT": MARKER,
    }
    assert {name: variables.get(name) for name in wanted} == wanted


def test_a_cpu_slot_shows_no_gpu(root: Path) -> None:
    directory = stage(order(root, 'echo "[$CUDA_VISIBLE_DEVICES]"'), root)
    hold(directory).wait(60)
    assert (directory / "log").read_text() == "[]\n"


@pytest.mark.parametrize("point", LAUNCH)
def test_every_crash_point_of_launch_dies_there(root: Path, point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, point)
    directory = stage(order(root, "echo out; sleep 0.2"), root)
    assert hold(directory).wait(60) == -signal.SIGKILL
    left = {path.name for path in directory.iterdir()} & {"claim", "pid", "exit"}
    wanted = {
        "launch.before_claim": set(),
        "launch.after_claim": {"claim"},
        "launch.after_start": {"claim", "pid"},
        "launch.before_exit": {"claim", "pid"},
        "launch.after_exit": {"claim", "pid", "exit"},
    }
    assert left == wanted[point]
    eventually(lambda: not marked(MARKER))


@pytest.mark.parametrize("shell", SHELLS)
def test_a_holder_that_dies_after_the_start_leaves_a_program_in_a_session_of_its_own(
    root: Path, shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "bin" / "setsid"
    slow.parent.mkdir()
    slow.write_text(f'#!/bin/sh\nsleep 0.2\nexec {shutil.which("setsid")} "$@"\n', encoding="ascii")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
    monkeypatch.setenv(VARIABLE, "launch.after_start")
    directory = stage(order(root, "sleep 20"), root)
    assert hold(directory, shell).wait(60) == -signal.SIGKILL
    pid = int((directory / "pid").read_text(encoding="ascii"))
    assert os.getsid(pid) == pid
    assert pid in marked(MARKER)
