"""A link to one host: its transport, its watch stream, and a few threads for what is done there."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

from runner.acts import FailedOutcome, Outcome, SendingStep
from runner.ahead import Ahead
from runner.entities import Host
from runner.evidence import Connected, Disconnected, Evidence, WatchedAttempt
from runner.executors import executors
from runner.executors.base import Executor
from runner.transports import open_transport
from runner.watch import HostWatch

log = logging.getLogger(__name__)

ACTS_AT_ONCE = 4
PREPARES_AT_ONCE = 2
STAGES_AT_ONCE = 8
COLLECTS_AT_ONCE = 4
REST_S = 1.0
"""How long what did not come through is left alone, so that a host in trouble is not asked without pause."""


class HostLink:
    """One host as the runner holds it. Everything it learns or finishes goes to ``inbox``; nothing here waits.

    ``acting``: what is under way, by run. ``launched``: when a directory's session was last started. ``staged``: directories
    laid and not yet launched. ``ahead``: attempts of runs that still wait. ``broken``: runs whose attempt could not be started and is
    fenced before it fails. ``looked``: whether it has said, since it answers, what is on its devices. ``silence_s``: how long the host
    may say nothing before it counts as unreachable.
    """

    def __init__(self, host: Host, inbox: Callable[[Evidence | Outcome | SendingStep], None], *, silence_s: float) -> None:
        self.host = host
        self.connected = False
        self.trouble = ""
        self.looked = False
        self.transport = open_transport(host)
        self.executor: Executor = executors()[host.executor]
        self.acting: dict[str, str] = {}
        self.launched: dict[str, datetime] = {}
        self.staged: set[str] = set()
        self.ahead = Ahead(host.name)
        self.broken: dict[str, Exception] = {}
        self._closed = False
        self._unwanted: set[str] = set()
        self._resting: dict[str, float] = {}
        self._inbox = inbox
        self._watched: dict[str, WatchedAttempt] = {}
        self._threads = ThreadPoolExecutor(ACTS_AT_ONCE, thread_name_prefix=f"act-{host.name}")
        # These take many seconds, or hours; whatever is ready to start or to stop must not wait behind them.
        self._slow = {
            "prepare": ThreadPoolExecutor(PREPARES_AT_ONCE, thread_name_prefix=f"prepare-{host.name}"),
            "stage": ThreadPoolExecutor(STAGES_AT_ONCE, thread_name_prefix=f"stage-{host.name}"),
            "collect": ThreadPoolExecutor(COLLECTS_AT_ONCE, thread_name_prefix=f"collect-{host.name}"),
        }
        self._watch = HostWatch(host, self.transport, inbox, silence_s=silence_s)
        self._watch.start()

    def act(self, run_id: str, name: str, what: Callable[[], Outcome]) -> None:
        """Do something on the host for a run, unless it is busy; its outcome arrives in the inbox."""
        if self.busy(run_id):
            return
        self.acting[run_id] = name
        self._slow.get(name, self._threads).submit(self._perform, run_id, name, what)

    def tell(self, step: SendingStep) -> None:
        """Say how far something under way is."""
        if not self._closed:
            self._inbox(step)

    def give_up(self, run_id: str) -> None:
        """What is under way for a run is not wanted any more, and may break off."""
        if run_id in self.acting:
            self._unwanted.add(run_id)

    def wants(self, run_id: str) -> bool:
        """Whether what is under way for a run is still wanted."""
        return run_id not in self._unwanted

    def busy(self, run_id: str) -> bool:
        """Whether something is under way for a run, or failed just now and is left alone for a moment."""
        return run_id in self.acting or self._rests(run_id)

    @property
    def busy_runs(self) -> Sequence[str]:
        """All for which that is so."""
        return [*self.acting, *(key for key in list(self._resting) if self._rests(key))]

    def done(self, run_id: str, *, rest: bool = False) -> None:
        """Note that the outcome of a run's act was taken in; ``rest``: nothing more is done for it for a moment."""
        self._unwanted.discard(run_id)
        if self.acting.pop(run_id, None) is not None and rest:
            self._resting[run_id] = time.monotonic() + REST_S

    def watch(self, attempt: WatchedAttempt) -> None:
        """Watch an attempt; harmless when it is watched already."""
        if attempt.directory not in self._watched and not self._rests(attempt.directory):
            self._watched[attempt.directory] = attempt
            self._watch.watch(attempt)

    def unwatch(self, directory: str) -> None:
        """Stop watching an attempt that has ended, and forget what is known of it."""
        self.launched.pop(directory, None)
        self.staged.discard(directory)
        if self._watched.pop(directory, None) is not None:
            self._watch.unwatch(directory)

    def reread(self, directory: str) -> None:
        """Let go of an attempt whose evidence could not be kept: whoever watches it next is told everything again."""
        if self._watched.pop(directory, None) is not None:
            self._watch.unwatch(directory)
        self._resting[directory] = time.monotonic() + REST_S

    def reconnect(self) -> None:
        """Begin the stream anew."""
        self._watch.reconnect()

    @property
    def watched(self) -> Sequence[str]:
        """The directories watched."""
        return tuple(self._watched)

    def watches(self, directory: str) -> bool:
        """Whether an attempt is watched: only what is said of such a one counts."""
        return directory in self._watched

    def note(self, evidence: Connected | Disconnected) -> None:
        """Keep whether the host answers."""
        self.connected = isinstance(evidence, Connected)
        self.looked = False
        self.trouble = evidence.why if isinstance(evidence, Disconnected) else ""

    def close(self) -> None:
        """Let go of the host, without waiting for it; what runs there goes on, and what was under way is decided anew."""
        self._closed = True
        self._watch.stop(timeout_s=0)
        self.ahead.close()
        for threads in (self._threads, *self._slow.values()):
            threads.shutdown(wait=False, cancel_futures=True)
        self.transport.close()

    def _rests(self, key: str) -> bool:
        until = self._resting.get(key)
        if until is not None and time.monotonic() >= until:
            del self._resting[key]
            return False
        return until is not None

    def _perform(self, run_id: str, name: str, what: Callable[[], Outcome]) -> None:
        try:
            outcome = what()
        except Exception as error:  # noqa: BLE001 - whoever takes the outcome in says what it means, and logs it
            outcome = FailedOutcome(run_id, name, error)
        if not self._closed:
            self._inbox(replace(outcome, host=self.host.name))
