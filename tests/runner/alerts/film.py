"""A training as the house sees it, played on a clock of its own: points come, the host speaks or not, the GPUs work or rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from runner.alerts.configuration import AlertSettings
from runner.alerts.course import Course, Measured
from runner.alerts.evaluation import Known, look
from runner.alerts.routing import Alert
from runner.alerts.rules import Rule
from runner.alerts.scene import HostSeen, RunSeen, Scene
from runner.entities import Progress
from runner.evidence import DeviceUse
from runner.specs import Kind
from runner.states import Reason

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
EVERY = timedelta(seconds=5)
RULES: tuple[Rule, ...] = tuple(AlertSettings().all_rules)
GPU = DeviceUse("GPU-0", 0, "H200", 140_000, 20_000, utilization_percent=95, temperature_c=60, processes=())


@dataclass
class Film:
    """``fired`` are the alerts so far, by their rule's name, with the seconds from the start at which they fired."""

    rules: Sequence[Rule] = RULES
    now: datetime = NOON
    ahead: timedelta = timedelta()
    """How far the host's clock is before ours."""
    host: HostSeen = field(default_factory=lambda: HostSeen("gpu1", NOON, NOON, devices=(GPU,)))
    run: RunSeen = field(default_factory=lambda: RunSeen(
        "r-7f3k", Kind.TRAIN, Reason.WORKING.state, Reason.WORKING, NOON, NOON, channel="C1", owner="U1", preset="nano", dataset="fish",
        host="gpu1", claimed_at=NOON, log_grown_at=NOON, devices=("GPU-0",), epochs=20,
    ))
    known: Known = field(default_factory=lambda: Known(NOON))
    fired: dict[str, float] = field(default_factory=dict)

    @property
    def at_s(self) -> float:
        return (self.now - NOON).total_seconds()

    @property
    def firing(self) -> set[str]:
        return {alert.labels["alertname"] for alert in self.known.firing.values()}

    def alert(self, name: str) -> Alert:
        return next(alert for alert in self.known.firing.values() if alert.labels["alertname"] == name)

    def scene(self) -> Scene:
        return Scene(self.now, [self.run], {"gpu1": self.host})

    def pass_s(self, seconds: float, *, heard: bool = True, looks: bool = True, busy: bool = True) -> None:
        """Time goes by; the log does not grow."""
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            self.now = min(end, self.now + EVERY)
            if heard:
                device = replace(GPU, utilization_percent=95 if busy else 0)
                self.host = replace(self.host, seen_at=self.now, host_time=self.now + self.ahead, trouble="", devices=(device,))
            if looks:
                self.known = look(self.rules, self.scene(), self.known)
                for name in self.firing:
                    self.fired.setdefault(name, self.at_s)

    def grow(self) -> None:
        """The log grows, by something that is no point."""
        self.run = replace(self.run, log_grown_at=self.now + self.ahead)

    def point(self, point: Progress, *, after_s: float = 0.0, busy: bool = True) -> None:
        """A point is logged, so long after what came before."""
        self.pass_s(after_s, busy=busy)
        self.grow()
        self.run.course.take(point, self.now)

    def train(
        self, epochs: int, *, points: int = 20, step_s: float = 0.5, stride: int = 50, first_epoch: int = 1, loss: float = 2.0,
        validation_s: float = 0.0, first_s: float = 0.0,
    ) -> None:
        """Healthy epochs; the loss falls slowly. A validation prints nothing."""
        self.pass_s(first_s)
        for epoch in range(first_epoch, first_epoch + epochs):
            for number in range(1, points + 1):
                falling = loss / (epoch + number / points)
                self.point(Progress(epoch, number * stride, points * stride, falling, 0.01, step_s=step_s), after_s=step_s * stride)
            self.pass_s(validation_s)

    def stop_within_an_epoch(self, epoch: int = 9) -> float:
        """Some points more, and then none; returns when that was."""
        for number in range(1, 5):
            self.point(Progress(epoch, number * 50, 1000, 0.5, step_s=0.5), after_s=25)
        return self.at_s

    def measure(self, *aps: float) -> None:
        """Evaluations after epochs 1, 2, …"""
        self.run = replace(self.run, evaluations=[Measured(epoch, ap) for epoch, ap in enumerate(aps, start=1)])

    def restart(self) -> None:
        """A new attempt: its points are counted anew."""
        self.run = replace(self.run, course=Course(), claimed_at=self.now, log_grown_at=self.now + self.ahead)
