"""Power that fails: everything of an attempt is gone at once, and nobody wrote an exit."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from bot.demo.processes import marked
from runner.entities import Attempt


def cut_power(attempt: Attempt | None) -> bool:
    """Kill launch.sh, then all else; whether that came before the exit was written."""
    assert attempt is not None
    assert attempt.pid is not None
    with contextlib.suppress(ProcessLookupError):
        os.kill(attempt.pid, signal.SIGKILL)
    for pid in marked(attempt.marker):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return not Path(attempt.directory, "exit").exists()
