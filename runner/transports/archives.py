"""A tar stream of small files for a folder, and the script that unpacks it."""

from __future__ import annotations

import io
import posixpath
import secrets
import shlex
import tarfile
from collections.abc import Mapping, Sequence
from itertools import groupby

from runner.errors import HostError


def checked(path: str) -> str:
    """A member path that stays below its folder; HostError for an absolute one, ``..``, or control characters."""
    parts = path.split("/")
    if not path or path.startswith("/") or any(part in ("", ".", "..") for part in parts) or not path.isprintable():
        raise HostError(f"The path {path!r} may not be written on a host: it has to stay below its folder and be printable.")
    return path


def unpack(directory: str, files: Mapping[str, bytes]) -> tuple[str, bytes]:
    """A script and its input that write ``files`` below ``directory``.

    All is unpacked beside its place and then renamed: a file appears whole or not at all, the last given one last.
    """
    incoming = f".incoming-{secrets.token_hex(4)}"
    members = [(checked(path), data) for path, data in files.items()]
    script = [
        "umask 077",
        f"mkdir -p {_shell(f'{directory}/{incoming}')} && cd {_shell(directory)} || exit 74",
        f"if ! tar -xof - ; then cat >/dev/null; rm -rf {_shell(incoming)}; exit 74; fi",
        *_move_files(incoming, [path for path, _ in members]),
        f"rm -rf {_shell(incoming)}",
    ]
    return "\n".join(script), _archive(incoming, members)


def _archive(prefix: str, files: Sequence[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as archive:
        for folder in sorted({parent for path, _ in files for parent in _parents(path)}):
            info = tarfile.TarInfo(f"{prefix}/{folder}")
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(info)
        for path, data in files:
            info = tarfile.TarInfo(f"{prefix}/{path}")
            info.size, info.mode = len(data), 0o600
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def _move_files(incoming: str, paths: Sequence[str]) -> list[str]:
    lines = []
    for folder, members in groupby(paths, key=posixpath.dirname):
        there = folder or "."
        sources = " ".join(_shell(f"{incoming}/{path}") for path in members)
        lines.append(f"mkdir -p {_shell(there)} && mv -f {sources} {_shell(there)}/ || exit 74")
    return lines


def _shell(path: str) -> str:
    """Quoted, and never mistaken for an option."""
    return shlex.quote(path if path.startswith("/") else f"./{path}")
