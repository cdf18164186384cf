"""The queue's part of a pass: what has its turn and its devices gets an attempt, all else is told why it waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from runner import acting
from runner.crash_points import crash_point
from runner.deadlines import preempt
from runner.entities import Run
from runner.links import HostLink
from runner.queue_scene import Candidate, Learned, Past, past, scene_of
from runner.queueing.decide import Preempt, Start, Wait, decide
from runner.service.house import House
from runner.states import Reason
from runner.store import hosts, runs

TOLD_POSITIONS = 20
FAR_BEHIND = "Its turn has not come yet."


class Guard(Protocol):
    """Performs a step; where that breaks, it says so in the log, and the others go on."""

    def __call__(self, step: Callable[[], None], *, about: str) -> None: ...


class Placing:
    """Decides over the whole queue. Keeps the past for a while: what it teaches hardly changes, and is many rows."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._past: Past | None = None

    def learned(self) -> Learned:
        """What earlier runs teach."""
        self._past = past(self._house, self._house.store.reading(), now=self._house.now(), known=self._past)
        return self._past.learned

    def place(
        self, candidates: Sequence[Candidate], links: Mapping[str, HostLink], guard: Guard, begin: Callable[[Run], None]
    ) -> None:
        """Lease devices to what starts now, and ``begin`` it before anything else."""
        queued = {candidate.run.id: candidate.run for candidate in candidates}
        for link in links.values():
            link.ahead.keep(queued)
        if not candidates:
            return
        db, policy, now = self._house.store.reading(), self._house.settings.queue, self._house.now()
        known = {name: link.host for name, link in links.items()}
        self._past = past(self._house, db, now=now, known=self._past)
        decisions = decide(scene_of(db, candidates, known, self._past, now=now), policy)
        for start in decisions.starts:
            guard(partial(self._start, queued[start.run_id], start, links, begin), about=start.run_id)
        for wait in decisions.waits:
            guard(partial(self._wait, queued[wait.run_id], wait), about=wait.run_id)
        for each in decisions.preempts:
            guard(partial(self._preempt, each), about=each.run_id)
        for promise in decisions.promised:
            guard(partial(acting.lay_ahead, self._house, links[promise.host], queued[promise.run_id]), about=promise.run_id)

    def _wait(self, run: Run, wait: Wait) -> None:
        """Of thousands that wait, only those near the front are told what they wait for as it changes; ``why`` says it of every one."""
        detail = wait.why if wait.position <= TOLD_POSITIONS or wait.reason is not Reason.WAITING_FOR_GPU else FAR_BEHIND
        if (run.reason, run.detail) != (wait.reason, detail):
            with self._house.store.writing() as db:
                runs.transition(db, run, wait.reason, now=self._house.now(), detail=detail)

    def _preempt(self, each: Preempt) -> None:
        preempt(self._house, runs.get(self._house.store.reading(), each.run_id), each)

    def _start(self, run: Run, start: Start, links: Mapping[str, HostLink], begin: Callable[[Run], None]) -> None:
        number, now, ready = run.attempt + 1, self._house.now(), acting.lies_ready(self._house, links[start.host], run)
        with self._house.store.writing() as db:
            for rank, (host, devices) in enumerate(start.shares):
                hosts.lease(db, run, host, devices, now=now)
                crash_point("runner.after_lease")
                root = links[host].host.root
                opened = runs.open_attempt(db, run, number=number, host=host, root=root, now=now, devices=len(devices), rank=rank)
                if ready:
                    runs.note_staged(db, opened)
            reason = Reason.LAUNCHING if ready else Reason.STAGING
            run = runs.transition(db, run, reason, now=now, attempt=number, host=start.host)
        crash_point("runner.after_attempt_opened")
        begin(run)
