"""A month of a team of twelve on four servers with four GPUs each, played through the queue in seconds; against two other orders.

Arrivals are like those that teams record: bursts in working hours, little at night, a few people who ask for much more than others,
lengths from minutes to days (log-normal), some on two or four GPUs, estimates that are wrong by a third either way. The same trace
goes through our order, first come first served, and the multifactor order of Slurm (priority/multifactor: age up to seven days and
the fair-share factor 2^(-used/share), equal weights), all with the same placement and backfill.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from statistics import mean, median

from runner.queueing.decide import Order, decide
from runner.queueing.facts import Device, Running, Scene, Waiting
from runner.queueing.order import ordered
from runner.queueing.policy import Policy

BEGIN = datetime(2026, 11, 2, tzinfo=UTC)
PEOPLE = tuple(f"p{number:02}" for number in range(12))
HOSTS = tuple(f"gpu{number}" for number in range(4))
DEVICES = tuple(Device(host, f"{host}-{index}", index, "A100", 80_000) for host in HOSTS for index in range(4))
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """A run of the trace: ``lasts_s`` is the truth, what is known beforehand is in ``waiting``."""

    waiting: Waiting
    lasts_s: float


@dataclass(slots=True)
class Month:
    """What became of a trace. ``waits_h`` by person; ``idle_share``: of the GPU time, how much was idle on hosts with enough of it
    for somebody who waited; ``shortfall``: by how much of an equal share those who waited had less, on average over the time they
    did."""

    waits_h: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    idle_s: float = 0.0
    all_s: float = 0.0
    lacked: float = 0.0
    waited: float = 0.0

    def account(self, scene: Scene, seconds: float) -> None:
        """What the next ``seconds`` are like."""
        busy = Counter(run.host for run in scene.running for _ in run.devices)
        least = min((run.devices for run in scene.waiting), default=99)
        self.idle_s += seconds * sum(4 - busy[host] for host in HOSTS if 4 - busy[host] >= least)
        self.all_s += seconds * len(DEVICES)
        held: Counter[str] = Counter()
        for run in scene.running:
            held[run.owner] += len(run.devices)
        hungry = {run.owner for run in scene.waiting}
        fair = len(DEVICES) / max(1, len(hungry | set(held)))
        self.lacked += seconds * sum(max(0.0, 1 - held[person] / fair) for person in hungry)
        self.waited += seconds * len(hungry)

    def line(self, name: str) -> str:
        """One row of the table."""
        every = sorted(hours for each in self.waits_h.values() for hours in each)
        light = [median(self.waits_h[person]) for person in PEOPLE[6:] if self.waits_h[person]]
        return (
            f"{name:28} {median(every):7.2f} {every[int(len(every) * 0.9)]:7.1f} {every[-1]:7.1f} {mean(light):11.2f} "
            f"{self.lacked / max(1.0, self.waited):10.1%} {self.idle_s / self.all_s:9.2%}"
        )


HEADING = f"{'order':28} {'median':>7} {'p90':>7} {'longest':>7} {'light users':>11} {'shortfall':>10} {'idle':>9}   (waits in hours)"


def trace(*, seed: int = 1, days: int = 30, load: float = 0.93) -> list[Arrival]:
    """Arrivals that want ``load`` of what the GPUs can give."""
    chance, arrivals, wanted = random.Random(seed), list[Arrival](), 0.0
    while wanted < load * len(DEVICES) * days * DAY_S:
        day = BEGIN + timedelta(days=chance.randrange(days))
        if day.weekday() >= 5 and chance.random() < 0.8:
            continue
        hour = chance.gauss(14, 3.5) if chance.random() < 0.85 else chance.uniform(0, 24)
        owner = chance.choices(PEOPLE, [1.0 / (1 + index) for index in range(len(PEOPLE))])[0]
        devices = chance.choices((1, 2, 4), (0.75, 0.15, 0.10))[0]
        for number in range(chance.choices((1, 4, 12), (0.8, 0.15, 0.05))[0]):
            lasts_s = min(4 * DAY_S, chance.lognormvariate(9.2, 1.1))
            known = lasts_s * chance.uniform(0.7, 1.4) if chance.random() < 0.8 else None
            limit = max(known, lasts_s) * 1.5 if known and chance.random() < 0.4 else None
            at = day + timedelta(hours=min(23.9, max(0.0, hour)), seconds=number)
            arrivals.append(Arrival(Waiting(f"r-{len(arrivals):05}", owner, at, HOSTS, devices, lasts_s=known, limit_s=limit), lasts_s))
            wanted += devices * lasts_s
    return sorted(arrivals, key=lambda arrival: arrival.waiting.submitted_at)


def play(arrivals: Sequence[Arrival], order: Order, policy: Policy = Policy()) -> Month:
    """The trace from its first arrival to its last end; a decision at every arrival and every end."""
    month, truth = Month(), {arrival.waiting.id: arrival for arrival in arrivals}
    coming, ends = list(reversed(arrivals)), list[tuple[datetime, str]]()
    waiting: dict[str, Waiting] = {}
    running: dict[str, Running] = {}
    used, now = dict.fromkeys(PEOPLE, 0.0), BEGIN
    while coming or ends:
        earlier, now = now, min([each.waiting.submitted_at for each in coming[-1:]] + [end for end, _ in ends[:1]])
        seconds = (now - earlier).total_seconds()
        month.account(Scene(tuple(waiting.values()), tuple(running.values()), DEVICES, earlier), seconds)
        used = {person: value * 0.5 ** (seconds / DAY_S / policy.half_life_days) for person, value in used.items()}
        for run in running.values():
            used[run.owner] += seconds * len(run.devices)
        while coming and coming[-1].waiting.submitted_at <= now:
            arrived = coming.pop().waiting
            waiting[arrived.id] = arrived
        while ends and ends[0][0] <= now:
            del running[heapq.heappop(ends)[1]]
        shown = tuple(run if run.ends_at is None or run.ends_at > now else replace(run, ends_at=None) for run in running.values())
        for start in decide(Scene(tuple(waiting.values()), shown, DEVICES, now, used=used), policy, order).starts:
            begun = waiting.pop(start.run_id)
            month.waits_h[begun.owner].append((now - begun.submitted_at).total_seconds() / 3600)
            known = now + timedelta(seconds=begun.lasts_s) if begun.lasts_s else None
            running[begun.id] = Running(begun.id, begun.owner, start.host, start.devices, ends_at=known)
            heapq.heappush(ends, (now + timedelta(seconds=truth[begun.id].lasts_s), begun.id))
    assert not waiting, "every run was started"
    return month


def first_come(scene: Scene, _: Policy) -> list[Waiting]:
    """Nothing but when it was submitted."""
    return sorted(scene.waiting, key=lambda run: (run.submitted_at, run.id))


def multifactor(scene: Scene, _: Policy) -> list[Waiting]:
    """As Slurm's documentation of priority/multifactor has it, with equal weights for age (PriorityMaxAge 7 days) and fair share."""
    total = sum(scene.used.values()) or 1.0
    factor = {person: 2 ** (-(scene.used.get(person, 0.0) / total) * len(PEOPLE)) for person in PEOPLE}

    def priority(run: Waiting) -> float:
        return min(1.0, (scene.now - run.submitted_at).total_seconds() / (7 * DAY_S)) + factor[run.owner]

    return sorted(scene.waiting, key=lambda run: (-priority(run), run.submitted_at, run.id))


ORDERS: dict[str, Order] = {"Signalbox": ordered, "first come, first served": first_come, "Slurm's multifactor": multifactor}


if __name__ == "__main__":
    arrivals = trace()
    print(f"{len(arrivals)} runs\n{HEADING}")
    for name, order in ORDERS.items():
        print(play(arrivals, order).line(name))
