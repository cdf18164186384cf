"""Who is told what, and when: Alertmanager 0.25's dispatcher and notification pipeline as one pure step.

Sources: dispatch/dispatch.go (groups, their waits and flushes), inhibit/inhibit.go, silence/silence.go, notify/notify.go (the order of
the stages, what the notification log says of a repeat), nflog/nflog.go. What is ours alone: ``acked`` alerts are not repeated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from runner.alerts.configuration import AlertSettings, InhibitRule, Node, flattened, resolved
from runner.alerts.matching import Labels, Matcher, all_match, fingerprint

EMPTY_GROUPS_EVERY = timedelta(seconds=30)
LOG_EVERY = timedelta(minutes=15)
LOG_KEPT = timedelta(hours=120)


@dataclass(frozen=True, slots=True)
class Alert:
    """Something is wrong since ``starts_at``; over since ``ends_at``. Its labels are what it is; ``detail`` says it with numbers."""

    labels: Labels
    starts_at: datetime
    ends_at: datetime | None = None
    detail: str = ""

    @property
    def id(self) -> str:
        """The same for the same labels."""
        return fingerprint(self.labels)


@dataclass(frozen=True, slots=True)
class Silence:
    """What matches is not told from ``starts_at`` until ``ends_at``."""

    id: str
    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    creator: str
    reason: str

    def mutes(self, labels: Labels, *, now: datetime) -> bool:
        """Whether it holds for these labels at a moment."""
        return self.starts_at <= now < self.ends_at and all_match(self.matchers, labels)


@dataclass(frozen=True, slots=True)
class Told:
    """The notification log's last line of a group: what was told when."""

    at: datetime
    firing: frozenset[str]
    resolved: frozenset[str]
    forgotten_at: datetime
    message_at: datetime
    """When the message was posted that is edited since."""


@dataclass(frozen=True, slots=True)
class Group:
    """Alerts of one route with the same group labels. It is looked at again at ``due_at``."""

    route: str
    labels: Labels
    due_at: datetime
    flushed: bool = False
    alerts: Mapping[str, Alert] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class State:
    """All that has to survive a restart. ``firing`` are the alerts of the last step; the keys of groups and log lines are alike."""

    firing: Mapping[str, Alert] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    log: Mapping[str, Told] = field(default_factory=dict)
    groups_cleared_at: datetime | None = None
    log_cleared_at: datetime | None = None

    @property
    def due_at(self) -> datetime | None:
        """When the next group is to be looked at, if nothing changes before."""
        return min((group.due_at for group in self.groups.values()), default=None)


class Why(StrEnum):
    """Why a notification is sent."""

    NEW = "new"
    CHANGED = "changed"
    RESOLVED = "resolved"
    REPEAT = "repeat"


@dataclass(frozen=True, slots=True)
class Notification:
    """A group's alerts as ``receiver`` shall see them: what fires, and what has ended since the last time."""

    key: str
    receiver: str
    group_labels: Labels
    why: Why
    firing: tuple[Alert, ...]
    resolved: tuple[Alert, ...]
    new: tuple[Alert, ...] = ()
    """Those of ``firing`` that were not told yet."""

    @property
    def fresh(self) -> bool:
        """Whether it wants a message of its own; else the one that stands there says it."""
        return self.why in (Why.NEW, Why.REPEAT)


@dataclass(frozen=True, slots=True)
class Quiet:
    """What people have muted: silences, and ``acked`` alerts, by id."""

    silences: Sequence[Silence] = ()
    acked: frozenset[str] = frozenset()


def step(
    state: State, alerts: Iterable[Alert], settings: AlertSettings, now: datetime, quiet: Quiet = Quiet()
) -> tuple[State, list[Notification]]:
    """One look: ``alerts`` are all that fire now; what fired before and is not among them has ended now."""
    root = resolved(settings.route)
    firing = {each.id: each for each in alerts}
    ended = [replace(each, ends_at=now) for key, each in state.firing.items() if key not in firing]
    # Firing again with another start, it ended in between: Alertmanager replaces the one by the other.
    changed = [each for key, each in firing.items() if key not in state.firing or state.firing[key] != each]
    groups, log, cleared = _cleared(state, now, quiet.acked)
    groups = _with(groups, [*ended, *changed], root, now)
    nodes = {node.key: node for node in flattened(root)}
    notifications: list[Notification] = []
    mutes = muting(settings, firing.values(), quiet, now)
    for key, group in sorted(groups.items(), key=lambda item: item[1].due_at):
        node = nodes.get(group.route)
        if node is None:  # the configuration has changed; its alerts are in other groups by now
            del groups[key]
        elif group.due_at <= now:
            told = _notify(key, group, node, log.get(key), mutes)
            groups[key] = _flushed(group, node, now)
            if told is not None:
                notifications.append(told)
                log[key] = _line(told, node, log.get(key), now)
    return State(firing, groups, log, *cleared), notifications


def rerouted(state: State, settings: AlertSettings, now: datetime) -> State:
    """The state under another configuration: every alert in the groups where it belongs now. What was told is remembered."""
    groups = _with(dict(state.groups), state.firing.values(), resolved(settings.route), now)
    return replace(state, groups=groups)


