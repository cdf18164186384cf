"""The watch of a host over every break of its connection."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest

from bot.demo.loopback_sshd import LoopbackSshd
from runner.entities import Run
from runner.evidence import ClaimSeen, Connected, DirectoryGone, Disconnected, ExitSeen, Heartbeat, LogBytes, WatchedAttempt
from runner.executors import executors
from runner.executors.base import LaunchOrder
from runner.service.runs import request_stop
from runner.service.views import history
from runner.settings import Limits
from runner.states import Reason
from tests.support.hosts import MARKER, Evidences, Reached, end_all, eventually, order, reach_over_ssh, watching
from tests.support.scripted_house import ScriptedHouse, empty_home, scripted_house

COUNTING = "import time\nfor n in range(1500):\n    print('line', n, 'x' * (n % 97))\n    time.sleep(0.001)\n"


def start(reached: Reached, wanted: LaunchOrder) -> Path:
    executors()["screen"].stage(reached.transport, wanted, root=reached.host.root)
    executors()["screen"].launch(reached.transport, wanted)
    return Path(wanted.directory)


def connections(sshd: LoopbackSshd) -> set[int]:
    return children(sshd.pid)


def children(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()}


@pytest.mark.slow
def test_no_log_byte_is_lost_or_doubled_over_breaks(ssh_host: Reached, sshd: LoopbackSshd) -> None:
    wanted = order(ssh_host.root, sys.executable, "-u", "-c", COUNTING)
    before = connections(sshd)
    with watching(ssh_host, wanted) as (_, evidences):
        directory = start(ssh_host, wanted)
        for _ in range(2):
            evidences.wait_for(LogBytes)
            for ours in connections(sshd) - before:
                os.kill(ours, signal.SIGKILL)
            assert not evidences.wait_for(Disconnected).permanent
            evidences.wait_for(Connected)
        assert evidences.wait_for(ExitSeen, 30).code == 0
        assert evidences.log() == (directory / "log").read_bytes()


@pytest.mark.slow
def test_a_frozen_host_is_unreachable_after_the_silence_that_the_settings_name() -> None:
    with scripted_house(Path(tempfile.mkdtemp(prefix="house")), limits=Limits(heartbeat_timeout_s=6)) as scripted:
        run = scripted.submit("step_s=0.2", epochs=100)
        with scripted.running():
            scripted.wait_until(run, lambda seen: seen.progress is not None)
            frozen = [pid for ours in connections(scripted.sshd) for pid in (ours, *children(ours))]
            for pid in frozen:
                os.kill(pid, signal.SIGSTOP)
            began = time.monotonic()
            try:
                scripted.wait_until(run, lambda _: unreachable(scripted, run))
                assert 5 < time.monotonic() - began < 12
            finally:
                for pid in frozen:
                    os.kill(pid, signal.SIGCONT)
            assert unreachable(scripted, run) == ["gpu-1 has said nothing for 6 s."]
            scripted.wait(run, Reason.WORKING)
            request_stop(scripted.house, scripted.who(), run.id)
            scripted.wait(run, Reason.BY_USER)


def unreachable(scripted: ScriptedHouse, run: Run) -> list[object]:
    states = [event.payload for event in history(scripted.house, run.id) if event.kind == "state"]
    return [state["detail"] for state in states if state["reason"] == "UNREACHABLE"]


def test_a_restarted_runner_goes_on_where_it_stored(any_host: Reached) -> None:
    wanted = order(any_host.root, "echo one; while [ ! -e go ]; do sleep 0.02; done; echo two")
    with watching(any_host, wanted) as (_, evidences):
        directory = start(any_host, wanted)
        first = evidences.wait_for(LogBytes)
    (directory / "go").touch()
    evidences = Evidences()
    with watching(any_host) as (watch, evidences):
        watch.watch(WatchedAttempt(wanted.directory, wanted.marker, len(first.data), first.generation, first.inode, claimed=True))
        evidences.wait_for(ClaimSeen)
        second = evidences.wait_for(LogBytes)
        evidences.wait_for(ExitSeen)
    assert (first.data, second.offset, second.generation, second.data) == (b"one\n", 4, 0, b"two\n")


def test_a_removed_directory_is_reported_and_an_unwatched_one_is_not(any_host: Reached) -> None:
    import shutil

    wanted = order(any_host.root, "echo on; sleep 20")
    with watching(any_host, wanted) as (watch, evidences):
        directory = start(any_host, wanted)
        evidences.wait_for(LogBytes)
        shutil.rmtree(directory)
        assert evidences.wait_for(DirectoryGone).directory == wanted.directory
        watch.unwatch(wanted.directory)
        watch.watch(WatchedAttempt(wanted.directory + "9", "r-9/9", claimed=True))
        assert evidences.wait_for(DirectoryGone).directory == wanted.directory + "9"
    end_all(MARKER)


def test_a_wrong_key_is_permanent(sshd: LoopbackSshd, tmp_path: Path) -> None:
    with watching(reach_over_ssh(sshd, tmp_path, host_key="ssh-ed25519 AAAA")) as (_, evidences):
        broken = evidences.wait_for(Disconnected)
    assert broken.permanent
    assert "--host-key" in broken.why


def test_a_host_that_comes_back_is_found_again(tmp_path: Path) -> None:
    with LoopbackSshd(tmp_path / "sshd", variables=empty_home(tmp_path)) as sshd:
        sshd.stop()
        reached = reach_over_ssh(sshd, tmp_path)
        with watching(reached) as (_, evidences):
            assert "does not answer" in evidences.wait_for(Disconnected).why
            sshd.restart()
            evidences.wait_for(Connected)
        reached.transport.close()


@pytest.mark.parametrize("answer", ["echo 'Welcome!'; sleep 5", "yes '{'", "head -c 3000000 /dev/zero; sleep 5", "exit 0"])
def test_a_python_that_is_none_is_a_clear_break(any_host: Reached, tmp_path: Path, answer: str) -> None:
    from dataclasses import replace

    impostor = tmp_path / "python3"
    impostor.write_text(f"#!/bin/sh\n{answer}\n", encoding="ascii")
    impostor.chmod(0o755)
    reached = Reached(replace(any_host.host, python=str(impostor)), any_host.transport)
    with watching(reached) as (_, evidences):
        why = evidences.wait_for(Disconnected).why
        assert reached.host.name in why
        assert "sends" in why or "ended with code 0" in why


def test_stopping_is_quick_and_leaves_no_watch_behind(any_host: Reached) -> None:
    def watches() -> list[Path]:
        found = []
        for entry in Path("/proc").iterdir():
            try:
                line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            except OSError:
                continue
            if line.endswith(b"/watch_host\0") and any_host.host.root.encode() in line:
                found.append(entry)
        return found

    with watching(any_host) as (_, evidences):
        evidences.wait_for(Heartbeat)
        assert watches()
        began = time.monotonic()
    assert time.monotonic() - began < 2
    eventually(lambda: not watches())
