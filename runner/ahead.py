"""Attempts laid on a host before their turn, so that a start takes one call there.

Nothing is claimed or started by that. Written down is only where it lies (store/laid.py), so that what is of no use any more is cleared
away (clearing.py); after a restart all is laid again. Which devices an attempt gets is said when it is launched.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Container
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from runner.entities import Environment, Run
from runner.executors.base import LaunchOrder
from runner.store.laid import LaidAhead

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
        self._leaving: dict[str, Future[Laid]] = {}
        self._clearing: dict[str, tuple[float, Future[None]]] = {}
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
        result.add_done_callback(lambda done: _tell(run.id, "laid before its turn", done))
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
            laying = self._attempts.pop(run_id)
            laying.unwanted.set()
            self._leaving[run_id] = laying.result
        self._leaving = {run_id: result for run_id, result in self._leaving.items() if not result.done()}

    def cleared(self, one: LaidAhead, what: Callable[[], None]) -> bool:
        """Whether something laid here is gone: ``what`` clears it away, once nobody lays it any more."""
        if one.run_id in self._attempts or one.run_id in self._leaving:
            return False
        began, clearing = self._clearing.get(one.directory) or (0.0, None)
        if clearing is not None and clearing.done() and clearing.exception() is None:
            del self._clearing[one.directory]
            return True
        if clearing is None or (clearing.done() and time.monotonic() - began >= REST_S):
            result = self._threads.submit(what)
            result.add_done_callback(lambda done: _tell(f"What lies ready of {one.run_id}", "cleared away", done))
            self._clearing[one.directory] = time.monotonic(), result
        return False

    def close(self) -> None:
        """Break off everything."""
        self.keep(())
        self._threads.shutdown(wait=False, cancel_futures=True)


def _came_through(laying: _Laying) -> bool:
    return laying.result.done() and laying.result.exception() is None


def _tell(what: str, done_to_it: str, done: Future[Any]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        log.info("%s could not be %s: %s", what, done_to_it, error)
