"""The queue's part of a pass: what has its turn and its devices gets an attempt, all else is told why it waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from runner import acting
from runner.clearing import clear_away
from runner.crash_points import crash_point
from runner.deadlines import preempt
from runner.entities import Run
from runner.links import HostLink
from runner.queue_scene import Candidate, Learned, Scenes, Surroundings, surroundings
from runner.queueing.decide import Decisions, Preempt, Start, Wait, decide
from runner.service.house import House
from runner.states import Reason
from runner.store import attempts, hosts, runs
from runner.store.connection import Store

TOLD_POSITIONS = 20
FAR_BEHIND = "Its turn has not come yet."
LOOK_AGAIN = timedelta(seconds=5)
"""What only the time changes (ends come nearer, waiting counts) is decided anew so often."""
SHARE = 0.1
"""Of the time, when nothing but what waits has changed: thousands are not put in order again for each one that comes."""
TOGETHER = 100


class Guard(Protocol):
    """Performs a step; where that breaks, it says so in the log, and the others go on."""

    def __call__(self, step: Callable[[], None], *, about: str) -> None: ...


class Placing:
    """Decides over the whole queue whenever something has changed that this depends on."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._scenes = Scenes()
        self._candidates: Sequence[Candidate] = ()
        self._around: Surroundings | None = None
        self._decided: datetime | None = None
        self._rested_at = 0.0

    def learned(self) -> Learned:
        """What earlier runs teach."""
        return self._scenes.past(self._house).learned

    def place(
        self, candidates: Sequence[Candidate], links: Mapping[str, HostLink], live: Mapping[str, Run], guard: Guard,
        begin: Callable[[Run], None],
    ) -> None:
        """Lease devices to what starts now, and ``begin`` it before anything else. ``live`` are the runs that have not ended."""
        queued = {candidate.run.id: candidate.run for candidate in candidates}
        for link in links.values():
            link.ahead.keep(queued)
        clear_away(self._house, links)
        now = self._house.now()
        # What was on its devices before a host fell silent says nothing of what is there now.
        around = surroundings(self._house.store.reading(), [link.host for link in links.values() if link.looked], now=now)
        if not candidates or not self._is_due(candidates, around, now):
            return
        begun = time.monotonic()
        decisions = decide(self._scenes.scene(self._house, candidates, around, live, now=now), self._house.settings.queue)
        self._candidates, self._around, self._decided = candidates, around, now
        self._carry_out(decisions, queued, links, guard, begin)
        self._rested_at = time.monotonic() + (time.monotonic() - begun) / SHARE

    def _is_due(self, candidates: Sequence[Candidate], around: Surroundings, now: datetime) -> bool:
        if self._decided is None or around != self._around or not timedelta() <= now - self._decided < LOOK_AGAIN:
            return True
        return candidates != self._candidates and time.monotonic() >= self._rested_at

    def _carry_out(
        self, decisions: Decisions, queued: Mapping[str, Run], links: Mapping[str, HostLink], guard: Guard, begin: Callable[[Run], None]
    ) -> None:
        for start in decisions.starts:
            guard(partial(self._start, queued[start.run_id], start, links, begin), about=start.run_id)
        steps: list[tuple[str, Callable[[], None]]] = []
        for wait in decisions.waits:
            run, detail = queued[wait.run_id], _detail(wait)
            if run.detail != detail or run.reason is not wait.reason:
                steps.append((run.id, partial(self._wait, run, wait.reason, detail)))
        together(self._house.store, guard, steps)
        for each in decisions.preempts:
            guard(partial(self._preempt, each), about=each.run_id)
        for promise in decisions.promised:
            guard(partial(acting.lay_ahead, self._house, links, promise.host, queued[promise.run_id]), about=promise.run_id)

    def _wait(self, run: Run, reason: Reason, detail: str) -> None:
        with self._house.store.writing() as db:
            runs.transition(db, run, reason, now=self._house.now(), detail=detail)

    def _preempt(self, each: Preempt) -> None:
        preempt(self._house, runs.get(self._house.store.reading(), each.run_id), each)

    def _start(self, run: Run, start: Start, links: Mapping[str, HostLink], begin: Callable[[Run], None]) -> None:
        number, now, ready = run.attempt + 1, self._house.now(), acting.lies_ready(self._house, links[start.host], run)
        with self._house.store.writing() as db:
            for rank, (host, devices) in enumerate(start.shares):
                hosts.lease(db, run, host, devices, now=now)
                crash_point("runner.after_lease")
                root = links[host].host.root
                opened = attempts.begin(db, run, number=number, host=host, root=root, now=now, devices=len(devices), rank=rank)
                if ready:
                    attempts.note_staged(db, opened)
            reason = Reason.LAUNCHING if ready else Reason.STAGING
            run = runs.transition(db, run, reason, now=now, attempt=number, host=start.host)
        crash_point("runner.after_attempt_opened")
        begin(run)


def together(store: Store, guard: Guard, steps: Sequence[tuple[str, Callable[[], None]]]) -> None:
    """Carry out small changes of rows, each named by its run, many in a transaction: a commit each would wait for the disk. One that
    breaks undoes only itself."""
    for at in range(0, len(steps), TOGETHER):
        guard(partial(_in_one, store, guard, steps[at : at + TOGETHER]), about="runs that wait")


def _in_one(store: Store, guard: Guard, steps: Sequence[tuple[str, Callable[[], None]]]) -> None:
    with store.writing():
        for run_id, step in steps:
            guard(step, about=run_id)


def _detail(wait: Wait) -> str:
    """Of thousands that wait, only those near the front are told what they wait for as it changes; ``why`` says it of every one."""
    return wait.why if wait.position <= TOLD_POSITIONS or wait.reason is not Reason.WAITING_FOR_GPU else FAR_BEHIND
