"""The runner: read, observe, decide, apply. It alone changes the state of a run.

Hosts speak through links whose evidence and outcomes arrive in one inbox; a tick takes them in, then decides for every live
run. No transaction is open while anything remote happens, and one bad run or host never stops the others.
"""

from __future__ import annotations

import fcntl
import gc
import logging
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial
from types import FrameType

from runner import acting
from runner.acts import Outcome, SendingStep
from runner.alerts.engine import AlertEngine
from runner.approving import unapproved
from runner.bot_watch import watch_bot
from runner.collecting import forget_old
from runner.conclusions import conclude, judged, refusal
from runner.crash_points import crash_point
from runner.deadlines import enforce
from runner.decisions import (
    Collect,
    Conclude,
    Decision,
    Eligible,
    Launch,
    Meet,
    Move,
    Nothing,
    Prepare,
    Several,
    Stage,
    Stop,
    decide_pending,
    decide_running,
    may_be_going_down,
)
from runner.entities import Attempt, Host, Run, TransportName
from runner.errors import ConfigurationError, ConflictError
from runner.evidence import Evidence, Heartbeat, LogBytes, Resources, WatchedAttempt
from runner.file_looks import FileLooks
from runner.intake import Intake
from runner.kinds import all_kinds
from runner.links import HostLink
from runner.passes import Pass, facts_of
from runner.placing import Placing, together
from runner.pulse import Pulse
from runner.queue_scene import Candidate, Candidates, Found, turn_of
from runner.rank_decisions import decide_ranks
from runner.ranks import parts_of
from runner.schedules import ScheduleEngine
from runner.service.house import House, open_house
from runner.service.queue import end_locks
from runner.settings import Settings
from runner.states import Reason, State
from runner.store import attempts, hosts, progress, runs
from runner.store.connection import DatabaseError
from runner.store.live_runs import LiveRuns

log = logging.getLogger(__name__)

POLL_S = 0.05
LOOK_AROUND_S = 1.0
FORGET_EVERY = timedelta(hours=1)
MOST_AT_ONCE = 500
QUIET = (LogBytes, Heartbeat, Resources, SendingStep)
"""What alone decides nothing."""
LOOK_BACK = 200
"""Runs. So many of the newest are tidied up after again at the start: a crash may have come between their end and that."""


