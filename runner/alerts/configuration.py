"""The settings group ``alerts:``: own rules, and Alertmanager's configuration under its own names.

Semantics: Alertmanager 0.25 (dispatch/route.go, config/config.go, inhibit/inhibit.go). ``receiver`` is a channel's id, or one of the
words of :class:`Receiver`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from runner.alerts.matching import Labels, Matcher, MatcherText, Span, all_match, matcher
from runner.alerts.rules import Rule, RuleChange, RuleError, merged, with_changes
from runner.alerts.time_intervals import NamedInterval

ALL = "..."
"""In ``group_by``: all labels, so that every alert is a group of its own."""
_CHANNEL = re.compile(r"[A-Za-z0-9][\w.-]{0,79}", re.ASCII)


class Receiver(StrEnum):
    """Words that stand for a channel."""

    HOME = "home"
    """``slack.home_channel``."""
    RUN = "run"
    """The channel of the group's runs; ``group_by`` has to contain ``channel``."""
    NONE = "none"
    """Nobody: listed by ``alerts``, and told nowhere."""


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Route(_Group):
    """A node of the routing tree. What it leaves out it has from its parent, except the time intervals."""

    receiver: str | None = None
    matchers: tuple[MatcherText, ...] = ()
    group_by: tuple[str, ...] | None = None
    group_wait: Span | None = None
    group_interval: Span | None = Field(default=None)
    repeat_interval: Span | None = Field(default=None)
    mute_time_intervals: tuple[str, ...] = ()
    active_time_intervals: tuple[str, ...] = ()
    continue_: bool = Field(default=False, alias="continue")
    routes: tuple[Route, ...] = ()

    @model_serializer(mode="wrap")
    def _without_what_it_inherits(self, write: SerializerFunctionWrapHandler) -> dict[str, object]:
        return {key: value for key, value in write(self).items() if value not in (None, [], (), False)}

    @field_validator("receiver")
    @classmethod
    def _is_channel(cls, name: str | None) -> str | None:
        if name is not None and _CHANNEL.fullmatch(name) is None:
            raise ValueError(f"{name!r} is no channel's id (C0123456789), nor home, run or none")
        return name

    @field_validator("group_interval", "repeat_interval")
    @classmethod
    def _is_longer_than_nothing(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and value <= timedelta():
            raise ValueError("it has to be longer than nothing")
        return value


class InhibitRule(_Group):
    """While an alert fires that matches the source, those that match the target and have the same ``equal`` labels are not told."""

    source_matchers: tuple[MatcherText, ...] = Field(min_length=1)
    target_matchers: tuple[MatcherText, ...] = Field(min_length=1)
    equal: tuple[str, ...] = ()


DEFAULT_ROUTE = Route(
    receiver=Receiver.HOME, group_by=("alertname", "host"), group_wait=timedelta(seconds=30), group_interval=timedelta(minutes=5),
    repeat_interval=timedelta(hours=4), routes=(
        Route(matchers=(matcher('told = "already"'),), receiver=Receiver.NONE),
        Route(matchers=(matcher('channel != ""'),), receiver=Receiver.RUN, group_by=("alertname", "host", "channel")),
    ),
)
"""What was told where it happened is not told again; a run's alerts go to its channel, all others home."""

DEFAULT_INHIBITIONS = (
    InhibitRule(source_matchers=(matcher("alertname = host_unreachable"),), target_matchers=(matcher('host != ""'),), equal=("host",)),
    InhibitRule(source_matchers=(matcher("alertname = signalbox_silent"),), target_matchers=(matcher("alertname = outbox_stuck"),)),
)
"""A host that is down mutes all that is said of it and of its runs. What matches both sides does not mute itself."""


class AlertSettings(_Group):
    """Rules change or add to the built-in ones, by name; routes and inhibitions replace the default ones."""

    rules: dict[str, RuleChange] = Field(default_factory=dict)
    route: Route = DEFAULT_ROUTE
    inhibit_rules: tuple[InhibitRule, ...] = DEFAULT_INHIBITIONS
    time_intervals: tuple[NamedInterval, ...] = ()

    @field_validator("rules")
    @classmethod
    def _sound_rules(cls, changes: dict[str, RuleChange]) -> dict[str, RuleChange]:
        with_changes(changes)
        return changes

    @field_validator("route")
    @classmethod
    def _sound_root(cls, root: Route) -> Route:
        if root.matchers or root.continue_ or root.mute_time_intervals or root.active_time_intervals:
            raise ValueError("the first route takes everything, at any time: matchers, continue and time intervals belong below it")
        if root.receiver is None:
            raise ValueError("the first route needs a receiver: home, run, none or a channel's id")
        return root

    @model_validator(mode="after")
    def _names_are_known(self) -> AlertSettings:
        known = {each.name for each in self.time_intervals}
        for node in flattened(resolved(self.route)):
            unknown = sorted({*node.mute_time_intervals, *node.active_time_intervals} - known)
            if unknown:
                raise ValueError(f"a route names the time interval {unknown[0]!r}, which is none of time_intervals")
            if node.receiver == Receiver.RUN and not {"channel", "run", ALL} & set(node.group_by):
                raise ValueError("a route with the receiver run has to group_by channel: one message stands in one channel")
        return self

    @property
    def all_rules(self) -> Sequence[Rule]:
        """The built-in rules as changed, and one's own; only those that are on."""
        return [rule for rule in self.rules_with({}) if rule.on]

    def rules_with(self, said: Mapping[str, RuleChange]) -> Sequence[Rule]:
        """All rules, as settings and then people changed them. What was said of conditions that are no more is passed over."""
        changes = dict(self.rules)
        for name, change in said.items():
            further = changes | {name: merged(changes.get(name, RuleChange()), change)}
            with suppress(RuleError):
                with_changes(further)
                changes = further
        return with_changes(changes)


@dataclass(frozen=True, slots=True)
class Node:
    """A route with all that it inherits. ``key`` are the matchers on the way to it."""

    key: str
    receiver: str
    matchers: tuple[Matcher, ...]
    group_by: tuple[str, ...]
    group_wait: timedelta
    group_interval: timedelta
    repeat_interval: timedelta
    mute_time_intervals: tuple[str, ...]
    active_time_intervals: tuple[str, ...]
    goes_on: bool
    routes: tuple[Node, ...]

    def match(self, labels: Labels) -> list[Node]:
        """The nodes that take an alert: the deepest that match; behind the first child that does, only where that goes on."""
        if not all_match(self.matchers, labels):
            return []
        found: list[Node] = []
        for child in self.routes:
            taken = child.match(labels)
            found += taken
            if taken and not child.goes_on:
                break
        return found or [self]

    def group_labels(self, labels: Labels) -> dict[str, str]:
        """The labels that an alert's group has in common. A label that is missing is left out."""
        return {name: value for name, value in labels.items() if value and (ALL in self.group_by or name in self.group_by)}


def resolved(route: Route) -> Node:
    """The tree with everything that is inherited."""
    first = Node("", Receiver.NONE, (), (), timedelta(seconds=30), timedelta(minutes=5), timedelta(hours=4), (), (), False, ())
    return _resolved(route, first, "")


def flattened(node: Node) -> Iterator[Node]:
    """A node and all below it."""
    yield node
    for child in node.routes:
        yield from flattened(child)


def _resolved(route: Route, parent: Node, key: str) -> Node:
    # An empty group_by is inherited too, as there: to have no group labels at all, only the first route can leave it out.
    inherited = {name: getattr(parent, name) if getattr(route, name) in (None, ()) else getattr(route, name)
                 for name in ("receiver", "group_by", "group_wait", "group_interval", "repeat_interval")}
    node = Node(
        key=key, matchers=route.matchers, mute_time_intervals=route.mute_time_intervals,
        active_time_intervals=route.active_time_intervals, goes_on=route.continue_, routes=(), **inherited,
    )
    keys = [f"{key}/{{{','.join(map(str, child.matchers))}}}" for child in route.routes]
    same = [f"#{keys[:number].count(each)}" if each in keys[:number] else "" for number, each in enumerate(keys)]
    return replace(node, routes=tuple(
        _resolved(child, node, each + again) for child, each, again in zip(route.routes, keys, same, strict=True)
    ))
