"""From findings to alerts: every rule looks by itself, and what it finds has to hold for its ``for`` before it fires."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from runner.alerts.conditions import CONDITIONS
from runner.alerts.matching import fingerprint
from runner.alerts.of_hosts import unreachable
from runner.alerts.routing import Alert
from runner.alerts.rules import Rule
from runner.alerts.scene import Finding, Scene

log = logging.getLogger(__name__)

REFRESH = timedelta(minutes=5)
"""So often the numbers in the words of an alert that fires are renewed."""
LONGEST_PAUSE = timedelta(minutes=1)
"""Whoever did not look for so long (asleep, stopped) does not know what held meanwhile."""
BROKEN = "rule_broken"


@dataclass(frozen=True, slots=True)
class Known:
    """What was seen at the last look: since when things hold that are not alerts yet, and which alerts fire. By fingerprint."""

    at: datetime
    pending: Mapping[str, datetime] = field(default_factory=dict)
    firing: Mapping[str, Alert] = field(default_factory=dict)
    refreshed_at: datetime | None = None


def look(rules: Sequence[Rule], scene: Scene, known: Known) -> Known:
    """One look at a scene with every rule. A rule that breaks stops no other, keeps what it had, and is an alert itself."""
    now = scene.now
    pending_before = known.pending if now - known.at <= LONGEST_PAUSE else {}
    refresh = known.refreshed_at is None or now - known.refreshed_at >= REFRESH
    pending: dict[str, datetime] = {}
    firing: dict[str, Alert] = {}
    broken: set[str] = set()
    for rule in rules:
        for finding in _found(rule, scene, broken):
            labels = _labels(rule, finding)
            key = fingerprint(labels)
            before = known.firing.get(key)
            since = pending_before.get(key, now)
            if before is not None:
                firing[key] = replace(before, detail=finding.detail) if refresh else before
            elif now - since >= rule.for_:
                firing[key] = Alert(labels, now, detail=finding.detail)
            else:
                pending[key] = since
    about_silence = {rule.name for rule in rules if rule.when == unreachable.__name__}
    for key, alert in known.firing.items():
        name = alert.labels["alertname"]
        if key not in firing and (name in broken or (name not in about_silence and _cannot_tell(alert, scene))):
            firing[key] = alert
    return Known(now, pending, firing, now if refresh else known.refreshed_at)


def _found(rule: Rule, scene: Scene, broken: set[str]) -> Sequence[Finding]:
    try:
        return list(CONDITIONS[rule.when].find(scene, **rule.with_))
    except Exception as error:  # whatever it is, it is that rule's alone
        if rule.name not in broken:
            log.exception("The rule %s broke; the others go on", rule.name)
        broken.add(rule.name)
        return [Finding({"alertname": BROKEN, "rule": rule.name}, f"{type(error).__name__}: {error}"[:300])]


def _labels(rule: Rule, finding: Finding) -> Mapping[str, str]:
    return {"alertname": rule.name, "severity": rule.severity, **rule.labels, **finding.labels}


def _cannot_tell(alert: Alert, scene: Scene) -> bool:
    """What was said of a host that does not speak now stays said. Of a run that has ended, the host need not speak."""
    host, run_id = alert.labels.get("host"), alert.labels.get("run")
    if host is None or host not in scene.hosts or scene.heard(host):
        return False
    return run_id is None or any(run.id == run_id and not run.state.final for run in scene.runs)
