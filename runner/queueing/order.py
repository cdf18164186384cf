"""Whose turn it is: priority, then who has used less than their share, then who came first."""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from runner.queueing.facts import Running, Scene, Waiting
from runner.queueing.policy import Policy

Order = Callable[[Scene, Policy], Sequence[Waiting]]
UNKNOWN_S = 4 * 3600.0
"""How long a run is taken to last that nobody has measured."""


def decayed(spans: Iterable[tuple[str, datetime, datetime, int]], *, now: datetime, half_life_days: float) -> dict[str, float]:
    """What each person has used: GPU seconds, each counting half for every half-life that has passed since.

    ``spans`` are (person, began, ended or now, devices). The decay inside a span is integrated, so that it does not matter into how
    many spans a training is cut.
    """
    rate = math.log(2) / timedelta(days=half_life_days).total_seconds()
    used: defaultdict[str, float] = defaultdict(float)
    for person, began, ended, devices in spans:
        older, newer = (now - began).total_seconds(), (now - min(ended, now)).total_seconds()
        used[person] += devices * (math.exp(-rate * newer) - math.exp(-rate * older)) / rate
    return dict(used)


def ordered(scene: Scene, policy: Policy) -> list[Waiting]:
    """Everything that waits, the next one first.

    Within a priority, what was moved stands before all else. Then people take turns: next is whoever has used least of their share,
    where what they run now and what stands before in the queue counts as if it had been used already. Of one person's runs, the
    one submitted first goes first. Nobody starves: what somebody has used counts half for every ``patience_days`` that their first
    run has waited.
    """
    taken = defaultdict(float, scene.used)
    for running in scene.running:
        taken[running.owner] += len(running.devices) * _remains_s(running, scene.now)
    result: list[Waiting] = []
    for _, group in groupby(sorted(scene.waiting, key=_first_come), key=lambda run: run.priority):
        runs = list(group)
        moved = [run for run in runs if run.place is not None]
        for run in moved:
            taken[run.owner] += _will_use(run)
        result += moved
        result += _in_turns([run for run in runs if run.place is None], taken, policy, scene.now)
    return result


def goes_first(first: Waiting, then: Waiting, scene: Scene, policy: Policy) -> str:
    """Why one run stands before another, in words that follow a colon."""
    if first.priority != then.priority:
        return f"its priority is {first.priority}, and this one's is {then.priority}"
    if first.place is not None and (then.place is None or first.place < then.place):
        return "somebody moved it to the front"
    if first.owner == then.owner:
        return "it was submitted before"
    taken = {first.owner: 0.0, then.owner: 0.0, **scene.used}
    age = f"what is {policy.half_life_days:g} days old counts half"
    if _share(taken, first, policy) < _share(taken, then, policy):
        return f"of late {first.owner} has used {_hours(taken[first.owner])} and {then.owner} {_hours(taken[then.owner])} ({age})"
    for running in scene.running:
        taken[running.owner] = taken.get(running.owner, 0.0) + len(running.devices) * _remains_s(running, scene.now)
    if _share(taken, first, policy) < _share(taken, then, policy):
        return f"with what runs now {first.owner} takes {_hours(taken[first.owner])} and {then.owner} {_hours(taken[then.owner])} ({age})"
    if first.submitted_at < then.submitted_at:
        return "it has waited longer"
    return f"{then.owner} has other runs that stand before this one, and people take turns"


def _share(taken: Mapping[str, float], run: Waiting, policy: Policy) -> float:
    return taken[run.owner] / policy.weights.get(run.owner, 1.0)


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:,.0f} GPU hours" if hours >= 10 else f"{hours:.1f} GPU hours"


def _in_turns(queue: Sequence[Waiting], taken: defaultdict[str, float], policy: Policy, now: datetime) -> list[Waiting]:
    """The people's own queues merged into one."""
    of_person: defaultdict[str, list[Waiting]] = defaultdict(list)
    for run in queue:
        of_person[run.owner].append(run)

    weights, patient = policy.weights, timedelta(days=policy.patience_days)

    def turn(person: str, at: int) -> tuple[float, datetime, str, int]:
        submitted_at = of_person[person][at].submitted_at
        return taken[person] / weights.get(person, 1.0) * 0.5 ** ((now - submitted_at) / patient), submitted_at, person, at

    turns = [turn(person, 0) for person in of_person]
    heapq.heapify(turns)
    result: list[Waiting] = []
    while turns:
        _, _, person, at = turns[0]
        runs = of_person[person]
        result.append(runs[at])
        taken[person] += _will_use(runs[at])
        if at + 1 < len(runs):
            heapq.heapreplace(turns, turn(person, at + 1))
        else:
            heapq.heappop(turns)
    return result


def _first_come(run: Waiting) -> tuple[float, float, datetime, str]:
    return (-run.priority, math.inf if run.place is None else run.place, run.submitted_at, run.id)


def _will_use(run: Waiting) -> float:
    return max(1, run.total) * (run.lasts_s or UNKNOWN_S)


def _remains_s(run: Running, now: datetime) -> float:
    return UNKNOWN_S if run.ends_at is None else max(0.0, (run.ends_at - now).total_seconds())
