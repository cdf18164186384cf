"""A link to one host: its transport, its watch stream, and a few threads for what is done there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from runner.acts import FailedOutcome, Outcome
from runner.entities import Host
from runner.errors import SignalboxError
from runner.evidence import Connected, Disconnected, Evidence, WatchedAttempt
from runner.executors import executors
from runner.executors.base import Executor
from runner.transports import open_transport
from runner.watch import HostWatch

log = logging.getLogger(__name__)

ACTS_AT_ONCE = 4


class HostLink:
    """One host as the runner holds it. Everything it learns or finishes goes to ``inbox``; nothing here waits.

    ``acting``: what is under way, by run. ``launched``: when a directory's session was last started. ``staged``: directories
    laid and not yet launched. ``broken``: runs whose attempt could not be started and is fenced before it fails.
    """

    def __init__(self, host: Host, inbox: Callable[[Evidence | Outcome], None]) -> None:
        self.host = host
        self.connected = False
        self.trouble = ""
        self.transport = open_transport(host)
        self.executor: Executor = executors()["screen"]
        self.acting: dict[str, str] = {}
        self.launched: dict[str, datetime] = {}
        self.staged: set[str] = set()
        self.broken: dict[str, SignalboxError] = {}
        self._inbox = inbox
        self._watched: dict[str, WatchedAttempt] = {}
        self._threads = ThreadPoolExecutor(ACTS_AT_ONCE, thread_name_prefix=f"act-{host.name}")
        self._watch = HostWatch(host, self.transport, inbox)
        self._watch.start()

    def act(self, run_id: str, name: str, what: Callable[[], Outcome]) -> None:
        """Do something on the host for a run, unless something is under way for it; its outcome arrives in the inbox."""
        if run_id in self.acting:
            return
        self.acting[run_id] = name
        self._threads.submit(self._perform, run_id, name, what)

    def done(self, run_id: str) -> None:
        """Note that the outcome of a run's act was taken in."""
        self.acting.pop(run_id, None)

    def watch(self, attempt: WatchedAttempt) -> None:
        """Watch an attempt; harmless when it is watched already."""
        if attempt.directory not in self._watched:
            self._watched[attempt.directory] = attempt
            self._watch.watch(attempt)

    def unwatch(self, directory: str) -> None:
        """Stop watching an attempt."""
        if self._watched.pop(directory, None) is not None:
            self._watch.unwatch(directory)

    @property
    def watched(self) -> Sequence[str]:
        """The directories watched."""
        return tuple(self._watched)

    def note(self, evidence: Connected | Disconnected) -> None:
        """Keep whether the host answers."""
        self.connected = isinstance(evidence, Connected)
        self.trouble = evidence.why if isinstance(evidence, Disconnected) else ""

    def close(self) -> None:
        """Let go of the host; what runs there goes on."""
        self._watch.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.transport.close()

    def _perform(self, run_id: str, name: str, what: Callable[[], Outcome]) -> None:
        try:
            self._inbox(what())
        except SignalboxError as error:
            self._inbox(FailedOutcome(run_id, name, error))
        except Exception as error:
            log.exception("%s of %s on %s broke", name, run_id, self.host.name)
            self._inbox(FailedOutcome(run_id, name, SignalboxError(f"{name} broke on our side: {error!r}")))
