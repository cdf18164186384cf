"""``python -m runner.host_folder HOST.json PATH … -- COMMAND``: gives a folder (or file) of a host to a program as a tar on its stdin.

Nothing lands in between: the host's tar goes through ssh into the program as fast as that reads. A path of this machine is only
looked at, and the program reads it in place. Refused before anything is sent: links that lead out of the folder or around
themselves, and more bytes than allowed. A refusal is one JSON line like those of the recipes' own program.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pydantic import TypeAdapter

from recipes.progress import Progress, json_lines
from runner.entities import Host, TransportName
from runner.errors import HostError, SignalboxError
from runner.recipes_program import REFUSED
from runner.transports import open_transport
from runner.transports.base import Finished, Transport
from runner.transports.scripts import settings

HOST = TypeAdapter(Host)
LOOK_TIMEOUT_S = 600.0
SHOWN_LINKS = 5
HELD_BACK_BYTES = 2 * 10240
"""Two records of tar: its end mark lies in the last of them, or at the seam of both."""

_ENTER = """
real=$(readlink -f -- "$path") && [ -e "$real" ] || { echo "is not there" >&2; exit 74; }
if [ -d "$real" ]; then folder=$real what=.; else folder=${real%/*} what=./${real##*/}; fi
cd -- "${folder:-/}" 2>/dev/null && [ -r "$what" ] || { echo "cannot be read by this user" >&2; exit 74; }
"""
_LOOK = """
find "$what" -type l -exec sh -c '
here=$1; shift
for link do
    to=$(readlink -f -- "$link")
    [ -e "$link" ] || to=nothing
    case $to in
        "$here"/*) case $here/${link#./} in "$to"/*) echo "link $link leads to a folder around itself";; esac;;
        *) echo "link $link leads to $to";;
    esac
done' sh "$folder" {} +
size=$(du -sLb -- "$what" 2>/dev/null | cut -f1)
[ -n "$size" ] || size=$(( $(du -sLk -- "$what" | cut -f1) * 1024 ))
echo "size $size"
"""
# Links were looked at: what they lead to comes as files. Hard links are files as well, where this tar can say so.
_POUR = """
hard=
tar --help 2>&1 | grep -q hard-dereference && hard=--hard-dereference
exec tar $hard -chf - "$what"
"""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked for: a path on a host, and what it may cost."""

    host: Host
    path: str
    max_bytes: int
    timeout_s: float
    catalog: Path
    command: Sequence[str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; the exit status is the program's, or that of a refusal."""
    asked = _parsed(sys.argv[1:] if arguments is None else arguments)
    transport = open_transport(asked.host)
    try:
        size_bytes = _looked_at(transport, asked)
        if asked.host.transport is TransportName.LOCAL:
            return _status(subprocess.run(asked.command, check=False).returncode)
        return _poured(transport, asked, size_bytes, json_lines(sys.stderr))
    except SignalboxError as error:
        where, remedy = f"{asked.host.name}:{asked.path}", "Look at the folder there, then try again."
        refusal = {"where": where, "message": str(error), "remedy": remedy, "defects": [], "more": 0}
        sys.stdout.write(json.dumps({"error": refusal}) + "\n")
        return REFUSED
    finally:
        transport.close()


def _parsed(arguments: Sequence[str]) -> _Asked:
    parser = argparse.ArgumentParser(prog="python -m runner.host_folder", allow_abbrev=False)
    parser.add_argument("host", type=Path)
    parser.add_argument("path")
    parser.add_argument("--max-bytes", type=int, required=True)
    parser.add_argument("--timeout-s", type=float, required=True)
    parser.add_argument("--catalog", type=Path, required=True)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    host = HOST.validate_json(options.host.read_bytes())
    return _Asked(host, options.path, options.max_bytes, options.timeout_s, options.catalog, options.command)


def _looked_at(transport: Transport, asked: _Asked) -> int:
    """How many bytes lie there; HostError where they are too many, or links lead where they must not."""
    finished = transport.shell(settings(path=asked.path) + _ENTER + _LOOK, timeout_s=min(LOOK_TIMEOUT_S, asked.timeout_s))
    if finished.exit_code:
        raise HostError(f"It {_said(finished)}.")
    lines = finished.stdout.decode("utf-8", "replace").splitlines()
    links = [line.removeprefix("link ") for line in lines if line.startswith("link ")]
    if links:
        more = f" and {len(links) - SHOWN_LINKS:,} more" if len(links) > SHOWN_LINKS else ""
        raise HostError(f"Links may not lead out of the folder: {'; '.join(links[:SHOWN_LINKS])}{more}.")
    said = lines[-1].removeprefix("size ") if lines else ""
    if not said.isascii() or not said.isdecimal():
        raise HostError("Its size is not to be found out: du said nothing.")
    _require_room(int(said), asked)
    return int(said)


def _require_room(size_bytes: int, asked: _Asked) -> None:
    if size_bytes > asked.max_bytes:
        raise HostError(f"It has {size_bytes:,} bytes; at most {asked.max_bytes:,} are taken (imports.size_bytes in the settings).")
    free_bytes = shutil.disk_usage(asked.catalog).free
    if size_bytes > free_bytes:
        raise HostError(f"It has {size_bytes:,} bytes, and the disk of the datasets has {free_bytes:,} left.")


class _Feed:
    """Feeds a program, counting. The end is held back until the host said that all went well: without it a tar is refused."""

    def __init__(self, out: IO[bytes], asked: _Asked, total_bytes: int, progress: Progress) -> None:
        self._out, self._asked, self._total_bytes, self._progress = out, asked, total_bytes, progress
        self._held = bytearray()
        self._count = 0

    def __call__(self, data: bytes) -> None:
        self._count += len(data)
        if self._count > self._asked.max_bytes + self._asked.max_bytes // 4:  # tar's own headers, a kilobyte and a half a file at most
            raise HostError(f"More than {self._asked.max_bytes:,} bytes came (imports.size_bytes in the settings).")
        self._held += data
        ready = len(self._held) - HELD_BACK_BYTES
        if ready > HELD_BACK_BYTES:
            self._out.write(bytes(self._held[:ready]))
            del self._held[:ready]
        self._progress(min(self._count, self._total_bytes), self._total_bytes, "receiving")

    def finish(self) -> None:
        """All came, and came well."""
        self._out.write(self._held)
        self._out.close()
        self._progress(self._total_bytes, self._total_bytes, "receiving")


def _poured(transport: Transport, asked: _Asked, size_bytes: int, progress: Progress) -> int:
    with subprocess.Popen(asked.command, stdin=subprocess.PIPE, bufsize=0) as program:
        assert program.stdin is not None
        feed = _Feed(program.stdin, asked, size_bytes, progress)
        try:
            finished = transport.pour(settings(path=asked.path) + _ENTER + _POUR, feed, timeout_s=asked.timeout_s)
            if finished.exit_code:
                raise HostError(f"It was not read to its end: {_said(finished)}.")
            feed.finish()
        except BrokenPipeError:
            pass  # it refused what came, and says so itself
        except BaseException:
            program.terminate()
            raise
    return _status(program.returncode)


def _status(code: int) -> int:
    return code if code >= 0 else 128 - code


def _said(finished: Finished) -> str:
    said = finished.stderr.decode("utf-8", "replace").strip().splitlines()
    return "; ".join(said[-3:])[-500:].rstrip(".") or f"ended with code {finished.exit_code}"


if __name__ == "__main__":
    sys.exit(main())
