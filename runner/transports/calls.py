"""The calls of a Transport, built from one thing alone: a ``sh -s`` on the host."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import BinaryIO

from runner.entities import Host
from runner.errors import HostError, UnreachableError
from runner.transports.archives import unpack
from runner.transports.base import Channel, Finished
from runner.transports.conversation import Begun, Kept, UnsentError, converse, start
from runner.transports.pipe import Connection, Deadline, Pipe
from runner.transports.scripts import program_script, settings, whole
from runner.transports.sending import Answer, Piece, Progress, frames, links, listed, piece

STDERR_TAIL_BYTES = 2000
OBJECT_STORE = Path(str(resources.files("runner.host") / "object_store.py"))
TRY_AGAIN = 75
"""The exit code with which our programs say that another try may help (sysexits' EX_TEMPFAIL)."""

_GET = """
[ -f "$path" ] || { echo "is no file" >&2; exit 74; }
size=$(wc -c <"$path") || exit 74
if [ "$size" -gt "$limit" ]; then echo "has $size bytes, more than the limit of $limit" >&2; exit 74; fi
exec head -c "$size" "$path"
"""


class ScriptTransport:
    """A Transport over any connection that opens a ``sh -s``."""

    def __init__(self, host: Host, connection: Connection) -> None:
        self.host = host
        self._connection = connection
        self._sending = threading.Lock()

    def shell(self, script: str, *, stdin: bytes = b"", timeout_s: float) -> Finished:
        """Run a POSIX sh script."""
        return self._run(whole(script), source=[stdin] if stdin else None, deadline=Deadline.after(timeout_s))

    def pour(self, script: str, sink: Callable[[bytes], None], *, timeout_s: float) -> Finished:
        """Run a POSIX sh script whose output goes to ``sink``."""
        return self._run(whole(script), source=None, sink=sink, deadline=Deadline.after(timeout_s))

    def python(
        self, interpreter: str, program: Path, *, stdin: bytes = b"", arguments: Sequence[str] = (), setup: Sequence[str] = (),
        sink: Callable[[bytes], None] | None = None, timeout_s: float,
    ) -> Finished:
        """Run one of our own programs."""
        script = program_script(interpreter, program, root=self.host.root, arguments=arguments, setup=setup)
        return self._run(script, source=[stdin], sink=sink, deadline=Deadline.after(timeout_s))

    def stream(self, interpreter: str, program: Path, *, timeout_s: float) -> Channel:
        """Start a program and keep talking to it."""
        deadline = Deadline.after(timeout_s)
        pipe = self._connection.open(deadline)
        try:
            with self._named():
                begun = start(pipe, program_script(interpreter, program, root=self.host.root), deadline=deadline)
            if isinstance(begun, Finished):
                raise HostError(f"{self.host.name} does not start {program.name} with {interpreter}: {_said(begun)}")
        except BaseException:
            pipe.close()
            raise
        return ProgramChannel(pipe, begun, f"{program.name} on {self.host.name}")

    def put_tree(self, directory: str, files: Mapping[str, bytes], *, timeout_s: float) -> None:
        """Write small files below ``directory``."""
        script, stdin = unpack(directory, files)
        finished = self.shell(script, stdin=stdin, timeout_s=timeout_s)
        if finished.exit_code:
            raise HostError(f"{self.host.name} does not take files in {directory}: {_said(finished)}")

    def put_objects(self, store: str, objects: Iterable[tuple[str, Path]], *, timeout_s: float, progress: Progress | None = None) -> None:
        """Send what is missing; what arrived stays, to the byte. One call sends at a time, and the next finds out what is left."""
        deadline = Deadline.after(timeout_s)
        wanted = {digest: piece(digest, path) for digest, path in objects}
        mine = self._sending.acquire(blocking=False)
        try:
            lacks = self._exchange(store, wanted, progress or _nobody if mine else None, deadline)
            if lacks and not mine:
                mine = self._sending.acquire(timeout=deadline.left_s())
                self._exchange(store, wanted, progress or _nobody, deadline)
        finally:
            if mine:
                self._sending.release()

    def link_tree(self, store: str, folder: str, manifest: Mapping[str, str], *, timeout_s: float) -> int:
        """Lay links to objects."""
        said = self._object_store("link", store, folder, source=[links(manifest)], deadline=Deadline.after(timeout_s))
        return int(said) if said.strip().isdigit() else 0

    def get(self, path: str, sink: BinaryIO, *, limit_bytes: int, timeout_s: float) -> int:
        """Copy a file from the host into ``sink``."""
        script = settings(path=path, limit=str(limit_bytes)) + _GET
        size = 0

        def count(data: bytes) -> None:
            nonlocal size
            size += len(data)
            if size > limit_bytes:  # the host's own count is its word only
                raise HostError(f"{path} on {self.host.name} did not end at the limit of {limit_bytes} bytes.")
            sink.write(data)

        finished = self._run(whole(script), source=None, sink=count, deadline=Deadline.after(timeout_s))
        if finished.exit_code:
            raise HostError(f"{path} on {self.host.name} {_said(finished)}")
        return size

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _exchange(self, store: str, wanted: Mapping[str, Piece], progress: Progress | None, deadline: Deadline) -> bool:
        """Ask whether the host lacks anything, and send it where there is a ``progress`` to tell; one start there for both."""
        answer = Answer(wanted)

        def source() -> Iterator[bytes]:
            yield listed(wanted.values())
            lacking = answer.lacking()
            if progress:
                yield from frames(lacking, progress)

        self._object_store("receive", store, source=source(), sink=answer, deadline=deadline)
        if not answer.whole:
            raise HostError(f"The store {store} on {self.host.name} did not say what it lacks.")
        return bool(answer.lacking())

    def _object_store(
        self, *arguments: str, source: Iterable[bytes], deadline: Deadline, sink: Callable[[bytes], None] | None = None
    ) -> bytes:
        """What the host's object store answers. UnreachableError where trying again may help."""
        # -S: without site, which the program does not need, Python starts in three quarters of the time.
        script = program_script(self.host.python or "python3", OBJECT_STORE, root=self.host.root, arguments=arguments, options=("-S",))
        finished = self._run(script, source=source, sink=sink, deadline=deadline)
        if finished.exit_code:
            kind = UnreachableError if finished.exit_code == TRY_AGAIN else HostError
            raise kind(f"The store {arguments[1]} on {self.host.name} did not do its part ({arguments[0]}): {_said(finished)}")
        return finished.stdout

    def _run(
        self, script: bytes, *, source: Iterable[bytes] | None, deadline: Deadline, sink: Callable[[bytes], None] | None = None
    ) -> Finished:
        """A busy sshd now and then ends a shell before its first word: then another one is asked, once."""
        try:
            return self._run_once(script, source, deadline, sink)
        except UnsentError:
            return self._run_once(script, source, deadline, sink)

    def _run_once(
        self, script: bytes, source: Iterable[bytes] | None, deadline: Deadline, sink: Callable[[bytes], None] | None
    ) -> Finished:
        pipe = self._connection.open(deadline)
        kept = Kept()
        try:
            with self._named():
                finished = converse(pipe, script, source=source, sink=sink or kept, deadline=deadline)
        finally:
            pipe.close()
        return Finished(finished.exit_code, kept.bytes() or finished.stdout, finished.stderr)

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Say which host it was."""
        try:
            yield
        except UnreachableError as error:
            text = str(error)
            raise type(error)(text if self.host.name in text else f"{self.host.name}: {text}") from error


class ProgramChannel:
    """A program that goes on: what it says on stderr is drained, and its end kept for the error."""

    def __init__(self, pipe: Pipe, begun: Begun, name: str) -> None:
        self._pipe = pipe
        self._begun = begun.stdout
        self._name = name
        self._stderr = begun.stderr[-STDERR_TAIL_BYTES:]

    def write(self, data: bytes) -> None:
        """Give it input."""
        self._pipe.send(data)

    def read(self, timeout_s: float) -> bytes:
        """Next bytes, or none in time. HostError when the interpreter is missing, UnreachableError at any other end."""
        if self._begun:
            data, self._begun = self._begun, b""
            return data
        deadline = Deadline.after(timeout_s)
        while True:
            received = self._pipe.receive(deadline.left_s())
            self._stderr = (self._stderr + received.stderr)[-STDERR_TAIL_BYTES:]
            if received.ended:
                self._raise_ended()
            if received.stdout or deadline.passed:
                return received.stdout

    def close(self) -> None:
        """Let go of it; the program ends when its input does."""
        self._pipe.close()

    def _raise_ended(self) -> None:
        code = self._pipe.exit_code(2)
        sentence = f"{self._name} ended with code {code}: {self._stderr.decode('utf-8', 'replace').strip() or 'it said nothing'}"
        raise HostError(sentence) if code in (126, 127) else UnreachableError(sentence)


def _said(finished: Finished) -> str:
    said = (finished.stderr or finished.stdout).decode("utf-8", "replace").strip()[-STDERR_TAIL_BYTES:]
    return said or f"it ended with code {finished.exit_code} and said nothing"


def _nobody(_sent: int, _total: int) -> None:
    """Progress that nobody wants to see."""
