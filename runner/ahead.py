"""Attempts laid on a host before their turn, so that a start takes one call there.

Nothing is claimed or started by that, and nothing is written down: after a restart all is laid again, and what is not used any more
lies unclaimed. Which devices an attempt gets is said when it is launched.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Container
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from runner.entities import Environment, Run
from runner.executors.base import LaunchOrder

log = logging.getLogger(__name__)

LAID_AT_ONCE = 2
REST_S = 60.0
"""How long what could not be laid is left alone: when its turn comes, it is laid anew and says why it cannot."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What an order is made from beside the frozen spec; it serves as long as this is the same."""

    number: int
    prepared: object
    environment: Environment | None
    host: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Laid:
    """An attempt that lies ready."""

    basis: Basis
    order: LaunchOrder


Wanted = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class _Laying:
    number: int
    result: Future[Laid]
    unwanted: threading.Event = field(default_factory=threading.Event)
    began: float = field(default_factory=time.monotonic)


class Ahead:
    """The next attempts of waiting runs on one host."""

    def __init__(self, host: str) -> None:
        self._attempts: dict[str, _Laying] = {}
        self._threads = ThreadPoolExecutor(LAID_AT_ONCE, thread_name_prefix=f"ahead-{host}")

    def lay(self, run: Run, what: Callable[[Wanted], Laid]) -> None:
        """Lay a run's next attempt, unless it is, or could not be just now. ``what`` can ask whether it is still wanted."""
        known = self._attempts.get(run.id)
        if known is not None and known.number == run.attempt + 1 and (_came_through(known) or time.monotonic() - known.began < REST_S):
            return
        if known is not None and not known.result.done():
            return  # an earlier attempt's; its end is seen in the next pass
        unwanted = threading.Event()
        result = self._threads.submit(what, lambda: not unwanted.is_set())
        result.add_done_callback(lambda done: _tell(run.id, done))
        self._attempts[run.id] = _Laying(run.attempt + 1, result, unwanted)

    def ready(self, run: Run) -> Laid | None:
        """A run's next attempt where it lies ready."""
        known = self._attempts.get(run.id)
        return known.result.result() if known is not None and known.number == run.attempt + 1 and _came_through(known) else None

    def take(self, run_id: str) -> Future[Laid] | None:
        """Let go of a run's attempt, which starts now: what lies there, or will as soon as who lays it is done."""
        known = self._attempts.pop(run_id, None)
        return None if known is None else known.result

    def keep(self, run_ids: Container[str]) -> None:
        """None but these wait any more: break off what is under way for others."""
        for run_id in [each for each in self._attempts if each not in run_ids]:
            self._attempts.pop(run_id).unwanted.set()

    def close(self) -> None:
        """Break off everything."""
        self.keep(())
        self._threads.shutdown(wait=False, cancel_futures=True)


def _came_through(laying: _Laying) -> bool:
    return laying.result.done() and laying.result.exception() is None


def _tell(run_id: str, done: Future[Laid]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        log.info("%s could not be laid before its turn: %s", run_id, error)
