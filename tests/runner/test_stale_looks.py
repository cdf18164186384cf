"""Nobody owns these servers: what a server said before it fell silent, or before the runner did, says nothing of who is there now."""

from __future__ import annotations

import getpass
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.demo.loopback_sshd import LoopbackSshd
from runner.neighbours import MOVED_IN
from runner.service.runs import request_stop
from runner.service.views import history
from runner.states import Reason
from runner.store import hosts
from tests.support.hosts import eventually
from tests.support.nvidia_standin import NvidiaStandin, app, gpu
from tests.support.scripted_house import HOST, ScriptedHouse, empty_home
from tests.support.silence import cut_off


@pytest.fixture
def shown(tmp_path: Path) -> NvidiaStandin:
    scene = NvidiaStandin(tmp_path)
    scene.shows(gpu(0))
    return scene


@pytest.fixture
def house(scripted: ScriptedHouse, shown: NvidiaStandin, tmp_path: Path) -> Iterator[ScriptedHouse]:
    """Its one server has a GPU."""
    with LoopbackSshd(tmp_path / "gpu sshd", variables=shown.variables | empty_home(tmp_path)) as sshd:
        with scripted.house.store.writing() as db:
            known = hosts.get(db, HOST)
            hosts.put(db, replace(known, port=sshd.port, key_path=str(sshd.key_path), host_key=sshd.host_key))
        yield replace(scripted, sshd=sshd)


@pytest.fixture
def stranger() -> Iterator[int]:
    """A program that is none of ours."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process.pid
        process.kill()


def moves_in(shown: NvidiaStandin, pid: int, *, hangs_s: float = 0.0) -> None:
    shown.shows(gpu(0, memory__used=40_000), apps=[app(0, pid, 40_000)], hangs_s=hangs_s)


def test_who_moved_in_while_a_server_was_silent_is_seen_before_anything_starts_there(
    house: ScriptedHouse, shown: NvidiaStandin, stranger: int
) -> None:
    with house.running():
        first, second = house.submit("step_s=60"), house.submit("step_s=60")
        house.wait(first, Reason.WORKING)
        house.wait(second, Reason.WAITING_FOR_GPU)
        cut_off(house.sshd)
        house.wait(first, Reason.UNREACHABLE)
        request_stop(house.house, house.who("stop"), first.id)
        moves_in(shown, stranger, hangs_s=1)  # it takes its time to say so, and the device is given back before
        house.sshd.restart()
        house.wait(first, Reason.BY_USER)
        seen = house.wait_until(second, lambda seen: getpass.getuser() in seen.run.detail or seen.attempt)
        assert seen.attempt is None, "it began where somebody was"
        assert seen.run.reason is Reason.WAITING_FOR_GPU
        request_stop(house.house, house.who("stop it"), second.id)
        house.wait(second, Reason.BY_USER)


def test_who_moved_in_beside_a_run_while_nobody_looked_is_told_once(house: ScriptedHouse, shown: NvidiaStandin, stranger: int) -> None:
    run = house.submit("step_s=60")
    with house.running():
        house.wait(run, Reason.WORKING)
    moves_in(shown, stranger)
    with house.running():
        [told] = eventually(lambda: [event.payload for event in history(house.house, run.id) if event.kind == MOVED_IN])
        request_stop(house.house, house.who("stop"), run.id)
        house.wait(run, Reason.BY_USER)
    assert (told["host"], told["device"], told["user"], told["used_mib"]) == (HOST, 0, getpass.getuser(), 40_000)
