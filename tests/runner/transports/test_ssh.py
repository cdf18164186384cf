"""Ssh alone: keys, breaks, hostile servers, odd login shells."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import paramiko
import pytest

from bot.demo.loopback_sshd import LoopbackSshd
from runner.errors import HostError, UnreachableError
from runner.transports import open_transport
from runner.transports.ssh import SESSIONS
from tests.support.hosts import Reached, eventually, reach_over_ssh

# SSH_MSG_CHANNEL_WINDOW_ADJUST, SSH_MSG_CHANNEL_DATA and SSH_MSG_CHANNEL_EOF
MORE_ROOM, DATA, END_OF_INPUT = 93, 94, 96


def key(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", path], check=True)
    return path


def sessions(sshd: LoopbackSshd) -> list[int]:
    """The sshd processes that hold connections."""
    children = Path(f"/proc/{sshd.pid}/task/{sshd.pid}/children").read_text(encoding="ascii")
    return [int(pid) for pid in children.split()]


@contextmanager
def server(answer: bytes) -> Iterator[int]:
    """Something that is no sshd: says ``answer``, and then nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        links = []

        def serve() -> None:
            while True:
                try:
                    link, _ = listener.accept()
                except OSError:
                    return
                links.append(link)
                link.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        for link in links:
            link.close()


def refused(reached: Reached) -> str:
    with pytest.raises(HostError) as caught:
        reached.transport.shell("touch /tmp/never", timeout_s=10)
    reached.transport.close()
    return str(caught.value)


def test_a_host_key_that_is_not_pinned_is_refused_with_the_command_that_pins_it(sshd: LoopbackSshd, tmp_path: Path) -> None:
    sentence = refused(reach_over_ssh(sshd, tmp_path, host_key=""))
    assert "not pinned yet" in sentence
    assert f'signalbox host add gpu-1 {sshd.user}@127.0.0.1:{sshd.port} --host-key "{sshd.host_key}"' in sentence


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_another_host_key_than_the_pinned_one_is_refused(sshd: LoopbackSshd, tmp_path: Path, kind: str) -> None:
    key(tmp_path / "other", kind)
    other = (tmp_path / "other.pub").read_text(encoding="ascii")
    sentence = refused(reach_over_ssh(sshd, tmp_path, host_key=other))
    assert "another key than the pinned one" in sentence
    assert sshd.host_key in sentence


def test_a_comment_behind_the_pinned_key_does_not_matter(sshd: LoopbackSshd, tmp_path: Path) -> None:
    reached = reach_over_ssh(sshd, tmp_path, host_key=f"{sshd.host_key}  root@gpu-1\n")
    assert reached.transport.shell("echo in", timeout_s=10).stdout == b"in\n"
    reached.transport.close()


def test_a_key_that_the_host_does_not_know_is_refused(sshd: LoopbackSshd, tmp_path: Path) -> None:
    sentence = refused(reach_over_ssh(sshd, tmp_path, key_path=str(key(tmp_path / "stranger"))))
    assert "refuses the key" in sentence
    assert "authorized_keys" in sentence


def test_a_key_file_that_cannot_be_used_is_said(sshd: LoopbackSshd, tmp_path: Path) -> None:
    (tmp_path / "garbage").write_text("no key\n", encoding="ascii")
    assert "cannot be read" in refused(reach_over_ssh(sshd, tmp_path, key_path=str(tmp_path / "none")))
    assert "cannot be read" in refused(reach_over_ssh(sshd, tmp_path, key_path=str(tmp_path / "garbage")))
    locked = key(tmp_path / "locked", passphrase="secret")
    assert "passphrase" in refused(reach_over_ssh(sshd, tmp_path, key_path=str(locked)))


