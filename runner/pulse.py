"""The runner's sign of life, and how long its passes take."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from runner.service.house import House
from runner.store import people

BEAT = timedelta(seconds=5)


class Pulse:
    """Kept by the loop, written beside the heartbeats of the others."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._beaten: datetime | None = None
        self._passes, self._passes_s = 0, 0.0

    def beat(self) -> None:
        """Say that the runner lives, if it is time to."""
        now = self._house.now()
        if self._beaten is None or now - self._beaten >= BEAT:
            with self._house.store.writing() as db:
                people.beat(db, "runner", pid=os.getpid(), now=now, passes=self._passes, passes_s=self._passes_s)
            self._beaten = now

    @contextmanager
    def timed(self) -> Iterator[None]:
        """A pass."""
        begun = time.monotonic()
        yield
        self._passes, self._passes_s = self._passes + 1, self._passes_s + time.monotonic() - begun
