"""The calls of a Transport, built from one thing alone: a ``sh -s`` on the host."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from runner.entities import Host
from runner.errors import HostError, UnreachableError
from runner.transports.archives import object_batches, object_stream, unpack
from runner.transports.base import Channel, Finished
from runner.transports.conversation import Begun, Kept, converse, start
from runner.transports.pipe import Connection, Deadline, Pipe
from runner.transports.scripts import program_script, settings, whole

STDERR_TAIL_BYTES = 2000

_MISSING = 'while read -r digest; do [ -f "$store/${digest%"${digest#??}"}/$digest" ] || echo "$digest"; done'

# cp -l publishes a batch with one process; where the file system knows no hard links, folder by folder with mv.
_PUBLISH = """
umask 022
mkdir -p "$store" || exit 74
incoming=$(mktemp -d "$store/.incoming-XXXXXX") || exit 74
trap 'rm -rf "$incoming"' EXIT
chmod 755 "$incoming"
if ! tar -xof - -C "$incoming"; then cat >/dev/null; exit 74; fi
cd "$incoming" || exit 74
wrong=$(find . -type f -exec "${hash}sum" {} + | while read -r digest path; do [ "${path##*/}" = "$digest" ] || echo "${path##*/}"; done)
if [ -n "$wrong" ]; then echo "arrived damaged:" $wrong >&2; exit 74; fi
cp -rl . "$store/" 2>/dev/null && exit 0
for folder in */; do mkdir -p "$store/$folder" && mv -f "$folder"* "$store/$folder" || exit 74; done
"""

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

    def shell(self, script: str, *, stdin: bytes = b"", timeout_s: float) -> Finished:
        """Run a POSIX sh script."""
        return self._run(whole(script), source=[stdin] if stdin else None, deadline=Deadline.after(timeout_s))

    def python(self, interpreter: str, program: Path, *, stdin: bytes = b"", arguments: Sequence[str] = (), timeout_s: float) -> Finished:
        """Run one of our own programs."""
        script = program_script(interpreter, program, root=self.host.root, arguments=arguments)
        return self._run(script, source=[stdin], deadline=Deadline.after(timeout_s))

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
        script, stdin = unpack(directory, directory, files)
        finished = self.shell(script, stdin=stdin, timeout_s=timeout_s)
        if finished.exit_code:
            raise HostError(f"{self.host.name} does not take files in {directory}: {_said(finished)}")

    def put_objects(
        self, store: str, objects: Iterable[tuple[str, Path]], *, timeout_s: float, progress: Callable[[int], None] | None = None
    ) -> None:
        """Send what is missing, share by share: what arrived whole stays after an interruption. ``progress`` takes bytes."""
        deadline = Deadline.after(timeout_s)
        wanted = dict(objects)
        missing = self._missing(store, wanted, deadline)
        for batch in object_batches((digest, wanted[digest]) for digest in missing):
            script = settings(store=store, hash=_hash_of(batch[0][0])) + _PUBLISH
            source = object_stream(batch, sent=progress or _nobody)
            finished = self._run(whole(script), source=source, deadline=deadline)
            if finished.exit_code:
                raise HostError(f"{self.host.name} did not store {len(batch)} files in {store}: {_said(finished)}")

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

    def _missing(self, store: str, wanted: Mapping[str, Path], deadline: Deadline) -> list[str]:
        for digest in wanted:
            if not digest.isalnum() or len(digest) < 8:
                raise HostError(f"{digest!r} is no digest.")
        if not wanted:
            return []
        finished = self._run(
            whole(settings(store=store) + _MISSING), source=["".join(f"{digest}\n" for digest in wanted).encode()], deadline=deadline
        )
        if finished.exit_code:
            raise HostError(f"{self.host.name} cannot look into {store}: {_said(finished)}")
        return [digest for digest in finished.stdout.decode("ascii", "replace").split() if digest in wanted]

    def _run(
        self, script: bytes, *, source: Iterable[bytes] | None, deadline: Deadline, sink: Callable[[bytes], None] | None = None
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
            raise UnreachableError(text if self.host.name in text else f"{self.host.name}: {text}") from error


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


def _hash_of(digest: str) -> str:
    """Which program on the host computes digests of this length."""
    lengths = {64: "sha256", 40: "sha1", 128: "b2"}
    if len(digest) not in lengths:
        raise HostError(f"{digest!r} is a digest of an unknown kind: sha256 has 64 hexadecimal digits.")
    return lengths[len(digest)]


def _said(finished: Finished) -> str:
    said = (finished.stderr or finished.stdout).decode("utf-8", "replace").strip()[-STDERR_TAIL_BYTES:]
    return said or f"it ended with code {finished.exit_code} and said nothing"


def _nobody(_: int) -> None:
    """Progress that nobody wants to see."""
