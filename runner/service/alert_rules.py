"""Alert rules as people change them: kept in the database, over what the settings say."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from runner.alerts.rules import Rule, RuleChange, merged, with_changes
from runner.errors import RequestError
from runner.service.house import House, Requester
from runner.settings import Role
from runner.store import alerts, events


@dataclass(frozen=True, slots=True)
class RuleShown:
    """A rule in force or off, and who changed it last, where people did."""

    rule: Rule
    changed_by: str | None
    changed_at: datetime | None


def every_rule(house: House) -> Sequence[RuleShown]:
    """All rules, by name."""
    db = house.store.reading()
    changed = alerts.who_changed_rules(db)
    found = sorted(house.settings.alerts.rules_with(alerts.said_of_rules(db)), key=lambda rule: rule.name)
    return [RuleShown(rule, *changed.get(rule.name, (None, None))) for rule in found]


def find(house: House, name: str) -> RuleShown:
    """The rule of that name; RequestError with the nearest."""
    known = {shown.rule.name: shown for shown in every_rule(house)}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise RequestError(f"There is no rule {name!r}.{f' Did you mean {near[0]}?' if near else ''} `rules` lists them.")
    return known[name]


def change(house: House, who: Requester, name: str, wanted: RuleChange) -> tuple[Rule | None, Rule]:
    """Change a rule, or make one; returns what it was and what it is. RuleError for what cannot be."""
    who.must_be(Role.OPERATOR, "change alert rules")
    with house.store.writing() as db:
        said = alerts.said_of_rules(db)
        before = {rule.name: rule for rule in house.settings.alerts.rules_with(said)}
        now = merged(said.get(name, RuleChange()), wanted)
        kept = house.settings.alerts.rules.get(name, RuleChange())
        with_changes({**house.settings.alerts.rules, name: merged(kept, now)})
        alerts.put_rule(db, name, now, person=who.person, now=house.now())
        payload = {"rule": name, "change": wanted.model_dump(mode="json", by_alias=True, exclude_none=True)}
        events.record(db, "audit", at=house.now(), actor=who.person, payload=payload)
        return before.get(name), find(house, name).rule


def resettable(house: House, who: Requester, name: str) -> RuleShown:
    """A rule that people changed, and this person may reset; RequestError where nobody did."""
    who.must_be(Role.OPERATOR, "change alert rules")
    shown = find(house, name)
    if shown.changed_by is None:
        raise RequestError(f"Nobody has changed the rule {name}; it is as the settings have it.")
    return shown


def reset(house: House, who: Requester, name: str) -> Rule | None:
    """Forget what people changed of a rule; returns it as it is then, None for one that only they had made."""
    with house.store.writing() as db:
        resettable(house, who, name)
        alerts.forget_rule(db, name)
        events.record(db, "audit", at=house.now(), actor=who.person, payload={"rule reset": name})
        return next((each.rule for each in every_rule(house) if each.rule.name == name), None)
