"""A host that falls silent: its sshd, and every connection of it, are gone at once."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from bot.demo.loopback_sshd import LoopbackSshd


def sessions(sshd: LoopbackSshd) -> list[int]:
    """The sshd processes that hold connections, and theirs."""
    found, ahead = [], [sshd.pid]
    while ahead:
        pid = ahead.pop()
        try:
            name = Path(f"/proc/{pid}/comm").read_text().strip()
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            continue
        if name.startswith("sshd"):
            found.append(pid)
            ahead += [int(child) for child in children]
    return found[1:]


def cut_off(sshd: LoopbackSshd) -> None:
    """End them all; what they started goes on."""
    gone = sessions(sshd)
    sshd.stop()
    for pid in gone:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
