"""Tar streams: small files and links for a folder, content-addressed objects for a store."""

from __future__ import annotations

import io
import posixpath
import secrets
import shlex
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from runner.errors import HostError

BLOCK = 256 * 1024
BATCH_BYTES = 64 * 1024 * 1024
BATCH_FILES = 1000
END = b"\0" * (2 * tarfile.BLOCKSIZE)


def checked(path: str) -> str:
    """A member path that stays below its folder; HostError for an absolute one, ``..``, or control characters."""
    parts = path.split("/")
    if not path or path.startswith("/") or any(part in ("", ".", "..") for part in parts) or not path.isprintable():
        raise HostError(f"The path {path!r} may not be written on a host: it has to stay below its folder and be printable.")
    return path


def unpack(base: str, directory: str, files: Mapping[str, bytes], *, links: Mapping[str, str] | None = None) -> tuple[str, bytes]:
    """A script and its input that write ``files`` and hard links below ``directory`` (itself below ``base``).

    All is unpacked beside its place and then renamed: a file appears whole or not at all, the last given one last. ``links``
    maps a path to a file below ``base``; its first folder is renamed as one, and stays as it is where it exists already.
    """
    below = posixpath.relpath(directory, base)
    incoming = f"{below}/.incoming-{secrets.token_hex(4)}" if below != "." else f".incoming-{secrets.token_hex(4)}"
    members = [(checked(path), data) for path, data in files.items()]
    hard = {checked(path): checked(target) for path, target in (links or {}).items()}
    script = [
        "umask 077",
        f"mkdir -p {_shell(f'{base}/{incoming}')} && cd {_shell(base)} || exit 74",
        f"if ! tar -xof - ; then cat >/dev/null; rm -rf {_shell(incoming)}; exit 74; fi",
        f"cd {_shell(below)} || exit 74",
    ]
    here = posixpath.basename(incoming)
    script += [_move_folder(here, name) for name in sorted({path.split("/", 1)[0] for path in hard})]
    script += _move_files(here, [path for path, _ in members])
    script.append(f"rm -rf {_shell(here)}")
    return "\n".join(script), _archive(incoming, members, hard)


def object_batches(objects: Iterable[tuple[str, Path]]) -> Iterator[list[tuple[str, Path]]]:
    """Objects in shares small enough that an interruption costs little, large enough that starting one costs nothing."""
    batch: list[tuple[str, Path]] = []
    size = 0
    for digest, path in objects:
        batch.append((digest, path))
        size += path.stat().st_size
        if size >= BATCH_BYTES or len(batch) >= BATCH_FILES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def object_stream(batch: Sequence[tuple[str, Path]], *, sent: Callable[[int], None]) -> Iterator[bytes]:
    """A tar stream of ``<2 letters>/<digest>`` members, read as it is sent. OSError when a file shrinks meanwhile."""
    for digest, path in batch:
        with path.open("rb") as file:
            info = tarfile.TarInfo(f"{digest[:2]}/{digest}")
            info.mode = 0o444
            info.size = left = path.stat().st_size
            head = info.tobuf(tarfile.GNU_FORMAT)
            while left:
                data = file.read(min(BLOCK, left))
                if not data:
                    raise OSError(f"{path} became shorter while it was sent.")
                left -= len(data)
                yield head + data + (b"" if left else _padding(info.size))
                head = b""
                sent(len(data))
            if head:
                yield head
    yield END


def _archive(prefix: str, files: Sequence[tuple[str, bytes]], links: Mapping[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as archive:
        for folder in sorted({parent for path in (*links, *(path for path, _ in files)) for parent in _parents(path)}):
            info = tarfile.TarInfo(f"{prefix}/{folder}")
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(info)
        for path, data in files:
            info = tarfile.TarInfo(f"{prefix}/{path}")
            info.size, info.mode = len(data), 0o600
            archive.addfile(info, io.BytesIO(data))
        for path, target in links.items():
            info = tarfile.TarInfo(f"{prefix}/{path}")
            info.type, info.linkname = tarfile.LNKTYPE, target
            archive.addfile(info)
    return out.getvalue()


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def _move_folder(incoming: str, name: str) -> str:
    return f"[ -e {_shell(name)} ] || mv {_shell(f'{incoming}/{name}')} {_shell(name)} || exit 74"


def _move_files(incoming: str, paths: Sequence[str]) -> list[str]:
    lines = []
    for folder, members in groupby(paths, key=posixpath.dirname):
        there = folder or "."
        sources = " ".join(_shell(f"{incoming}/{path}") for path in members)
        lines.append(f"mkdir -p {_shell(there)} && mv -f {sources} {_shell(there)}/ || exit 74")
    return lines


def _padding(size: int) -> bytes:
    return b"\0" * (-size % tarfile.BLOCKSIZE)


def _shell(path: str) -> str:
    """Quoted, and never mistaken for an option."""
    return shlex.quote(path if path.startswith("/") else f"./{path}")
