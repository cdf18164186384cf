"""Alerts: the list of all, the one message of a group, and what a run's thread is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from bot.views.blocks import Button, Message, actions, fitting, quoted, section
from bot.views.words import clock, code, count, is_member, name, person, prose, sentence
from runner.alerts.matching import span_text
from runner.alerts.routing import Silence
from runner.alerts.rules import Rule
from runner.service.alerts import AlertShown

SIGNS = {"critical": "🔴", "warning": "🟠", "info": "🔵"}
SHOWN = 40
SHOWN_IN_GROUP = 10
SHOWN_IN_LINE = 3
_QUIET_LABELS = frozenset({"alertname", "severity", "channel", "preset", "owner", "told"})
"""Said elsewhere, or of no use to people."""

Listed = Mapping[str, Any]
"""An alert as an event tells of it."""


def title(rule_name: str) -> str:
    """``host_unreachable`` as people read it."""
    return rule_name.replace("_", " ").capitalize()


def alert_title(shown: AlertShown) -> str:
    """An alert in a few words, as menus have it."""
    labels = shown.alert.labels
    return " ".join([title(labels["alertname"]), *(value for key in ("run", "host") if (value := labels.get(key)))])


def alert_list(alerts: Sequence[AlertShown], silences: Sequence[Silence], *, zone: tzinfo, now: datetime) -> Message:
    """What fires, with who knows of it and why it is quiet; and the silences that hold."""
    heading = f"*{count(len(alerts), 'alert')}*" if alerts else "Nothing fires."
    entries = [alert_entry(each, zone, now) for each in alerts[:SHOWN]]
    entries += [f"… and {len(alerts) - SHOWN} more"] if len(alerts) > SHOWN else []
    held = [_silence(each, zone, now) for each in silences[:SHOWN]]
    quiet = [f"*{count(len(silences), 'silence')}*", *held] if held else []
    return "\n".join([heading, *entries, *quiet]), fitting(section(text) for text in [heading, *entries, *quiet])


def change_line(rule: Rule) -> str:
    """The command that makes a rule what it is: what its form is filled in with."""
    numbers = [word for key, value in sorted(rule.with_.items()) for word in ("--with", f"{key}={value:g}")]
    said = ["--when", rule.when, *numbers, "--for", span_text(rule.for_), "--severity", rule.severity, "--state", on_or_off(rule)]
    return quoted(["rules", "set", rule.name, *said, "--means", rule.means, "--do", rule.do])


def on_or_off(rule: Rule) -> str:
    """Whether a rule is looked for."""
    return "on" if rule.on else "off"


def group_message(told: Listed, rule: Rule | None, *, zone: tzinfo) -> Message:
    """The one message of a group: what fires, what has ended, what it means and what to do."""
    firing, ended = told["firing"], told["resolved"]
    mention = " ".join(person(each) for each in told["owners"] if is_member(each)) if told["mentions"] else ""
    lines = [_line(each, zone, ended=False) for each in firing[:SHOWN_IN_GROUP]]
    lines += [f"… and {told['fires'] - SHOWN_IN_GROUP} more: `alerts`"] if told["fires"] > SHOWN_IN_GROUP else []
    lines += [_line(each, zone, ended=True) for each in ended[:SHOWN_IN_GROUP]]
    lines += [f"… and {told['ended'] - SHOWN_IN_GROUP} more are over"] if told["ended"] > SHOWN_IN_GROUP else []
    text = "\n".join([f"{_heading(told)} {mention}".rstrip(), *lines])
    means = f"{sentence(prose(rule.means, 300))} *What to do:* {sentence(prose(rule.do, 300))}" if rule and firing else ""
    row = [Button("Ack", f"ack {told['group']}"), Button("Silence 1 h", f"silence {told['group']} --for 1h"),
           Button("Silence…", f"silence {told['group']}", form=True)] if firing else []
    row += [Button("Change the rule…", change_line(rule), form=True)] if rule and firing else []
    blocks = [section(text), *([section(means)] if means else []), *([actions(row)] if row else [])]
    return "\n".join(filter(None, (text, means))), fitting(blocks)


def group_line(told: Listed, *, zone: tzinfo) -> str:
    """A group in one line, for a message that sums up; nobody is mentioned."""
    entries = [*(_line(each, zone, ended=False) for each in told["firing"]), *(_line(each, zone, ended=True) for each in told["resolved"])]
    more = told["fires"] + told["ended"] - SHOWN_IN_LINE
    return " ".join([_heading(told), *entries[:SHOWN_IN_LINE], *([f"… and {more} more: `alerts`"] if more > 0 else [])])


def thread_text(listed: Listed, rule: Rule | None) -> str:
    """What a run's thread is told of an alert; it rings its owner's phone once."""
    labels = listed["labels"]
    if listed["until"]:
        return f"✅ Over: {title(labels['alertname']).lower()}."
    owner = labels.get("owner", "")
    mention = f"{person(owner)} " if is_member(owner) and labels.get("severity") != "info" else ""
    advice = f" {sentence(prose(rule.do, 300))}" if rule else ""
    sign = SIGNS.get(labels.get("severity", ""), "🔴")
    return f"{sign} {mention}*{title(labels['alertname'])}*: {sentence(prose(listed['detail'], 500))}{advice}"


def _heading(told: Listed) -> str:
    firing = told["firing"]
    first = [*firing, *told["resolved"]][0]["labels"]
    of = " on ".join([title(first["alertname"]), *([name(told["labels"]["host"])] if "host" in told["labels"] else [])])
    number = f" ({told['fires']})" if told["fires"] > 1 else ""
    return f"{SIGNS.get(first.get('severity', ''), '🔴')} *{of}*{number}" if firing else f"✅ *{of}*: over"


def _line(listed: Listed, zone: tzinfo, *, ended: bool) -> str:
    of = _named(listed["labels"])
    if ended:
        return f"✅ {of}: over since {clock(datetime.fromisoformat(listed['until']), zone)}"
    return f"• {of + ': ' if of else ''}{prose(listed['detail'], 300)} (since {clock(datetime.fromisoformat(listed['since']), zone)})"


def alert_menu(shown: AlertShown) -> list[Button]:
    """What is done about one alert."""
    labels = shown.alert.labels
    known = [] if shown.acked_by else [Button("Ack", f"ack {shown.short}")]
    quiet = [] if shown.silence else [Button("Silence 1 h", f"silence {shown.short} --for 1h")]
    of = [Button(f"Show {labels['run']}", f"show {labels['run']}")] if labels.get("run") else []
    return [*known, *quiet, *of, Button("All alerts", "alerts")]


def alert_entry(shown: AlertShown, zone: tzinfo, now: datetime) -> str:
    """An alert in two or three lines."""
    alert, labels = shown.alert, shown.alert.labels
    quiet = []
    if shown.acked_by:
        quiet.append(f"known to {person(shown.acked_by)}")
    if shown.silence:
        quiet.append(f"silenced until {clock(shown.silence.ends_at, zone, near=now)}")
    if shown.inhibitor:
        quiet.append(f"not told because of {title(shown.inhibitor.labels['alertname']).lower()}")
    of = _named(labels)
    head = f"{SIGNS.get(labels.get('severity', ''), '🔴')} {code(shown.short)} *{title(labels['alertname'])}* {of}"
    since = f"since {clock(alert.starts_at, zone, near=now)}"
    advice = f"\n      {sentence(prose(shown.rule.do, 300))}" if shown.rule and not quiet else ""
    return f"{head} {since}{'; ' if quiet else ''}{'; '.join(quiet)}\n      {sentence(prose(alert.detail, 300))}{advice}"


def _silence(silence: Silence, zone: tzinfo, now: datetime) -> str:
    what = code(", ".join(map(str, silence.matchers)))
    until = clock(silence.ends_at, zone, near=now)
    return f"🔇 {code(silence.id)} {what} until {until}, {person(silence.creator)}: {name(silence.reason or '–', 120)}"


def _named(labels: Mapping[str, str]) -> str:
    shown = {"run": code, "host": lambda value: name(value, 60)}
    return ", ".join(shown[key](value) if key in shown else f"{name(key)} {name(value, 60)}"
                     for key, value in labels.items() if key not in _QUIET_LABELS and value)
