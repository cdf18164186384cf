"""Hosts and attempts for tests."""

from __future__ import annotations

import os
import queue
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from bot.demo.loopback_sshd import LoopbackSshd
from bot.demo.processes import marked
from runner.entities import Host, TransportName
from runner.evidence import Evidence, LogBytes, WatchedAttempt
from runner.executors.base import LaunchOrder
from runner.frameworks.base import LaunchPlan
from runner.transports import open_transport
from runner.transports.base import Transport
from runner.watch import HostWatch

Kind = TypeVar("Kind")
Value = TypeVar("Value")
# Tests run side by side, and must not end each other's processes.
NONCE = f"abc{os.getpid()}"
MARKER = f"r-1-{NONCE}/1"


@dataclass(frozen=True)
class Reached:
    """A host and the way to it."""

    host: Host
    transport: Transport

    @property
    def root(self) -> Path:
        return Path(self.host.root)


def reach_over_ssh(sshd: LoopbackSshd, root: Path, **changes: object) -> Reached:
    values = {
        "name": "gpu-1",
        "transport": TransportName.SSH,
        "root": str(root),
        "address": sshd.address,
        "port": sshd.port,
        "user": sshd.user,
        "key_path": str(sshd.key_path),
        "host_key": sshd.host_key,
        "python": sys.executable,
        **changes,
    }
    host = Host(**values)
    return Reached(host, open_transport(host))


def reach_locally(root: Path) -> Reached:
    host = Host("local", TransportName.LOCAL, str(root), python=sys.executable)
    return Reached(host, open_transport(host))


def order(
    root: Path, *argv: str, run: str = "r-1", nonce: str = NONCE, attempt: int = 1, files: dict[str, bytes] | None = None, **changes: object
) -> LaunchOrder:
    """An attempt that runs ``argv`` (``sh -c`` of one word)."""
    words = argv if len(argv) > 1 else ("/bin/sh", "-c", *argv)
    values = {"plan": LaunchPlan(tuple(words), files=files or {}), "spec_json": b"{}", **changes}
    directory = f"{root}/runs/{run}-{nonce}/{attempt}"
    return LaunchOrder(directory, nonce, f"sb-test-{os.getpid()}-{run}", f"{run}-{nonce}/{attempt}", **values)


def eventually(look: Callable[[], Value], timeout_s: float = 30.0) -> Value:
    """What ``look`` returns once that is true."""
    until = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < until, f"did not come true in {timeout_s} s"
        time.sleep(0.01)
    return found


def end_all(marker: str) -> None:
    """Leave nothing of an attempt behind, whatever its test did."""
    for pid in marked(marker):
        os.kill(pid, signal.SIGKILL)


@dataclass
class Evidences:
    """What a watch emitted, in order; each waits for what it wants."""

    incoming: queue.Queue[Evidence] = field(default_factory=queue.Queue)
    seen: list[Evidence] = field(default_factory=list)

    def wait_for(self, kind: type[Kind], timeout_s: float = 30.0, *, where: Callable[[Kind], bool] = lambda _: True) -> Kind:
        """The next one of a kind."""
        until = time.monotonic() + timeout_s
        while True:
            left = until - time.monotonic()
            assert left > 0, f"no {kind.__name__} in {timeout_s} s after {self.seen[-5:]}"
            try:
                evidence = self.incoming.get(timeout=left)
            except queue.Empty:
                continue
            self.seen.append(evidence)
            if isinstance(evidence, kind) and where(evidence):
                return evidence

    def log(self, generation: int = 0) -> bytes:
        """The log so far, each piece proven to follow the one before."""
        data = b""
        for evidence in self.seen:
            if isinstance(evidence, LogBytes) and evidence.generation == generation:
                assert evidence.offset == len(data)
                data += evidence.data
        return data


@contextmanager
def watching(reached: Reached, *attempts: LaunchOrder) -> Iterator[tuple[HostWatch, Evidences]]:
    """A watch of a host that follows some attempts from their beginning."""
    evidences = Evidences()
    watch = HostWatch(reached.host, reached.transport, evidences.incoming.put)
    for attempt in attempts:
        watch.watch(WatchedAttempt(attempt.directory, attempt.marker))
    watch.start()
    try:
        yield watch, evidences
    finally:
        watch.stop()