def _cleared(state: State, now: datetime, acked: frozenset[str]) -> tuple[dict[str, Group], dict[str, Told], tuple[datetime, datetime]]:
    """Groups and log without what Alertmanager's maintenance takes away, and when that was done last."""
    groups, log = dict(state.groups), dict(state.log)
    groups_at, log_at = state.groups_cleared_at or now, state.log_cleared_at or now
    if now - groups_at >= EMPTY_GROUPS_EVERY:
        groups, groups_at = {key: group for key, group in groups.items() if group.alerts}, now
    if now - log_at >= LOG_EVERY:
        log, log_at = {key: told for key, told in log.items() if told.forgotten_at > now or told.firing & acked}, now
    return groups, log, (groups_at, log_at)


def _with(groups: dict[str, Group], changes: Iterable[Alert], root: Node, now: datetime) -> dict[str, Group]:
    """The groups with alerts that are new, or have ended. A group that was never looked at waits no longer than its oldest alert did."""
    for alert in changes:
        for node in root.match(alert.labels):
            labels = node.group_labels(alert.labels)
            key = f"{node.key}:{fingerprint(labels)}"
            group = groups.get(key) or Group(node.key, labels, now + node.group_wait)
            overdue = not group.flushed and alert.starts_at + node.group_wait < now
            due_at = min(group.due_at, now) if overdue else group.due_at
            groups[key] = replace(group, alerts={**group.alerts, alert.id: alert}, due_at=due_at)
    return groups


def _flushed(group: Group, node: Node, now: datetime) -> Group:
    """What has ended was told, or will never be."""
    alerts = {key: alert for key, alert in group.alerts.items() if alert.ends_at is None}
    return replace(group, due_at=now + node.group_interval, flushed=True, alerts=alerts)


@dataclass(frozen=True, slots=True)
class Muting:
    """What keeps alerts from being told at one moment. ``sources`` are the alerts that inhibit, by rule."""

    settings: AlertSettings
    sources: Sequence[tuple[InhibitRule, Sequence[Alert]]]
    quiet: Quiet
    now: datetime

    def silence(self, alert: Alert) -> Silence | None:
        """The first silence that holds for an alert."""
        return next((silence for silence in self.quiet.silences if silence.mutes(alert.labels, now=self.now)), None)

    def inhibitor(self, alert: Alert) -> Alert | None:
        """The first alert that inhibits another."""
        return next((source for rule, sources in self.sources if (source := _inhibitor(rule, sources, alert.labels))), None)

    def mutes(self, alert: Alert) -> bool:
        """Whether an alert is not to be told now."""
        return self.silence(alert) is not None or self.inhibitor(alert) is not None

    def out_of_hours(self, node: Node) -> bool:
        """Whether a route tells nothing at this time."""
        named = {each.name: each for each in self.settings.time_intervals}
        active, muted = node.active_time_intervals, node.mute_time_intervals
        asleep = bool(active) and not any(named[name].contains(self.now) for name in active)
        return asleep or any(named[name].contains(self.now) for name in muted)


def muting(settings: AlertSettings, firing: Iterable[Alert], quiet: Quiet, now: datetime) -> Muting:
    """What keeps alerts from being told while these fire."""
    every = list(firing)
    sources = [(rule, [each for each in every if all_match(rule.source_matchers, each.labels)]) for rule in settings.inhibit_rules]
    return Muting(settings, sources, quiet, now)


def _inhibitor(rule: InhibitRule, sources: Sequence[Alert], labels: Labels) -> Alert | None:
    """What matches both sides is not inhibited by what does as well, itself included."""
    if not sources or not all_match(rule.target_matchers, labels):
        return None
    both_sides = all_match(rule.source_matchers, labels)
    return next((
        source for source in sources
        if all(source.labels.get(name, "") == labels.get(name, "") for name in rule.equal)
        and not (both_sides and all_match(rule.target_matchers, source.labels))
    ), None)


def _notify(key: str, group: Group, node: Node, told: Told | None, mutes: Muting) -> Notification | None:
    """What is to be said of a group that is due; None where nothing is."""
    alerts = [] if mutes.out_of_hours(node) else [alert for alert in group.alerts.values() if not mutes.mutes(alert)]
    firing = tuple(alert for alert in alerts if alert.ends_at is None)
    ended = tuple(alert for alert in alerts if alert.ends_at is not None)
    why = _why(told, firing, ended, node, mutes) if alerts else None
    if why is None:
        return None
    known = told.firing if told else frozenset()
    return Notification(key, node.receiver, group.labels, why, firing, ended, tuple(alert for alert in firing if alert.id not in known))


def _why(told: Told | None, firing: Sequence[Alert], ended: Sequence[Alert], node: Node, mutes: Muting) -> Why | None:
    known = told.firing if told else frozenset()
    fires = {alert.id for alert in firing}
    if not fires <= known:
        return Why.CHANGED if known else Why.NEW
    if not fires:
        return Why.RESOLVED if known else None
    assert told is not None
    if not {alert.id for alert in ended} <= told.resolved:
        return Why.CHANGED
    # Strictly later, as there: so a repeat falls on the first flush after the interval.
    return Why.REPEAT if told.at < mutes.now - node.repeat_interval and not fires <= mutes.quiet.acked else None


def _line(told: Notification, node: Node, before: Told | None, now: datetime) -> Told:
    kept = min(LOG_KEPT, 2 * node.repeat_interval)
    firing, ended = (frozenset(each.id for each in alerts) for alerts in (told.firing, told.resolved))
    return Told(now, firing, ended, now + kept, now if told.fresh or before is None else before.message_at)
