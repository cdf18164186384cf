"""One script from its start to its end over a pipe: output drained while it runs, input fed meanwhile, a deadline over all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from runner.errors import UnreachableError
from runner.transports.base import Finished
from runner.transports.pipe import Deadline, Pipe
from runner.transports.scripts import MARK

KEPT_BYTES = 8 * 1024 * 1024
NOISE_BYTES = 1024 * 1024
FEEDER_GRACE_S = 2.0


class UnsentError(UnreachableError):
    """A script was not sent to its end, so nothing of it ran."""


class Kept:
    """Output as far as it is kept; the rest is drained and forgotten."""

    def __init__(self) -> None:
        self._data = bytearray()

    def __call__(self, data: bytes) -> None:
        self._data += data[: KEPT_BYTES - len(self._data)]

    def bytes(self) -> bytes:
        return bytes(self._data)


@dataclass(frozen=True, slots=True)
class Begun:
    """A script that runs, and what it said so far."""

    stdout: bytes
    stderr: bytes


class _Feeder(threading.Thread):
    """Sends input while the other thread drains output; both at once, or either side may wait for the other for ever."""

    def __init__(self, pipe: Pipe, source: Iterable[bytes]) -> None:
        super().__init__(name="signalbox-feeder", daemon=True)
        self._pipe = pipe
        self._source = source
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            for data in self._source:
                if not self._sent(data):
                    return
            self._pipe.finish()
        except Exception as error:  # noqa: BLE001 - raised again by the thread that waits for this one
            self.error = error
            self._pipe.close()

    def _sent(self, data: bytes) -> bool:
        """Where sending fails, the draining side finds out why, and says it better."""
        try:
            self._pipe.send(data)
        except UnreachableError:
            return False
        return True


def start(pipe: Pipe, script: bytes, *, deadline: Deadline) -> Begun | Finished:
    """Send a script and wait until it runs: what it said since, or how it ended before."""
    try:
        pipe.send(script)
    except UnreachableError as error:
        raise UnsentError(str(error)) from error
    noise, stderr = bytearray(), Kept()
    while not deadline.passed:
        received = pipe.receive(deadline.left_s())
        noise += received.stdout
        stderr(received.stderr)
        before, mark, after = noise.partition(MARK)
        if mark:
            return Begun(bytes(after), stderr.bytes())
        if received.ended:
            return Finished(pipe.exit_code(deadline.left_s()), bytes(before), stderr.bytes())
        if len(noise) > NOISE_BYTES:
            raise UnreachableError("the login shell prints without end, so that no command gets through. Look at its start files.")
    raise UnreachableError("it did not start a command in time.")


def converse(pipe: Pipe, script: bytes, *, source: Iterable[bytes] | None, sink: Callable[[bytes], None], deadline: Deadline) -> Finished:
    """Run a script to its end; stdout goes to ``sink``, then ``b""``. UnreachableError when the deadline passes or the way breaks."""
    begun = start(pipe, script, deadline=deadline)
    if isinstance(begun, Finished):
        return begun
    if begun.stdout:
        sink(begun.stdout)
    stderr = Kept()
    stderr(begun.stderr)
    if source is None:
        pipe.finish()
        return _drain(pipe, sink, stderr, deadline)
    feeder = _Feeder(pipe, source)
    feeder.start()
    try:
        try:
            finished = _drain(pipe, sink, stderr, deadline)
        finally:
            sink(b"")  # a source may wait for an answer that does not come any more
        # Of a command that ended, the feeder ends as well; on a busy machine it only has not had its turn yet. To abandon the
        # pipe then would tear down the connection under everybody else's commands.
        feeder.join(FEEDER_GRACE_S)
        return finished
    finally:
        if feeder.is_alive():
            pipe.abandon()
        feeder.join(5)
        if feeder.error is not None:
            raise feeder.error


def _drain(pipe: Pipe, sink: Callable[[bytes], None], stderr: Kept, deadline: Deadline) -> Finished:
    while not deadline.passed:
        received = pipe.receive(deadline.left_s())
        if received.stdout:
            sink(received.stdout)
        stderr(received.stderr)
        if received.ended:
            return Finished(pipe.exit_code(deadline.left_s()), b"", stderr.bytes())
    raise UnreachableError("it did not finish a command in time.")
