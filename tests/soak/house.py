"""The house of a soak: two GPU servers of two GPUs each on this machine, each behind an sshd of its own, and runners that can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bot.demo.loopback_sshd import LoopbackSshd
from runner.entities import Environment
from runner.queueing.policy import Policy
from runner.settings import Limits
from runner.store import hosts
from tests.support.hosts import eventually
from tests.support.nvidia_standin import NvidiaStandin, gpu
from tests.support.runner_process import settings_file
from tests.support.scripted_house import HOST, SCRIPTED, ScriptedHouse, empty_home, scripted_house

LIMITS = Limits(stop_grace_s=1, retry_delay_s=0.1, heartbeat_timeout_s=15)
POLICY = Policy(preempting_priority=5, preemption_grace_s=1)


@dataclass(frozen=True)
class SoakHouse:
    """``presence`` is where programs note what they do."""

    scripted: ScriptedHouse
    sshds: tuple[LoopbackSshd, ...]
    roots: tuple[Path, ...]
    presence: Path
    nursery: subprocess.Popen[str]

    def start_runner(self) -> int:
        """The pid of one more runner; only the last one started may live."""
        assert self.nursery.stdin is not None
        assert self.nursery.stdout is not None
        self.nursery.stdin.write("start\n")
        self.nursery.stdin.flush()
        return int(self.nursery.stdout.readline())


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def end(pid: int, number: int = signal.SIGKILL) -> None:
    """End a runner, and see it gone."""
    os.kill(pid, number)
    eventually(lambda: not alive(pid), 30)


@contextmanager
def soak_house() -> Iterator[SoakHouse]:
    folder = Path(tempfile.mkdtemp(prefix="soak"))
    with ExitStack() as stack:
        scripted = stack.enter_context(scripted_house(folder, limits=LIMITS, policy=POLICY))
        settings = scripted.house.settings
        presence = folder / "presence"
        presence.mkdir()
        sshds, roots = [], []
        for number, name in enumerate((HOST, "gpu-2")):
            place = folder / name
            place.mkdir()
            standin = NvidiaStandin(place)
            standin.shows(*(gpu(index, uuid=f"GPU-{number}{index}") for index in range(2)))
            sshds.append(stack.enter_context(LoopbackSshd(place / "sshd", variables=standin.variables | empty_home(place))))
            roots.append(place / "root")
            _add_host(scripted, name, sshds[-1], roots[-1])
        environment = os.environ | {"SIGNALBOX_SETTINGS": str(settings_file(settings))}
        out = stack.enter_context((settings.state / "runner.out").open("ab"))
        nursery = stack.enter_context(subprocess.Popen(
            [sys.executable, "-m", "tests.soak.nursery"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=out,
            text=True, cwd=SCRIPTED.parent.parent,
        ))
        yield SoakHouse(scripted, tuple(sshds), tuple(roots), presence, nursery)
        assert nursery.stdin is not None
        nursery.stdin.close()


def _add_host(scripted: ScriptedHouse, name: str, sshd: LoopbackSshd, root: Path) -> None:
    with scripted.house.store.writing() as db:
        known = hosts.get(db, HOST)
        hosts.put(db, replace(
            known, name=name, port=sshd.port, key_path=str(sshd.key_path), host_key=sshd.host_key, root=str(root),
        ))
        hosts.put_environment(db, Environment(name, "scripted", "scripted", sys.executable, str(SCRIPTED), "scripted-1"))
