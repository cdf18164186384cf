"""A real sshd on loopback for demo and tests: own port, own host key, own user key, login for the current user by that key only."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
LOOPBACK = "127.0.0.1"
_PROGRAMS = ("/usr/sbin/sshd", "/usr/local/sbin/sshd", "/sbin/sshd")


class SshdError(Exception):
    """The sshd is not installed or did not start; the message says what to do."""


def find_sshd() -> str | None:
    """The path of sshd, which has to be absolute, or None where openssh-server is not installed."""
    return shutil.which("sshd") or next((path for path in _PROGRAMS if Path(path).exists()), None)


class LoopbackSshd:
    """A child process that lives as long as the ``with`` block; ``restart`` keeps port and keys.

    ``variables`` go into every session (PATH among them, with which a stand-in for a host's program is put before the real one);
    ``lines`` are added to its configuration; ``before`` is a command that becomes it, and may take it to where ``address`` is.
    """

    def __init__(
        self, folder: Path, *, variables: Mapping[str, str] | None = None, lines: tuple[str, ...] = (), before: tuple[str, ...] = (),
        address: str = LOOPBACK,
    ) -> None:
        self.address = address
        self.folder = folder
        self.port = 0
        self.user = getpass.getuser()
        self.key_path = folder / "user_key"
        self._variables = dict(variables or {})
        self._lines = lines
        self._before = before
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def host_key(self) -> str:
        """The public key to pin (``ssh-ed25519 AAAA…``)."""
        return " ".join((self.folder / "host_key.pub").read_text(encoding="utf-8").split()[:2])

    @property
    def pid(self) -> int:
        """The listening process."""
        if self._process is None:
            raise SshdError("The sshd is not running.")
        return self._process.pid

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in ("host_key", "user_key"):
            _make_key(self.folder / name)
        authorized = self.folder / "authorized_keys"
        authorized.write_bytes((self.folder / "user_key.pub").read_bytes())
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self.port = _free_port()
        (self.folder / "sshd_config").write_text(self._configuration(), encoding="utf-8")
        self.restart()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def restart(self) -> None:
        """Start it, after a stop or for the first time; returns when it answers. SshdError otherwise."""
        self.stop()
        program = find_sshd()
        if program is None:
            raise SshdError("openssh-server is not installed: apt-get install openssh-server.")
        log = self.folder / "sshd.log"
        command = [*self._before, program, "-D", "-f", str(self.folder / "sshd_config"), "-E", str(log)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                said = log.read_text(encoding="utf-8", errors="replace")[-500:] if log.exists() else ""
                self.stop()
                raise SshdError(f"sshd did not start on port {self.port}: {said.strip() or 'it said nothing'}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it; connections that stand go on, as with any sshd."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.address, self.port), timeout=1) as link:
                return link.recv(4) == b"SSH-"
        except OSError:
            return False

    def _configuration(self) -> str:
        lines = [
            f"Port {self.port}",
            f"ListenAddress {self.address}",
            f'HostKey "{self.folder / "host_key"}"',
            f'AuthorizedKeysFile "{self.folder / "authorized_keys"}"',
            f'PidFile "{self.folder / "sshd.pid"}"',
            "StrictModes no",
            "UsePAM no",
            "AuthenticationMethods publickey",
            "PubkeyAuthentication yes",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            "UseDNS no",
            "PrintMotd no",
            "MaxStartups 100",
            f'AllowUsers "{self.user}"',
        ]
        if self._variables:
            lines.append("SetEnv " + " ".join(f'"{name}={value}"' for name, value in self._variables.items()))
        return "\n".join((*lines, *self._lines, ""))


def _make_key(path: Path) -> None:
    if not path.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "signalbox", "-f", str(path)], check=True, timeout=30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
