"""Alert rules: the list, one of them, and what a change makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from bot.views.alerts import SIGNS, change_line, on_or_off, title
from bot.views.blocks import Button, Message, actions, context, fitting, section
from bot.views.words import clock, code, duration, person, prose, sentence
from runner.alerts.matching import span_text
from runner.alerts.rules import Rule
from runner.service.alert_rules import RuleShown


def rule_list(rules: Sequence[RuleShown]) -> Message:
    """Every rule in a line."""
    lines = [_line(shown) for shown in rules]
    row = actions([Button("New rule…", "rules set", form=True), Button("Alerts", "alerts")])
    hint = f"{code('rules show stalled')} tells what one means; {code('rules set stalled --for 5m')} changes it."
    return "\n".join([*lines, hint]), fitting([section("\n".join(lines)), context(hint), row])


def rule_page(shown: RuleShown, *, before: Rule | None = None, zone: tzinfo) -> Message:
    """What a rule looks for and what people are told; with ``before`` also what was otherwise."""
    rule = shown.rule
    by = f"changed by {person(shown.changed_by)}, {clock(shown.changed_at, zone)}" if shown.changed_by and shown.changed_at else ""
    parts = [_line(shown), sentence(prose(rule.means, 300)), f"*What to do:* {sentence(prose(rule.do, 300))}"]
    parts += [f"*Changed:* {'; '.join(_differences(before, rule)) or 'nothing'}."] if before is not None else []
    row = [Button("Change it…", change_line(rule), form=True)]
    row += [Button("Reset", f"rules reset {rule.name}")] if by else []
    blocks = [section("\n".join(parts)), *([context(by)] if by else []), actions(row)]
    return "\n".join([*parts, *([by] if by else [])]), fitting(blocks)


def _line(shown: RuleShown) -> str:
    rule = shown.rule
    held = f", held for {duration(rule.for_)}" if rule.for_ else ""
    numbers = ", ".join(f"{key} {value:g}" for key, value in sorted(rule.with_.items()))
    sign = SIGNS.get(rule.severity, "🔴") if rule.on else "⚪"
    state = "" if rule.on else " is off"
    return f"{sign} {code(rule.name)} *{title(rule.name)}*{state}: {code(rule.when)}{f' ({numbers})' if numbers else ''}{held}"


def _differences(before: Rule, after: Rule) -> list[str]:
    pairs = {
        "when": (before.when, after.when), "held for": (span_text(before.for_), span_text(after.for_)),
        "severity": (before.severity, after.severity), "state": (on_or_off(before), on_or_off(after)),
        "means": (before.means, after.means), "do": (before.do, after.do),
    } | {key: (_or_none(before, key), _or_none(after, key)) for key in sorted({*before.with_, *after.with_})}
    return [f"{key} {prose(old, 200).rstrip('.')} → {prose(new, 200).rstrip('.')}" for key, (old, new) in pairs.items() if old != new]


def _or_none(rule: Rule, key: str) -> str:
    return f"{rule.with_[key]:g}" if key in rule.with_ else "–"
