"""A storm: people who submit, stop, hold and resume runs, hosts that lose power and connections, and a runner that is killed all the
while. Every choice comes from one seeded generator; what the machine makes of them is not to be repeated."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from runner.entities import Run
from runner.errors import RequestError
from runner.service import queue
from runner.service.house import Requester
from runner.service.models import submit_predict
from runner.service.runs import request_stop, resume, submit_training
from runner.settings import Role
from runner.specs import Overrides, Turn
from runner.states import Reason
from runner.store import attempts, runs
from tests.soak.house import SoakHouse, alive, end
from tests.support.hosts import eventually
from tests.support.power import cut_power
from tests.support.silence import cut_off, sessions
from tests.support.soak_judge import Plan

AT_ONCE = 10
ITERATIONS = 4
MEAN_LIFE_S = 2.0
LONGEST_LIFE_S = 8.0
STANDSTILL_S = 120.0
WEIGHTS = {"plain": 6, "failing": 2, "stopped": 2, "deaf": 1, "limited": 1, "urgent": 1, "held": 1, "powerless": 2, "wide": 1, "used": 1}


@dataclass
class Storm:
    """What was asked for so far, and what was done to hosts and runner."""

    house: SoakHouse
    chance: random.Random
    plans: dict[str, Plan] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)
    troubles: list[str] = field(default_factory=list)
    _live: set[str] = field(default_factory=set)
    _trained: list[Run] = field(default_factory=list)
    _back_at: dict[int, float] = field(default_factory=dict)

    def rage(self, kills: int) -> None:
        """Start a runner and kill it, so many times."""
        for _ in range(kills):
            pid = self.house.start_runner()
            self._live_through(pid, min(LONGEST_LIFE_S, self.chance.expovariate(1 / MEAN_LIFE_S)))
            if not alive(pid):
                self.troubles.append(f"a runner ended by itself, after {self.done['kills']} kills")
                continue
            end(pid)
            self.done["kills"] += 1

    def settle(self) -> None:
        """Let everything come to its end under one runner that nobody kills, for as long as anything happens at all."""
        for number in list(self._back_at):
            self._bring_back(number)
        pid, seen, until = self.house.start_runner(), 0, time.monotonic() + STANDSTILL_S
        while self._live and time.monotonic() < until:
            self._look(new=False)
            newest = self.house.scripted.house.store.reading().conn.execute("SELECT max(id) FROM events").fetchone()[0]
            if newest != seen:
                seen, until = newest, time.monotonic() + STANDSTILL_S
            time.sleep(0.2)
        if not alive(pid):
            self.troubles.append("the last runner ended by itself")
            return
        time.sleep(1.5)  # what is tidied up after the last end
        with contextlib.suppress(AssertionError):  # the judge names what is left
            eventually(lambda: not self.house.scripted.house.store.reading().conn.execute("SELECT 1 FROM laid").fetchone(), 20)
        end(pid, signal.SIGTERM)

    def _live_through(self, pid: int, life_s: float) -> None:
        until = time.monotonic() + life_s
        while time.monotonic() < until and alive(pid):
            self._look(new=True)
            self._disturb()
            time.sleep(max(0.0, min(0.1, until - time.monotonic())))
        if self.chance.random() < 0.5:  # around a commit of its own, and not anywhere between them
            store, longest = self.house.scripted.house.store, time.monotonic() + 2
            seen = store.data_version()
            while store.data_version() == seen and time.monotonic() < longest:
                time.sleep(0.001)
            time.sleep(self.chance.uniform(0, 0.03))

    def _look(self, *, new: bool) -> None:
        """See who has ended, do what their plans say comes next, and submit as many again."""
        db = self.house.scripted.house.store.reading()
        for run_id in list(self._live):
            run, plan = runs.get(db, run_id), self.plans[run_id]
            if run.state.final:
                self._live.discard(run_id)
                if run.reason is Reason.COMPLETED and plan.epochs:
                    self._trained.append(run)
                if run.reason is Reason.CODE_ERROR and plan.kind == "failing" and not plan.followed:
                    plan.followed = True
                    self._resume(run)
            else:
                self._attend(run, plan)
        while new and len(self._live) < AT_ONCE:
            self._submit()

    def _attend(self, run: Run, plan: Plan) -> None:
        if plan.kind in ("stopped", "deaf") and not plan.stop_asked and self.chance.random() < 0.03:
            with contextlib.suppress(RequestError):
                request_stop(self.house.scripted.house, self._who(), run.id)
                plan.stop_asked = True
        elif plan.kind == "held" and run.held_by is not None and self.chance.random() < 0.05:
            queue.release(self.house.scripted.house, self._who(), run.id)
        elif plan.kind == "powerless" and plan.cuts == 0 and run.reason is Reason.WORKING and self.chance.random() < 0.1:
            self._cut_power(run, plan)

    def _cut_power(self, run: Run, plan: Plan) -> None:
        attempt = attempts.get(self.house.scripted.house.store.reading(), run.id, run.attempt)
        if attempt.pid is not None and not Path(attempt.directory, "exit").exists() and cut_power(attempt):
            plan.cuts += 1
            self.done["power cuts"] += 1

    def _disturb(self) -> None:
        """Connections break; now and then a host cannot be reached for a while."""
        now = time.monotonic()
        for number, at in list(self._back_at.items()):
            if now >= at:
                self._bring_back(number)
        drawn, number = self.chance.random(), self.chance.randrange(len(self.house.sshds))
        sshd = self.house.sshds[number]
        if number in self._back_at or drawn > 0.03:
            return
        if drawn < 0.005:
            cut_off(sshd)
            self._back_at[number] = now + self.chance.uniform(0.2, 3)
            self.done["silences"] += 1
        else:
            for pid in sessions(sshd):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.done["connection cuts"] += 1

    def _bring_back(self, number: int) -> None:
        del self._back_at[number]
        self.house.sshds[number].restart()

    def _who(self) -> Requester:
        return self.house.scripted.who(str(len(self.plans)), f"U{self.chance.randint(1, 3)}", Role.ADMIN)

    def _submit(self) -> None:
        kind = self.chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if kind == "used":
            if self._trained:
                run = submit_predict(
                    self.house.scripted.house, self._who(), self.chance.choice(self._trained).id, options=(self._presence(),)
                )
                self._keep(run, Plan(run.id, kind, frozenset({Reason.COMPLETED})))
            return
        epochs = {"stopped": 12, "deaf": 40, "limited": 200, "powerless": 6}.get(kind, 2)
        options = [f"iterations={ITERATIONS}", f"step_s={self.chance.choice((0.02, 0.05))}", self._presence()]
        options += {"failing": ["fail_at_epoch=1"], "deaf": ["ignore_term=true", "child=true"]}.get(kind, [])
        turn = Turn(priority=5 if kind == "urgent" else 0, limit_s=1.5 if kind == "limited" else None)
        run = submit_training(
            self.house.scripted.house, self._who(), preset="quick", dataset="fish", turn=turn, gpus=2 if kind == "wide" else 1,
            overrides=Overrides(epochs=epochs, options=tuple(options)),
        )
        if kind == "held":
            queue.hold(self.house.scripted.house, self._who(), run.id)
        expected = {"failing": {Reason.CODE_ERROR}, "limited": {Reason.TIME_LIMIT}}.get(kind, {Reason.COMPLETED})
        self._keep(run, Plan(run.id, kind, frozenset(expected), epochs=epochs, iterations=ITERATIONS))

    def _resume(self, failed: Run) -> None:
        run = resume(self.house.scripted.house, self._who(), failed.id, overrides=Overrides(options=("fail_at_epoch=0",)))
        self._keep(run, Plan(run.id, "resumed", frozenset({Reason.COMPLETED}), epochs=2, iterations=ITERATIONS))

    def _keep(self, run: Run, plan: Plan) -> None:
        self.plans[run.id] = plan
        self._live.add(run.id)

    def _presence(self) -> str:
        return f'presence="{self.house.presence}"'