def test_nobody_at_home_is_unreachable(sshd: LoopbackSshd, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(UnreachableError, match=f"gpu-1 .127.0.0.1:{port}. does not answer"):
        reach_over_ssh(sshd, tmp_path, port=port).transport.shell("true", timeout_s=10)


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"SSH-2.0-x\r\n" + b"\xff" * 4000]
)
def test_what_is_no_sshd_is_unreachable_in_time(sshd: LoopbackSshd, tmp_path: Path, answer: bytes) -> None:
    with server(answer) as port:
        began = time.monotonic()
        with pytest.raises(UnreachableError, match="gpu-1"):
            reach_over_ssh(sshd, tmp_path, port=port).transport.shell("true", timeout_s=1)
        assert time.monotonic() - began < 4


def test_the_next_call_after_a_break_connects_again(ssh_host: Reached, sshd: LoopbackSshd) -> None:
    before = set(sessions(sshd))
    assert ssh_host.transport.shell("echo one", timeout_s=10).stdout == b"one\n"
    (ours,) = set(sessions(sshd)) - before
    breaking = threading.Timer(0.3, os.kill, (ours, signal.SIGKILL))
    breaking.start()
    with pytest.raises(UnreachableError, match="gpu-1"):
        ssh_host.transport.shell("sleep 20", timeout_s=10)
    breaking.join()
    assert ssh_host.transport.shell("echo two", timeout_s=10).stdout == b"two\n"


@pytest.mark.parametrize("end", [EOFError(), OSError("gone"), paramiko.SSHException("gone")], ids=repr)
def test_a_connection_that_breaks_while_output_is_taken_in_is_unreachable(
    ssh_host: Reached, monkeypatch: pytest.MonkeyPatch, end: Exception
) -> None:
    said = paramiko.Transport._send_user_message

    def break_off(transport: paramiko.Transport, data: paramiko.Message) -> None:
        if data.asbytes()[0] == MORE_ROOM:
            raise end
        said(transport, data)

    monkeypatch.setattr(paramiko.Transport, "_send_user_message", break_off)
    with pytest.raises(UnreachableError, match="gpu-1"):
        ssh_host.transport.shell("head -c 50000000 /dev/zero", timeout_s=20)


