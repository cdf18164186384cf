"""Keeps the stream of evidence of one host alive, over every break."""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace

from runner.entities import Host
from runner.errors import HostError, SignalboxError, UnreachableError
from runner.evidence import ClaimSeen, Disconnected, Evidence, LogBytes, OfAttempt, WatchedAttempt
from runner.executors import executors
from runner.frames import FrameReader, Note
from runner.transports.base import Channel, Transport

START_TIMEOUT_S = 15.0
SILENCE_S = 15.0
PING_S = 5.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
PERMANENT_PAUSE_S = 60.0

_log = logging.getLogger(__name__)


class HostWatch:
    """The watch of one host: a thread that reads, and while connected one that writes, so that neither waits for the other.

    ``emit`` is called from the reading thread, in the order of the stream. A host from which nothing, not even a heartbeat, came
    for ``silence_s`` is unreachable. ``jitter`` gives a factor for every pause between attempts to reconnect, so that many
    watches do not return at once.
    """

    def __init__(
        self, host: Host, transport: Transport, emit: Callable[[Evidence], None], *,
        silence_s: float = SILENCE_S, jitter: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self._host = host
        self._transport = transport
        self._emit = emit
        self._silence_s = silence_s
        self._jitter = jitter
        self._lock = threading.Lock()
        self._watched: dict[str, WatchedAttempt] = {}
        self._orders: queue.SimpleQueue[bytes | None] | None = None
        self._channel: Channel | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch-{host.name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End the stream, and wait for the thread; nothing is emitted afterwards."""
        self._stopping.set()
        self.reconnect()
        self._thread.join(timeout_s)

    def reconnect(self) -> None:
        """Break the stream; a new one begins, unless it was stopped."""
        with self._lock:
            channel = self._channel
        if channel is not None:
            channel.close()

    def watch(self, attempt: WatchedAttempt) -> None:
        """Follow an attempt from here on, now and after every break; what is followed already goes on from where it is."""
        with self._lock:
            if attempt.directory not in self._watched:
                self._watched[attempt.directory] = attempt
                self._order(watch=[attempt])

    def unwatch(self, directory: str) -> None:
        """Let go of an attempt."""
        with self._lock:
            if self._watched.pop(directory, None) is not None:
                self._order(unwatch=[directory])

    def _order(self, *, watch: Iterable[WatchedAttempt] = (), unwatch: Iterable[str] = (), root: str | None = None) -> None:
        if self._orders is not None:
            order = {
                "watch": [asdict(attempt) for attempt in watch], "unwatch": list(unwatch), "root": root, "partition": self._host.partition,
            }
            self._orders.put(json.dumps(order).encode() + b"\n")

    def _run(self) -> None:
        pause = FIRST_PAUSE_S
        while not self._stopping.is_set():
            began = time.monotonic()
            permanent = False
            try:
                self._follow()
            except HostError as error:
                permanent = True
                self._tell_break(str(error), permanent=True)
            except UnreachableError as error:
                self._tell_break(str(error))
            except Exception as error:  # noqa: BLE001 - one host's surprise must not end its watch for ever
                _log.exception("The watch of %s broke", self._host.name)
                self._tell_break(f"The watch of {self._host.name} broke: {type(error).__name__}: {error}.")
            if time.monotonic() - began > LONGEST_PAUSE_S:
                pause = FIRST_PAUSE_S
            self._stopping.wait((PERMANENT_PAUSE_S if permanent else pause) * self._jitter())
            pause = min(LONGEST_PAUSE_S, pause * 2)

    def _tell_break(self, why: str, *, permanent: bool = False) -> None:
        if not self._stopping.is_set():
            self._emit(Disconnected(self._host.name, why, permanent))

    def _follow(self) -> None:
        """One connection, from its start to its break."""
        program = executors()[self._host.executor].watch_program
        channel = self._transport.stream(self._host.python or "python3", program, timeout_s=START_TIMEOUT_S)
        orders: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        with self._lock:
            self._channel, self._orders = channel, orders
            self._order(watch=self._watched.values(), root=self._host.root)
        writer = threading.Thread(target=_write, args=(channel, orders), name=f"orders-{self._host.name}", daemon=True)
        writer.start()
        try:
            self._read(channel)
        finally:
            with self._lock:
                self._channel = self._orders = None
            orders.put(None)
            channel.close()
            writer.join(5)

    def _read(self, channel: Channel) -> None:
        reader = FrameReader(self._host.name)
        while not self._stopping.is_set():
            data = channel.read(self._silence_s)
            if not data and not self._stopping.is_set():
                raise UnreachableError(f"{self._host.name} has said nothing for {self._silence_s:.0f} s.")
            for evidence in reader.feed(data):
                if self._stopping.is_set():
                    return
                self._take(evidence)

    def _take(self, evidence: Evidence | Note) -> None:
        if isinstance(evidence, Note):
            _log.warning("%s: %s %s", self._host.name, evidence.directory, evidence.text)
        elif not isinstance(evidence, OfAttempt) or self._is_next(evidence):
            self._emit(evidence)

    def _is_next(self, evidence: OfAttempt) -> bool:
        """Whether this is about an attempt still watched; moves its place in the log. UnreachableError for a gap."""
        with self._lock:
            attempt = self._watched.get(evidence.directory)
            if attempt is None:
                return False
            if isinstance(evidence, ClaimSeen):
                self._watched[evidence.directory] = replace(attempt, claimed=True)
            if isinstance(evidence, LogBytes):
                self._watched[evidence.directory] = _moved(attempt, evidence)
            return True


def _moved(attempt: WatchedAttempt, log: LogBytes) -> WatchedAttempt:
    """The attempt behind these bytes. An older generation's or a gap's bytes would spoil what is stored."""
    follows = log.generation == attempt.generation and log.offset == attempt.offset
    if not follows and not (log.generation > attempt.generation and log.offset == 0):
        raise UnreachableError(
            f"{log.host} sent the log of {log.directory} from byte {log.offset} of generation {log.generation}, "
            f"but {attempt.offset} of {attempt.generation} was next."
        )
    return replace(attempt, offset=log.offset + len(log.data), generation=log.generation, inode=log.inode)


def _write(channel: Channel, orders: queue.SimpleQueue[bytes | None]) -> None:
    """Send orders as they come, and a sign of life when none does: watch.py ends itself where nobody listens any more."""
    with contextlib.suppress(SignalboxError):
        while True:
            try:
                order = orders.get(timeout=PING_S)
            except queue.Empty:
                order = b"{}\n"
            if order is None:
                return
            channel.write(order)
