"""Runs the commands of a build: output to the build log, progress as JSON lines on stdout, a deadline on each."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from bootstrap_host import BuildError

_NINJA = re.compile(r"^\s*\[(\d+)/(\d+)\]\s")
_PIP = re.compile(r"^\s*Collecting\s")
_TAIL_LINES = 25


def say(phase: str, done: int = 0, total: int | None = None) -> None:
    """One machine-readable line of progress: ``{"phase": "compile mmcv", "done": 12, "total": 78}``."""
    print(json.dumps({"phase": phase, "done": done, "total": total}), flush=True)


@dataclass(frozen=True)
class Commands:
    """Runs commands one after another. ``lock`` is inherited by each, so that the lock of a killed build is free only once its
    last process is gone."""

    log: Path
    lock: int

    def run(self, argv: list[str], *, phase: str, deadline_s: float, variables: dict[str, str] | None = None, text: str = "") -> None:
        """Run ``argv`` to its end, with ``text`` as its input. Raises BuildError with the command's last lines when it fails."""
        tail: deque[str] = deque(maxlen=_TAIL_LINES)
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"\n$ {' '.join(argv)}\n")
            child = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=(self.lock,),
                env={**os.environ, **(variables or {})}, text=True, encoding="utf-8", errors="replace",
            )
            late = threading.Event()
            timer = threading.Timer(deadline_s, _end, (child, late))
            timer.start()
            try:
                _write(child, text)
                _follow(child, phase=phase, log=log, tail=tail)
                code = child.wait()
            finally:
                timer.cancel()
                child.kill()
        if late.is_set():
            raise _failure(f"'{phase}' took longer than {deadline_s / 60:.0f} minutes and was ended", tail, self.log)
        if code != 0:
            raise _failure(f"'{phase}' ended with exit code {code}", tail, self.log)


def _write(child: subprocess.Popen[str], text: str) -> None:
    assert child.stdin is not None
    try:
        child.stdin.write(text)
        child.stdin.close()
    except BrokenPipeError:
        pass  # It did not want its input; its exit code tells the rest.


def _follow(child: subprocess.Popen[str], *, phase: str, log, tail: deque[str]) -> None:  # type: ignore[no-untyped-def]
    assert child.stdout is not None
    collected = 0
    for line in child.stdout:
        log.write(line)
        tail.append(line.rstrip())
        step = _NINJA.match(line)
        if step:
            say(phase, int(step[1]), int(step[2]))
        elif _PIP.match(line):
            collected += 1
            say(phase, collected)


def _end(child: subprocess.Popen[str], late: threading.Event) -> None:
    late.set()
    child.kill()


def _failure(what: str, tail: deque[str], log: Path) -> BuildError:
    print("\n".join(tail), flush=True)
    cause = next((line.strip() for line in reversed(tail) if re.match(r"\s*(ERROR|error|fatal error|\w+Error)\b", line)), "")
    return BuildError(f"{what}{': ' + cause if cause else ''}. The whole output is in {log}; mend the cause and start the bootstrap again, "
                   "it goes on where it ended.")
