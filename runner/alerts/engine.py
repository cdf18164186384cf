"""Looks at the house every few seconds and records what is to be told: the state and the event of a notification in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from runner.alerts.evaluation import Known, look
from runner.alerts.observing import Observer
from runner.alerts.routing import Alert, Notification, Quiet, Told, rerouted, step
from runner.alerts.rules import Rule, RuleChange
from runner.service.house import House
from runner.store import alerts, events
from runner.store.connection import to_text

EVERY = timedelta(seconds=5)
EVENT = "alert"
TOLD_IN_THREADS = 3
"""Alerts. Of so many at once each is also told in its run's thread; more would be a storm there."""
MOST_LISTED = 20
"""Alerts of a group that its message can show; the rest is counted, and those that are new are kept for triggers."""


class AlertEngine:
    """The runner's own, in its thread. What fires survives a restart; what was about to fire has to hold anew."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._observer = Observer(house)
        self._settings = house.settings.alerts
        self._said: Mapping[str, RuleChange] | None = None
        self._rules: Sequence[Rule] = ()
        self._looked_at: datetime | None = None
        self._state = rerouted(alerts.state(house.store.reading()), self._settings, house.now())
        self._known = Known(house.now(), firing=self._state.firing)

    def look(self) -> None:
        """Look, if it is time to."""
        now = self._house.now()
        if self._looked_at is not None and timedelta() <= now - self._looked_at < EVERY:
            return
        self._looked_at = now
        self._take_rules()
        self._known = look(self._rules, self._observer.look(), self._known)
        db = self._house.store.reading()
        acked = alerts.acks(db)
        quiet = Quiet(alerts.silences(db, now=now), frozenset(acked))
        state, notifications = step(self._state, self._known.firing.values(), self._settings, now, quiet)
        if notifications or (state.firing, state.groups, state.log) != (self._state.firing, self._state.groups, self._state.log):
            with self._house.store.writing() as writing:
                alerts.keep_state(writing, state)
                alerts.forget_acks(writing, acked.keys() - state.firing.keys())
                for each in notifications:
                    events.record(writing, EVENT, at=now, payload=payload(each, state.log[each.key]))
        self._state = state

    def _take_rules(self) -> None:
        """The rules as people have them now."""
        said = alerts.said_of_rules(self._house.store.reading())
        if said != self._said:
            self._said, self._rules = said, [rule for rule in self._settings.rules_with(said) if rule.on]


def payload(told: Notification, line: Told) -> dict[str, object]:
    """What the event of a notification says: all that its messages show, as plain values."""
    return {
        "group": group_id(told.key), "receiver": told.receiver, "why": told.why.value, "labels": dict(told.group_labels),
        "message": f"alert:{group_id(told.key)}:{to_text(line.message_at)}", "fresh": told.fresh,
        "firing": _listed(told.firing), "resolved": _listed(told.resolved), "fires": len(told.firing), "ended": len(told.resolved),
        "new": len(told.new), "owners": sorted({each.labels["owner"] for each in told.new if "owner" in each.labels}),
        "all_new": [] if len(told.new) <= MOST_LISTED else _listed(told.new, most=len(told.new)),
        "of_runs": _listed(told.new + told.resolved) if len(told.new + told.resolved) <= TOLD_IN_THREADS else [],
    }


def _listed(found: Iterable[Alert], *, most: int = MOST_LISTED) -> list[Mapping[str, object]]:
    newest_first = sorted(found, key=lambda alert: (alert.starts_at, alert.id), reverse=True)[:most]
    return [
        {"id": alert.id, "short": alert_id(alert), "labels": dict(alert.labels), "since": to_text(alert.starts_at),
         "until": to_text(alert.ends_at), "detail": alert.detail}
        for alert in newest_first
    ]


def alert_id(alert: Alert) -> str:
    """What people call an alert by."""
    return "a-" + hashlib.sha256(alert.id.encode()).hexdigest()[:6]


def group_id(key: str) -> str:
    """What buttons call a group by."""
    return "g-" + hashlib.sha256(key.encode()).hexdigest()[:8]
