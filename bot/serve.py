"""``signalbox serve``: the bot and the runner as two processes; either is started again when it ends, after a growing pause."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType

_log = logging.getLogger(__name__)
PARENT = "SIGNALBOX_SERVED_BY"
PARTS = ("runner", "bot")
WRONG_SETTINGS = 78  # EX_CONFIG of sysexits.h: starting again at once would only say the same
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
SETTLED_AFTER_S = 60.0
LOOK_EVERY_S = 0.2
END_WITHIN_S = 30.0
_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class _Part:
    """One of the two processes, and when to start it again."""

    name: str
    program: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    due_at: float = 0.0
    pause_s: float = FIRST_PAUSE_S

    def look(self, now: float) -> None:
        """Start the process where it is due; note its end and when to start it again."""
        if self.process is None and now >= self.due_at:
            environment = {**os.environ, PARENT: str(os.getpid())}
            self.process = subprocess.Popen([*self.program, self.name], env=environment, start_new_session=True)
            self.started_at = now
        elif self.process is not None and self.process.poll() is not None:
            self._ended(self.process.returncode, now)
            self.process = None

    def _ended(self, code: int, now: float) -> None:
        if now - self.started_at > SETTLED_AFTER_S:
            self.pause_s = FIRST_PAUSE_S
        pause_s = LONGEST_PAUSE_S if code == WRONG_SETTINGS else self.pause_s
        self.due_at, self.pause_s = now + pause_s, min(self.pause_s * 2, LONGEST_PAUSE_S)
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        _log.warning("The %s ended (%s); it is started again in %.1f s.", self.name, how, pause_s)


class _Ended(BaseException):
    """SIGTERM or SIGINT came."""


def serve(names: Sequence[str] = PARTS, *, program: Sequence[str] = (sys.executable, "-m", "bot")) -> int:
    """Keep ``program <name>`` alive for every name until SIGTERM or SIGINT, which is passed on to them; 0 when all ended."""
    parts = [_Part(name, program) for name in names]
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _end)
        while True:
            for part in parts:
                part.look(time.monotonic())
            time.sleep(LOOK_EVERY_S)
    except _Ended:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
    return _stopped([part.process for part in parts if part.process is not None])


def end_with_parent() -> None:
    """In a process that ``serve`` started: end when it does, however it ends, so that nothing holds the database's locks."""
    parent = os.environ.pop(PARENT, None)
    if parent is None or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        raise SystemExit(0)


def _end(_number: int, _frame: FrameType | None) -> None:
    raise _Ended


def _stopped(processes: Sequence[subprocess.Popen[bytes]]) -> int:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + END_WITHIN_S
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return 0
