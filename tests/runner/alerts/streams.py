"""Random configurations, and random streams of alerts and silences over them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from runner.alerts.configuration import AlertSettings
from runner.alerts.matching import matcher
from runner.alerts.routing import EMPTY_GROUPS_EVERY, Alert, Notification, Quiet, Silence, State, step

LABELS = ("a", "b", "c")
VALUES = ("1", "2", "3")
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "UTC")
MARGIN = timedelta(seconds=0.15)
DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")


@dataclass
class Act:
    """Something that happens ``after`` the start. ``begun`` and ``done`` are when it really did."""

    after: timedelta
    kind: str  # fire, resolve, silence, expire
    name: str
    labels: dict[str, str] = field(default_factory=dict)
    matchers: list[str] = field(default_factory=list)
    lasts: timedelta = timedelta()
    begun: datetime | None = None
    done: datetime | None = None

    @property
    def moments(self) -> tuple[datetime, ...]:
        """When it matters what else happens."""
        assert self.begun is not None
        assert self.done is not None
        return (self.begun, self.done, self.begun + self.lasts)


def configuration(draw: random.Random, streams: int, now: datetime) -> tuple[dict[str, Any], set[str]]:
    """Alertmanager's configuration with a tree of routes for each stream, and its receivers."""
    receivers = {"root"}

    def node(stream: str, path: str, depth: int) -> dict[str, Any]:
        name = f"s{stream}-{path}"
        receivers.add(name)
        made: dict[str, Any] = {"receiver": name, "matchers": [f'stream="{stream}"'] if depth == 0 else some_matchers(draw)}
        if depth == 0 or draw.random() < 0.5:
            made["group_by"] = draw.choice([["a"], ["a", "b"], ["b"], ["..."], ["c", "a"], []])
        if draw.random() < 0.3 and depth:
            made["continue"] = True
        if draw.random() < 0.2:
            times = draw.choice(["mute_time_intervals", "active_time_intervals"])
            made[times] = draw.sample(["now", "never", "zoned"], draw.choice([1, 2]))
        if depth < 2:
            children = range(draw.choice([0, 1, 2, 3]))
            made["routes"] = [node(stream, f"{path}{number}", depth + 1) for number in children]
        return made

    here = now.astimezone(ZoneInfo(draw.choice(ZONES)))
    zoned = {"weekdays": [DAYS[here.isoweekday() % 7]], "days_of_month": [str(here.day)], "years": [f"{here.year}:{here.year + 1}"],
             "location": str(here.tzinfo)}
    if 1 <= here.hour <= 21:
        zoned["times"] = [{"start_time": f"{here.hour - 1:02}:00", "end_time": f"{here.hour + 2:02}:00"}]
    other = (now + timedelta(days=3)).astimezone(ZoneInfo("UTC"))
    rules = []
    for stream in map(str, range(streams)):
        for _ in range(draw.choice([0, 1, 2])):
            source, target = ([f'stream="{stream}"', *some_matchers(draw)] for _ in range(2))
            equal = draw.sample(LABELS, draw.choice([0, 1, 2]))
            rules.append({"source_matchers": source, "target_matchers": target, "equal": equal})
    return {
        "route": {"receiver": "root", "group_wait": "1s", "group_interval": "2s", "repeat_interval": "10s",
                  "routes": [node(str(stream), "0", 0) for stream in range(streams)]},
        "inhibit_rules": rules,
        "time_intervals": [
            {"name": "now", "time_intervals": [{"months": ["1:6", "july:december"]}]},
            {"name": "never", "time_intervals": [{"weekdays": [DAYS[other.isoweekday() % 7]], "days_of_month": [str(other.day)]}]},
            {"name": "zoned", "time_intervals": [zoned]},
        ],
    }, receivers


def some_matchers(draw: random.Random) -> list[str]:
    """One or two matchers that match about half of all alerts."""
    shapes = ('{0}="{1}"', '{0}!="{1}"', '{0}=~"{1}|{2}"', '{0}!~"[{1}{2}]"', '{0}=~".+"', '{0}=""', "{0}=~\"({1})?\"")
    names = draw.sample(LABELS, draw.choice([1, 1, 2]))
    return [draw.choice(shapes).format(name, *draw.sample(VALUES, 2)) for name in names]


