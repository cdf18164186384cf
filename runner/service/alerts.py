"""What people ask of alerts: what fires and who knows of it; to acknowledge, to silence, and to end a silence."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from runner.alerts.engine import alert_id, group_id
from runner.alerts.matching import Matcher, all_match, matcher
from runner.alerts.routing import Alert, Quiet, Silence, muting
from runner.alerts.rules import Rule
from runner.errors import RequestError
from runner.service.house import House, Requester
from runner.settings import Role
from runner.store import alerts, events

LONGEST_SILENCE = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class AlertShown:
    """An alert that fires, what its rule says of it, and why it is not told, where it is not."""

    alert: Alert
    short: str
    rule: Rule | None
    acked_by: str | None
    silence: Silence | None
    inhibitor: Alert | None


def listed(house: House) -> list[AlertShown]:
    """Every alert that fires, the worst and oldest first."""
    known = rules(house)
    with house.store.snapshot() as db:
        state, acked = alerts.state(db), alerts.acks(db)
        quiet = Quiet(alerts.silences(db, now=house.now()))
    mutes = muting(house.settings.alerts, state.firing.values(), quiet, house.now())
    order = ("critical", "warning", "info")
    found = sorted(state.firing.values(), key=lambda each: (order.index(each.labels.get("severity", "info")), each.starts_at, each.id))
    return [
        AlertShown(
            each, alert_id(each), known.get(each.labels["alertname"]), acked.get(each.id), mutes.silence(each), mutes.inhibitor(each)
        )
        for each in found
    ]


def silences(house: House) -> list[Silence]:
    """The silences that hold."""
    return alerts.silences(house.store.reading(), now=house.now())


def rule(house: House, name: str) -> Rule | None:
    """The rule of that name, if it is on."""
    return rules(house).get(name)


def rules(house: House) -> dict[str, Rule]:
    """The rules that are on, by name."""
    said = alerts.said_of_rules(house.store.reading())
    return {each.name: each for each in house.settings.alerts.rules_with(said) if each.on}


def ack(house: House, who: Requester, what: Sequence[str]) -> list[Alert]:
    """Note that somebody knows of alerts: they are not repeated until they end. RequestError where nothing of that kind fires."""
    who.must_be(Role.MEMBER, "acknowledge alerts")
    with house.store.writing() as db:
        matchers = _meant(house, what)
        found = [alert for alert in alerts.state(db).firing.values() if all_match(matchers, alert.labels)]
        if not found:
            raise RequestError(f"Nothing fires that is {_in_words(matchers)}. `alerts` shows what does.")
        alerts.ack(db, [alert.id for alert in found], person=who.person, now=house.now())
        payload = {"alerts": [alert.id for alert in found]}
        events.record(db, "acknowledged", at=house.now(), actor=who.person, payload=payload)
    return found


def silence(house: House, who: Requester, what: Sequence[str], *, lasts: timedelta, reason: str) -> Silence:
    """Keep alerts from being told for a time: of one, of a group, of a rule, or of what matchers (``host=gpu1``) say."""
    who.must_be(Role.MEMBER, "silence alerts")
    if not timedelta() < lasts <= LONGEST_SILENCE:
        raise RequestError(f"A silence holds for {LONGEST_SILENCE.days} days at most; `--for 1h` is usual.")
    now = house.now()
    with house.store.writing() as db:
        made = Silence("z-" + secrets.token_hex(2), _meant(house, what), now, now + lasts, who.person, reason)
        alerts.put_silence(db, made)
        payload = {"silence": made.id, "matchers": [str(each) for each in made.matchers], "reason": reason}
        events.record(db, "silenced", at=now, actor=who.person, payload=payload)
    return made


def unsilence(house: House, who: Requester, silence_id: str) -> Silence:
    """End a silence now: one's own, or an operator any."""
    now = house.now()
    with house.store.writing() as db:
        known = {each.id: each for each in alerts.silences(db, now=now)}
        found = known.get(silence_id)
        if found is None:
            raise RequestError(f"No silence {silence_id} holds. {f'There are: {chr(44).join(known)}.' if known else 'There is none.'}")
        if found.creator != who.person:
            who.must_be(Role.OPERATOR, f"end the silence of {found.creator}")
        alerts.end_silence(db, found.id, now=now)
        events.record(db, "unsilenced", at=now, actor=who.person, payload={"silence": found.id})
    return found


def _meant(house: House, what: Sequence[str]) -> tuple[Matcher, ...]:
    """What people say in words as matchers: an alert (a-…), a group (g-…), a rule's name, or matchers."""
    state = alerts.state(house.store.reading())
    found: list[Matcher] = []
    for word in what:
        if word.startswith("a-"):
            labels = [alert.labels for alert in state.firing.values() if alert_id(alert) == word]
        elif word.startswith("g-"):
            labels = [group.labels for key, group in state.groups.items() if group_id(key) == word]
        else:
            found.append(_matcher(house, word))
            continue
        if not labels:
            raise RequestError(f"{word} does not fire any more. `alerts` shows what does.")
        found += [Matcher(name, "=", value) for name, value in labels[0].items()]
    if not found:
        raise RequestError("That would be every alert there is; say which: one of `alerts`, a rule's name, or host=gpu1.")
    return tuple(found)


def _matcher(house: House, word: str) -> Matcher:
    if word in rules(house):
        return Matcher("alertname", "=", word)
    try:
        return matcher(word)
    except ValueError as error:
        names = ", ".join(sorted(rules(house)))
        raise RequestError(f"{word[:60]!r} is no alert, no rule and no matcher such as host=gpu1. Rules: {names}.") from error


def _in_words(matchers: Sequence[Matcher]) -> str:
    return " and ".join(map(str, matchers))
