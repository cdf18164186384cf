"""This machine as a host."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading

from runner.errors import HostError, UnreachableError
from runner.transports.pipe import Deadline, Received

BLOCK = 64 * 1024
# What a login over ssh would have, and no more: our own environment holds tokens that no training may see.
VARIABLES = ("HOME", "USER", "LOGNAME", "PATH", "SHELL", "LANG", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "XDG_CACHE_HOME", "SCREENDIR")
# What pip needs to reach the outside where a firm's network wants a proxy or certificates of its own.
NETWORK_PREFIXES = ("PIP_", "SSL_CERT_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


class LocalConnection:
    """Opens a ``sh -s`` as a child process in a session of its own."""

    def open(self, deadline: Deadline) -> LocalPipe:
        """Start one. HostError where there is no sh."""
        if deadline.passed:
            raise UnreachableError("no time was left to start a command on this machine.")
        environment = {name: value for name, value in os.environ.items() if name in VARIABLES or name.startswith(NETWORK_PREFIXES)}
        try:
            process = subprocess.Popen(
                ["sh", "-s"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise HostError(f"This machine cannot start sh: {error}.") from error
        return LocalPipe(process)

    def close(self) -> None:
        """Nothing is kept between calls."""


class LocalPipe:
    """A ``sh -s`` that is a child of ours."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        if not (process.stdin and process.stdout and process.stderr):
            raise ValueError("input and both outputs have to be pipes")
        self._process = process
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._out, self._error = self._stdout.fileno(), self._stderr.fileno()
        self._open = {self._out, self._error}
        self._poll = select.poll()
        # Another thread may close: a descriptor is read only while it is certainly still ours.
        self._reading = threading.Lock()
        self._closed = False
        for descriptor in self._open:
            self._poll.register(descriptor, select.POLLIN | select.POLLHUP)

    def send(self, data: bytes) -> None:
        """Give it input."""
        view = memoryview(data)
        try:
            while view:
                view = view[self._stdin.write(view) :]
        except (OSError, ValueError) as error:
            raise UnreachableError(f"a command on this machine takes no more input: {error}.") from error

    def finish(self) -> None:
        """Its input ends here."""
        with contextlib.suppress(OSError):
            self._stdin.close()

    def receive(self, timeout_s: float) -> Received:
        """Wait for output of either kind."""
        if not self._open or self._closed:
            return Received(b"", b"", ended=True)
        got = {self._out: b"", self._error: b""}
        ready = self._poll.poll(timeout_s * 1000)
        with self._reading:
            if not self._open or self._stdout.closed:
                return Received(b"", b"", ended=True)
            for descriptor, _ in ready:
                got[descriptor] = os.read(descriptor, BLOCK)
                if not got[descriptor]:
                    self._poll.unregister(descriptor)
                    self._open.discard(descriptor)
        return Received(got[self._out], got[self._error], ended=not self._open)

    def exit_code(self, timeout_s: float) -> int:
        """The shell's: 128 + n for signal n."""
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise UnreachableError("a command on this machine closed its output but did not end in time.") from error
        return code if code >= 0 else 128 - code

    def close(self) -> None:
        """End what is left of it; detached programs have sessions of their own and stay."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        with self._reading:
            self._closed = True
            for stream in (self._stdin, self._stdout, self._stderr):
                with contextlib.suppress(OSError):
                    stream.close()

    abandon = close