@pytest.mark.slow
@pytest.mark.parametrize("data", [b"", b"z" * 30_000_000], ids=["little", "much"])
def test_a_frozen_connection_costs_no_more_than_the_deadline(ssh_host: Reached, sshd: LoopbackSshd, data: bytes) -> None:
    before = set(sessions(sshd))
    assert ssh_host.transport.shell("echo one", timeout_s=10).stdout == b"one\n"
    (ours,) = set(sessions(sshd)) - before
    os.kill(ours, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(UnreachableError, match="gpu-1"):
            ssh_host.transport.shell("cat", stdin=data, timeout_s=1)
        assert time.monotonic() - began < 3
        ssh_host.transport.close()
        fresh = open_transport(ssh_host.host)
        assert fresh.shell("echo two", timeout_s=10).stdout == b"two\n"
        fresh.close()
    finally:
        os.kill(ours, signal.SIGKILL)


def test_a_login_shell_that_knows_one_command_only_and_prints_noise_is_enough(tmp_path: Path) -> None:
    shell = tmp_path / "odd shell"
    shell.write_text(
        f'#!/bin/sh\necho "$SSH_ORIGINAL_COMMAND" >>"{tmp_path}/commands"\necho "Welcome! 3 mails"; echo "no tty" >&2\n'
        '[ "$SSH_ORIGINAL_COMMAND" = "exec sh -s" ] || exit 1\nexec sh -s\n',
        encoding="ascii",
    )
    shell.chmod(0o755)
    program = tmp_path / "three.py"
    program.write_text("print(1 + 2)\n", encoding="ascii")
    with LoopbackSshd(tmp_path / "sshd", lines=(f"ForceCommand '{shell}'",)) as sshd:
        reached = reach_over_ssh(sshd, tmp_path / "it's root")
        assert reached.transport.shell("cat", stdin=b"a\n", timeout_s=10).stdout == b"a\n"
        assert reached.transport.python(reached.host.python or "", program, timeout_s=10).stdout == b"3\n"
        reached.transport.put_tree(f"{reached.root}/x", {"a": b"1"}, timeout_s=10)
        channel = reached.transport.stream(reached.host.python or "", program, timeout_s=10)
        assert channel.read(5) == b"3\n"
        channel.close()
        reached.transport.close()
    assert set((tmp_path / "commands").read_text(encoding="ascii").splitlines()) == {"exec sh -s"}


@pytest.mark.parametrize(("command", "sentence"), [("exit 1", "ended"), ("while :; do echo noise; done", "prints without end")])
def test_a_login_shell_that_lets_nothing_through_is_said(tmp_path: Path, command: str, sentence: str) -> None:
    with LoopbackSshd(tmp_path / "sshd", lines=(f"ForceCommand {command}",)) as sshd:
        reached = reach_over_ssh(sshd, tmp_path)
        try:
            finished = reached.transport.shell("true", timeout_s=10)
            assert finished.exit_code == 1
        except UnreachableError as error:
            assert sentence in str(error)
        reached.transport.close()


def test_a_host_that_sends_more_than_it_said_is_cut_off(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "head").write_text("#!/bin/sh\nexec yes\n", encoding="ascii")
    (folder / "head").chmod(0o755)
    (tmp_path / "file").write_bytes(b"four")
    # An empty HOME: nobody's start files may meet this head.
    variables = {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    with LoopbackSshd(tmp_path / "sshd", variables=variables) as sshd:
        reached = reach_over_ssh(sshd, tmp_path)
        sink = io.BytesIO()
        with pytest.raises(HostError, match="did not end at the limit of 1000 bytes"):
            reached.transport.get(f"{tmp_path}/file", sink, limit_bytes=1000, timeout_s=10)
        assert len(sink.getvalue()) <= 1000
        reached.transport.close()


def test_few_sessions_are_enough(tmp_path: Path) -> None:
    with LoopbackSshd(tmp_path / "sshd", lines=("MaxSessions 1",)) as sshd:
        reached = reach_over_ssh(sshd, tmp_path)
        for number in range(5):
            assert eventually(lambda: shell_or_none(reached), 10) == b"on\n", number
        reached.transport.close()


def test_calls_that_are_refused_at_once_break_no_other(tmp_path: Path) -> None:
    with LoopbackSshd(tmp_path / "sshd", lines=("MaxSessions 1",)) as sshd, ThreadPoolExecutor(SESSIONS) as pool:
        reached = reach_over_ssh(sshd, tmp_path)
        whole = pool.submit(reached.transport.shell, f"touch '{tmp_path}/began'; sleep 1; echo whole", timeout_s=20)
        assert eventually((tmp_path / "began").exists)
        assert set(pool.map(lambda _: shell_or_none(reached, timeout_s=0.5), range(SESSIONS - 1))) == {None}
        assert whole.result().stdout == b"whole\n"
        reached.transport.close()


def test_what_is_said_late_to_a_command_that_ended_breaks_no_other(ssh_host: Reached, monkeypatch: pytest.MonkeyPatch) -> None:
    said = paramiko.Transport._send_user_message

    def say_late(transport: paramiko.Transport, data: paramiko.Message) -> None:
        if threading.current_thread() is not transport and data.asbytes()[0] in (DATA, END_OF_INPUT):
            time.sleep(0.2)
        said(transport, data)

    with ThreadPoolExecutor(1) as pool:
        whole = pool.submit(ssh_host.transport.shell, "sleep 2; echo whole", timeout_s=20)
        time.sleep(0.5)
        monkeypatch.setattr(paramiko.Transport, "_send_user_message", say_late)
        for stdin in (b"", b"x"):
            assert ssh_host.transport.shell("exit 3", stdin=stdin, timeout_s=10).exit_code == 3
        assert whole.result().stdout == b"whole\n"


def shell_or_none(reached: Reached, timeout_s: float = 5) -> bytes | None:
    try:
        return reached.transport.shell("echo on", timeout_s=timeout_s).stdout
    except UnreachableError as error:
        assert "MaxSessions" in str(error)
        return None
