"""What a program notes of itself, apart from everything that Signalbox knows: that it started, and the devices it holds.

``starts`` gets a line ``<attempt> <pid> <devices>`` from every start. A device is a file that stays locked until the last process that
holds it is gone; who finds one locked adds a line to ``collisions``.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def note_presence(folder: Path) -> list[int]:
    """Note a start and take the devices; returns what holds them."""
    attempt, devices = os.environ["SIGNALBOX_ATTEMPT"], os.environ.get("CUDA_VISIBLE_DEVICES", "")
    _add(folder / "starts", f"{attempt} {os.getpid()} {devices}")
    held = []
    for device in filter(None, devices.split(",")):
        descriptor = os.open(folder / device, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _add(folder / "collisions", f"{attempt} found {device} held by {os.pread(descriptor, 100, 0).decode()}")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, attempt.encode(), 0)
        held.append(descriptor)
    return held


def _add(path: Path, line: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, f"{line}\n".encode())  # at once: lines of several programs do not mix
    os.close(descriptor)
