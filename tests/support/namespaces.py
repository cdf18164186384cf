"""Two hosts that are network namespaces of this machine: a cable from here to each, and one between them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bot.demo.loopback_sshd import LoopbackSshd
from runner.store import hosts
from tests.support.scripted_house import HOST, ScriptedHouse
from tests.support.two_hosts import SECOND

CABLE = "peer0"
"""What the end of the cable between the two is called in each."""


@dataclass(frozen=True)
class Namespace:
    """A namespace: ``address`` is where we reach it, ``peer_address`` where the other one does."""

    name: str
    address: str
    peer_address: str

    def run(self, *words: str) -> None:
        """A command in it."""
        subprocess.run(["ip", "netns", "exec", self.name, *words], check=True, capture_output=True, timeout=20)


def why_not() -> str:
    """Why this machine lends no namespaces; empty where it does."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return "network namespaces need root and iproute2"
    tried = subprocess.run(["ip", "netns", "add", f"sbtry{os.getpid()}"], capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"network namespaces are not allowed here: {tried.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", f"sbtry{os.getpid()}"], check=False)
    return ""


@contextmanager
def two_namespaces() -> Iterator[tuple[Namespace, Namespace]]:
    """Make them, and take them away again."""
    part = os.getpid() % 250
    both = tuple(Namespace(f"sb{os.getpid()}{side}", f"10.{201 + side}.{part}.2", f"10.203.{part}.{1 + side}") for side in (0, 1))
    with ExitStack() as stack:
        for side, each in enumerate(both):
            here = f"sbm{os.getpid() % 100_000}{side}"
            _ip("netns", "add", each.name)
            stack.callback(_ip, "netns", "del", each.name)
            _ip("link", "add", here, "type", "veth", "peer", "name", "mgmt0", "netns", each.name)
            _ip("addr", "add", f"10.{201 + side}.{part}.1/24", "dev", here)
            _ip("link", "set", here, "up")
            each.run("ip", "addr", "add", f"{each.address}/24", "dev", "mgmt0")
            each.run("ip", "link", "set", "mgmt0", "up")
            each.run("ip", "link", "set", "lo", "up")
        _ip("-n", both[0].name, "link", "add", CABLE, "type", "veth", "peer", "name", CABLE, "netns", both[1].name)
        for each in both:
            each.run("ip", "addr", "add", f"{each.peer_address}/24", "dev", CABLE)
            each.run("ip", "link", "set", CABLE, "up")
        yield both[0], both[1]


@contextmanager
def hosts_in(scripted: ScriptedHouse, both: tuple[Namespace, Namespace], folder: Path) -> Iterator[None]:
    """Have the house's two servers be these, each with an sshd of its own."""
    with ExitStack() as stack:
        for host_name, each in zip((HOST, SECOND), both, strict=True):
            within = ("ip", "netns", "exec", each.name)
            sshd = stack.enter_context(LoopbackSshd(folder / each.name, before=within, address=each.address))
            with scripted.house.store.writing() as db:
                hosts.put(db, replace(
                    hosts.get(db, host_name), address=sshd.address, port=sshd.port, key_path=str(sshd.key_path), host_key=sshd.host_key,
                    peer_address=each.peer_address, peer_interface=CABLE,
                ))
        yield


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=20)