def stream(draw: random.Random, number: int, settings: AlertSettings, *, lasts_s: float, start: datetime) -> list[Act]:
    """A stream of which nothing falls on the moment at which a group is looked at, by our own reckoning."""
    alerts = []
    for index in range(6):
        labels = {name: draw.choice(VALUES) for name in LABELS if draw.random() < 0.8}
        alerts.append({"alertname": f"alert{index}", "stream": str(number), **labels})
    clock, acts, firing, silences = Clock(settings, start), [], set(), []
    at = timedelta(seconds=draw.uniform(0.5, 1.5))
    while at.total_seconds() < lasts_s:
        clock.run_until(start + at)
        if clock.near(start + at, MARGIN):
            at += timedelta(seconds=0.1)
            continue
        act = _act(draw, at, alerts, firing, silences)
        acts.append(act)
        act.begun = act.done = start + at
        clock.take(act)
        at += timedelta(seconds=draw.choice([draw.uniform(0.2, 1.0), draw.uniform(0.5, 4.0), draw.uniform(2.0, 9.0)]))
    return acts


def _act(draw: random.Random, at: timedelta, alerts: list[dict[str, str]], firing: set[str], silences: list[str]) -> Act:
    chance = draw.random()
    if silences and chance < 0.06:
        return Act(at, "expire", silences.pop())
    if chance < 0.15:
        name = f"silence{at}"
        silences.append(name)
        return Act(at, "silence", name, {"stream": alerts[0]["stream"]}, some_matchers(draw), timedelta(seconds=draw.uniform(2, 9)))
    labels = draw.choice(alerts)
    name = labels["alertname"]
    firing ^= {name}
    return Act(at, "fire" if name in firing else "resolve", name, labels)


class Clock:
    """Our own routing, stepped at the very moments at which something happens or is due."""

    def __init__(self, settings: AlertSettings, start: datetime) -> None:
        self.settings = settings
        self.state = State(groups_cleared_at=start, log_cleared_at=start)
        self.firing: dict[str, Alert] = {}
        self.silences: dict[str, Silence] = {}
        self.told: list[tuple[datetime, Notification]] = []
        self.looks: list[datetime] = []

    def run_until(self, moment: datetime) -> None:
        while True:
            assert self.state.groups_cleared_at is not None
            due = min(filter(None, (self.state.due_at, self.state.groups_cleared_at + EMPTY_GROUPS_EVERY)))
            if due >= moment:
                return
            self.step(due)

    def step(self, now: datetime) -> None:
        if self.state.due_at is not None and self.state.due_at <= now:
            self.looks.append(now)
        self.state, notifications = step(self.state, self.firing.values(), self.settings, now, Quiet(tuple(self.silences.values())))
        self.told += [(now, each) for each in notifications]

    def near(self, moment: datetime, margin: timedelta) -> bool:
        looks = [group.due_at for group in self.state.groups.values()] + self.looks[-12:]
        assert self.state.groups_cleared_at is not None
        clears = (self.state.groups_cleared_at, self.state.groups_cleared_at + EMPTY_GROUPS_EVERY)
        return any(abs(moment - look) < margin for look in looks) or any(abs(moment - clear) < 4 * margin for clear in clears)

    def take(self, act: Act) -> None:
        assert act.done is not None
        self.run_until(act.done)
        match act.kind:
            case "fire":
                self.firing[act.name] = Alert(act.labels, act.done)
            case "resolve":
                del self.firing[act.name]
            case "silence":
                stream_only = matcher(f'stream="{act.labels["stream"]}"')
                matchers = (stream_only, *map(matcher, act.matchers))
                self.silences[act.name] = Silence(act.name, matchers, act.done, act.begun + act.lasts, "test", "test")
            case "expire":
                self.silences.pop(act.name, None)
        self.step(act.done)