class Runner:
    """One installation's runner. ``tick()`` is one pass; ``run()`` goes on until told to stop."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._inbox: queue.SimpleQueue[Evidence | Outcome | SendingStep] = queue.SimpleQueue()
        self._links: dict[str, HostLink] = {}
        self._intake = Intake(house, self._links)
        self._placing = Placing(house)
        self._alerts = AlertEngine(house)
        self._files = FileLooks(house)
        self._pulse = Pulse(house)
        self._forgotten: datetime | None = None
        self._stopping = threading.Event()
        self._untidy = {run.id for run in runs.newest(house.store.reading(), limit=LOOK_BACK)}
        self._looked = LiveRuns()
        self._live: Mapping[str, Run] = {}
        self._decided_at = 0.0
        self._unfinished = False
        self._candidates = Candidates()
        self._put_local_host()

    def run(self) -> None:
        """Tick whenever a host speaks, an act ends, another process commits, or a second has passed."""
        engine = ScheduleEngine(self.house.store, now=self.house.now)
        engine.start()
        seen = -1
        waited = LOOK_AROUND_S
        try:
            while not self._stopping.is_set():
                arrivals = self._arrivals()
                version = self.house.store.data_version()
                if arrivals or version != seen or waited >= LOOK_AROUND_S or self._unfinished:
                    seen, waited = version, 0.0
                    self.tick(arrivals)
                else:
                    waited += POLL_S
        finally:
            engine.stop()
            self.close()

    def stop(self) -> None:
        """Leave ``run()`` after the pass under way; what trains goes on."""
        self._stopping.set()

    def close(self) -> None:
        """Let go of every host."""
        self._files.close()
        for link in self._links.values():
            link.close()
        self._links.clear()

    def tick(self, arrivals: list[Evidence | Outcome | SendingStep]) -> None:
        """One pass: take in what arrived, then decide for every live run. Where nothing else arrived than what decides nothing (lines of
        logs, signs of life), and no run has changed, there is nothing to decide until the next look around."""
        for arrival in arrivals:
            self._guard(partial(self._intake.take, arrival), about=repr(arrival)[:200])
        self._guard(self._pulse.beat, about="the runner's sign of life")
        known, live = self._live, self._looked.look(self.house.store)
        idle = bool(arrivals) and live is known and all(isinstance(arrival, QUIET) for arrival in arrivals)
        if idle and time.monotonic() - self._decided_at < LOOK_AROUND_S:
            return
        self._live, self._decided_at = live, time.monotonic()
        with self._pulse.timed():
            self._guard(self._sync_links, about="the hosts")
            self._guard(self._decide_all, about="the runs")
            self._guard(partial(end_locks, self.house), about="locks that have expired")
            self._guard(self._tidy, about="what ended runs left")
            self._guard(self._forget_old, about="results of long ago")
            self._guard(self._alerts.look, about="the alerts")
            self._guard(partial(self._files.look, self._links), about="the files that triggers wait for")

    def _tidy(self) -> None:
        """Whatever was live, and is not any more, has ended, and its end is committed."""
        live = self._looked.look(self.house.store)
        ended, self._untidy = self._untidy - live.keys(), set(live)
        for run_id in ended:
            self._guard(partial(self._tidy_after, run_id), about=run_id)

    def _tidy_after(self, run_id: str) -> None:
        run = runs.get(self.house.store.reading(), run_id)
        acting.tidy_after(self.house, self._links, run)

    def _forget_old(self) -> None:
        now = self.house.now()
        if self._forgotten is None or now - self._forgotten >= FORGET_EVERY:
            self._forgotten = now
            forget_old(self.house, now)
            gc.freeze()  # what is known of ten thousand runs stays, and to look through it for cycles takes longer than a pass

    def _decide_all(self) -> None:
        db = self.house.store.reading()
        busy = {run_id for link in self._links.values() for run_id in link.busy_runs}
        known = Pass(facts_of(db, self._links, self._live.values()), attempts.current_ranks(db), busy)
        for link in self._links.values():
            self._unwatch_ended(link, known)
        candidates = self._candidates.among(self._live.values(), known.facts, partial(self._look_at, known))
        told, self._unfinished = known.moves[:MOST_AT_ONCE], len(known.moves) > MOST_AT_ONCE
        together(self.house.store, self._guard, [(run.id, partial(self._move, run, move)) for run, move in told])
        self._placing.place(candidates, self._links, self._live, self._guard, self._begin)

    def _look_at(self, known: Pass, run: Run) -> Found:
        found: list[Found] = []
        self._guard(lambda: found.append(self._further(run, known)), about=run.id)
        return found[0] if found else Found()

    def _further(self, run: Run, known: Pass) -> Found:
        """One run's turn. What keeps it from starting ends it; what is merely passing is tried again."""
        try:
            decision = self._decide(run, known)
            if isinstance(decision, Eligible):
                return Found(Candidate(run, decision.hosts, all_kinds()[run.kind].needs(run)), holds=True)
            if not isinstance(decision, Move) or run.state is not State.PENDING:
                self._apply(run, decision, known.ranks.get(run.id, ()))
            elif (run.reason, run.detail) != (decision.reason, decision.detail):
                known.moves.append((run, decision))
            else:
                return Found(holds=not turn_of(run).after and decision.reason is not Reason.WAITING_FOR_APPROVAL)
        except (ConflictError, DatabaseError, OSError):
            raise
        except Exception as error:
            log.exception("%s cannot go on", run.id)
            self._refuse(run, error)
        return Found()

    def _refuse(self, run: Run, error: Exception) -> None:
        """Before an attempt the run ends here; an attempt that nobody claimed is fenced first; one that works is let be."""
        run = runs.get(self.house.store.reading(), run.id)
        link = self._links.get(run.host or "")
        if run.state is State.PENDING:
            reason, sentence = refusal(error)
            with self.house.store.writing() as db:
                runs.transition(db, run, reason, now=self.house.now(), detail=sentence)
        elif link is not None and run.reason in (Reason.STAGING, Reason.LAUNCHING):
            link.broken[run.id] = error

    def _arrivals(self) -> list[Evidence | Outcome | SendingStep]:
        found: list[Evidence | Outcome | SendingStep] = []
        try:
            found.append(self._inbox.get(timeout=POLL_S))
            while len(found) < MOST_AT_ONCE:
                found.append(self._inbox.get_nowait())
        except queue.Empty:
            pass
        return found

    def _decide(self, run: Run, known: Pass) -> Decision:
        if run.stop_requested_by is not None:
            for each in self._links.values():
                each.give_up(run.id)
        busy, now = run.id in known.busy, self.house.now()
        if run.state is State.PENDING:
            needs = all_kinds()[run.kind].needs(run)
            awaited = runs.awaited(self.house.store.reading(), turn_of(run).after)
            costs = unapproved(run, self.house.settings.queue, self._placing.learned)
            return decide_pending(run, needs, known.facts, acting=busy, now=now, awaited=awaited, unapproved=costs)
        link = self._links.get(run.host or "")
        if link is None and run.spans == 1:
            return self._decide_without_host(run)
        attempt = (known.ranks.get(run.id) or attempts.ranks(self.house.store.reading(), run.id, run.attempt))[0]
        enforce(self.house, run, attempt)
        if link is None or run.spans > 1:
            return decide_ranks(run, parts_of(self.house, self._links, run), now=now)
        if run.id in link.broken and attempt.claimed_at is None and link.connected:
            return Nothing() if busy else Stop()
        if link.connected and may_be_going_down(run, attempt, boot_id=link.host.boot_id, now=now):
            return Nothing()
        launched_at = link.launched.get(attempt.directory)
        return decide_running(
            run, attempt, connected=link.connected, trouble=link.trouble, acting=busy, launched_at=launched_at, now=now,
            collects=all_kinds()[run.kind].collects,
        )

    def _decide_without_host(self, run: Run) -> Decision:
        """A host is removed only once all that was left of its runs was given up; nobody can be asked any more."""
        there = any(host.name == run.host for host in hosts.all_hosts(self.house.store.reading()))
        if there or run.stop_requested_by is None:
            return Nothing()
        return Move(Reason.BY_USER, f"Given up by {run.stop_requested_by}: {run.host} was removed, so nothing could be ended there.")

    def _apply(self, run: Run, decision: Decision, ranks: Sequence[Attempt] = ()) -> None:
        match decision:
            case Move():
                self._move(run, decision)
            case Prepare():
                self._prepare(run, decision)
            case Meet() | Stage() | Launch() | Stop() | Collect():
                self._act(run, decision)
            case Several():
                self._watch(run)
                with ExitStack() as turns:  # what one host refuses keeps nothing from the others, and is raised after them
                    for each in reversed(decision.decisions):
                        turns.callback(self._apply, run, each, ranks)
            case Conclude():
                self._conclude(run)
            case Nothing() if run.state is State.RUNNING:
                self._watch(run, ranks)
            case _:
                pass

    def _move(self, run: Run, decision: Move) -> None:
        if (run.reason, run.detail) != (decision.reason, decision.detail):
            with self.house.store.writing() as db:
                runs.transition(db, run, decision.reason, now=self.house.now(), detail=decision.detail)
        if decision.reason.state is State.RUNNING:
            self._watch(run)

    def _prepare(self, run: Run, decision: Prepare) -> None:
        if (run.reason, run.host) != (Reason.PREPARING, decision.host):
            with self.house.store.writing() as db:
                run = runs.transition(db, run, Reason.PREPARING, now=self.house.now(), host=decision.host)
        acting.prepare(self.house, self._links[decision.host], run, decision.environment)

    def _act(self, run: Run, decision: Meet | Stage | Launch | Stop | Collect) -> None:
        self._watch(run)
        acting.act(self.house, self._links, run, decision)

    def _begin(self, run: Run) -> None:
        if run.spans > 1:
            self._apply(run, decide_ranks(run, parts_of(self.house, self._links, run), now=self.house.now()))
        else:
            self._act(run, Launch() if run.reason is Reason.LAUNCHING else Stage())

    def _conclude(self, run: Run) -> None:
        broken = [link.broken.pop(run.id) for link in self._links.values() if run.id in link.broken]
        attempt = attempts.get(self.house.store.reading(), run.id, run.attempt)
        found = judged(self.house, run, attempt)
        with self.house.store.writing() as db:
            if broken and run.stop_requested_by is None:
                reason, sentence = refusal(broken[0])
                runs.transition(db, run, reason, now=self.house.now(), detail=sentence)
            else:
                conclude(self.house, run, attempts.get(db, run.id, run.attempt), diagnosis=found)
            crash_point("runner.before_end_committed")
        crash_point("runner.after_finished")

    def _watch(self, run: Run, ranks: Sequence[Attempt] = ()) -> None:
        db = self.house.store.reading()
        for attempt in ranks or attempts.ranks(db, run.id, run.attempt):
            link = self._links.get(attempt.host)
            more_to_hear = attempt.ended_at is None or run.reason is Reason.UNCLEAR
            if link is not None and link.connected and more_to_hear and not link.watches(attempt.directory):
                at, claimed = progress.position(db, attempt), attempt.claimed_at is not None
                link.watch(WatchedAttempt(attempt.directory, attempt.marker, at.offset, at.generation, at.inode, claimed))

    def _sync_links(self) -> None:
        db = self.house.store.reading()
        wanted = {host.name: host for host in hosts.all_hosts(db)}
        for name, link in list(self._links.items()):
            if name not in wanted or _address(wanted[name]) != _address(link.host):
                link.close()
                del self._links[name]
            else:
                link.host = wanted[name]
        for name, host in wanted.items():
            if name not in self._links:
                self._links[name] = HostLink(host, self._inbox.put, silence_s=self.house.settings.limits.heartbeat_timeout_s)

    def _unwatch_ended(self, link: HostLink, known: Pass) -> None:
        db, under_way = self.house.store.reading(), known.under_way
        for directory in link.watched:
            if directory in under_way:
                continue
            attempt = attempts.in_directory(db, directory)
            if attempt is None or attempt.ended_at is not None or runs.get(db, attempt.run_id).state.final:
                link.unwatch(directory)
                self._intake.forget(directory)

    def _put_local_host(self) -> None:
        settings = self.house.settings
        local = Host("local", TransportName.LOCAL, str(settings.state / "local"), slots=settings.limits.local_slots, python=sys.executable)
        with self.house.store.writing() as db:
            hosts.put(db, local)

    def _guard(self, step: Callable[[], None], *, about: str) -> None:
        try:
            step()
        except ConflictError as error:
            log.info("%s", error)
        except Exception:
            log.exception("A step for %s broke; the others go on", about)


def _address(host: Host) -> tuple[object, ...]:
    return (host.transport, host.address, host.port, host.user, host.key_path, host.host_key, host.root, host.executor, host.partition)


def run_runner(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. ConfigurationError when another runner holds this database."""
    house = open_house(settings)
    with (settings.state / "runner.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigurationError(f"A runner already works on {settings.database}; there can be only one.") from error
        runner = Runner(house)

        def leave(_number: int, _frame: FrameType | None) -> None:
            runner.stop()

        signal.signal(signal.SIGTERM, leave)
        signal.signal(signal.SIGINT, leave)
        watch_bot(house)
        runner.run()
