"""A GPU server restarts: its power fails, or it is shut down in order. Its boot id is another then, as its kernel would say it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bot.demo.loopback_sshd import LoopbackSshd
from bot.demo.processes import marked
from runner.entities import Run
from runner.service.runs import request_stop
from runner.states import Reason
from runner.store import attempts, hosts
from tests.support.hosts import eventually
from tests.support.power import cut_power
from tests.support.scripted_house import HOST, ScriptedHouse, empty_home, scripted_house
from tests.support.silence import cut_off

BOOT_ID = "/proc/sys/kernel/random/boot_id"
WITH_BOOT_ID = ("unshare", "-m", "sh", "-c", f'mount --bind "$0" {BOOT_ID} && exec "$@"')


def why_not() -> str:
    """Why a host of its own boot id cannot be had here."""
    if shutil.which("unshare") is None:
        return "unshare is not installed"
    tried = subprocess.run([*WITH_BOOT_ID, BOOT_ID, "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "only root may mount"


pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_not()), reason=why_not())]


@dataclass(frozen=True)
class Server:
    """The house, and its GPU server that can be restarted."""

    scripted: ScriptedHouse
    sshd: LoopbackSshd
    boot_id: Path

    def go_down(self) -> None:
        """All connections end; nothing of it answers any more."""
        cut_off(self.sshd)
        self.boot_id.write_text(f"{uuid.uuid4()}\n", encoding="ascii")

    def attempts_told(self, run: Run) -> list[str]:
        """Why each failed attempt is said to have failed."""
        db = self.scripted.house.store.reading()
        rows = db.conn.execute("SELECT payload ->> 'reason' FROM events WHERE run_id = ? AND kind = 'attempt_failed'", (run.id,))
        return [row[0] for row in rows]


@pytest.fixture
def server() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="house"))
    boot_id = folder / "boot_id"
    boot_id.write_text(f"{uuid.uuid4()}\n", encoding="ascii")
    with scripted_house(folder) as scripted, LoopbackSshd(
        folder / "server", variables=empty_home(folder), before=(*WITH_BOOT_ID, str(boot_id))
    ) as sshd:
        with scripted.house.store.writing() as db:
            known = hosts.get(db, HOST)
            hosts.put(db, replace(known, port=sshd.port, key_path=str(sshd.key_path), host_key=sshd.host_key))
        yield Server(scripted, sshd, boot_id)


def expect_resumed(server: Server, run: Run) -> None:
    seen = server.scripted.wait(run, Reason.COMPLETED, timeout_s=60)
    assert seen.run.attempt == 2
    assert server.attempts_told(run) == ["LOST"]
    assert not seen.devices
    first = (server.scripted.directory(run, 2) / "iterations.txt").read_text(encoding="ascii").split()[0]
    assert int(first) > 1, "it went on from a checkpoint"


def test_power_that_fails_is_a_restart_and_the_run_goes_on(server: Server) -> None:
    run = server.scripted.submit("hang_at_epoch=1")
    with server.scripted.running():
        seen = server.scripted.wait_until(run, lambda view: view.checkpoints)
        assert cut_power(seen.attempt)
        server.go_down()
        server.scripted.wait(run, Reason.UNREACHABLE, Reason.RETRYING)
        server.sshd.restart()
        seen = server.scripted.wait_until(run, lambda view: view.diagnosis)
        assert seen.diagnosis is not None
        assert seen.diagnosis.reason is Reason.LOST
        expect_resumed(server, run)


def test_a_shutdown_in_order_is_a_restart_too_and_nobody_is_blamed(server: Server) -> None:
    """The program is asked to end, and its exit is seen, before the host falls silent."""
    run = server.scripted.submit("hang_at_epoch=1")
    with server.scripted.running():
        seen = server.scripted.wait_until(run, lambda view: view.checkpoints)
        assert seen.attempt is not None
        for pid in marked(seen.attempt.marker):
            os.kill(pid, signal.SIGTERM)
        server.scripted.wait_until(run, lambda view: view.attempt is not None and view.attempt.exit_code == 143)
        server.go_down()
        server.scripted.wait(run, Reason.UNREACHABLE)
        assert server.scripted.view(run).devices
        server.sshd.restart()
        seen = server.scripted.wait_until(run, lambda view: view.diagnosis)
        assert seen.diagnosis is not None
        assert seen.diagnosis.sentence == f"{HOST} restarted, and {run.id} ended with it."
        expect_resumed(server, run)


def test_a_restart_under_a_stop_is_the_stop_carried_out(server: Server) -> None:
    run = server.scripted.submit("step_s=0.2", "ignore_term=true", epochs=50)
    with server.scripted.running():
        seen = server.scripted.wait_until(run, lambda view: view.progress is not None)
        server.go_down()
        assert cut_power(seen.attempt)
        request_stop(server.scripted.house, server.scripted.who(), run.id)
        server.sshd.restart()
        seen = server.scripted.wait(run, Reason.BY_USER)
    assert not seen.devices
    assert server.attempts_told(run) == []


def test_a_restart_before_the_claim_starts_the_attempt_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    run = server.scripted.submit()
    monkeypatch.setenv("SIGNALBOX_CRASH_AT", "launch.before_claim")
    with server.scripted.running():
        server.scripted.wait(run, Reason.LAUNCHING)
        db = server.scripted.house.store.reading()
        eventually(lambda: attempts.get(db, run.id, 1).staged)
        monkeypatch.delenv("SIGNALBOX_CRASH_AT")
        server.go_down()
        server.scripted.wait(run, Reason.UNREACHABLE)
        server.sshd.restart()
        seen = server.scripted.wait(run, Reason.COMPLETED)
    assert seen.run.attempt == 1
