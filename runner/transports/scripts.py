"""Scripts for a ``sh -s`` whose input goes on behind them.

A shell may read its script in blocks (dash does), and would swallow input that follows. So a script is one brace group, parsed
whole before it runs; it says MARK when it runs, and only then is input sent. What a login shell's start files print comes before
the mark and is dropped.
"""

from __future__ import annotations

import base64
import hashlib
import posixpath
import shlex
from collections.abc import Sequence
from pathlib import Path

from runner.host_program import packed

MARK = b"\x1eSIGNALBOX\x1e\n"
SAY_MARK = r"printf '\036SIGNALBOX\036\n'"
END_OF_PROGRAM = "SIGNALBOX_END_OF_PROGRAM"


def whole(script: str) -> bytes:
    """A POSIX sh script as one group that says MARK first and reads nothing behind itself."""
    return f"{{\n{SAY_MARK}\n{script}\nexit\n}}\n".encode("utf-8", "surrogateescape")


def program_script(
    interpreter: str, program: Path, *, root: str, arguments: Sequence[str] = (), options: Sequence[str] = (), setup: Sequence[str] = ()
) -> bytes:
    """A script that puts one of our programs below ``root`` by its content, carries out the ``setup`` lines (what these print goes to
    stderr, and they have nothing to read), says MARK and becomes the program; ``options`` are Python's."""
    content = packed(program)
    digest = hashlib.sha256(content).hexdigest()[:16]
    path = posixpath.join(root, "programs", digest, program.name)
    quoted = shlex.quote(path)
    command = " ".join(shlex.quote(word) for word in (interpreter, *options, path, *arguments))
    lines = (
        "{",
        f"if [ ! -f {quoted} ]; then",
        f"mkdir -p {shlex.quote(posixpath.dirname(path))} && base64 -d >{quoted}.$$ <<'{END_OF_PROGRAM}' && mv -f {quoted}.$$ {quoted}",
        base64.encodebytes(content).decode("ascii").rstrip("\n"),
        END_OF_PROGRAM,
        "fi",
        f"[ -f {quoted} ] || exit 74",
        "export LC_ALL=C.UTF-8 PYTHONIOENCODING=utf-8",
        *(("exec 3>&1 4<&0 >&2 </dev/null", *setup, "exec >&3 <&4 3>&- 4<&-") if setup else ()),
        SAY_MARK,
        f"exec {command}",
        "}",
        "",
    )
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def settings(**values: str) -> str:
    """Shell variables as the first lines of a script."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
