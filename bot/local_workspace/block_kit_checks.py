"""The small language in which block_kit_rules.py writes Block Kit down: a check looks at one value and notes what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Check = Callable[[Any, str, list[str]], None]
"""(value, JSON pointer to it, findings so far): appends one finding per broken rule."""


def note(findings: list[str], path: str, reason: str) -> None:
    """Adds a finding in the words Slack uses in response_metadata.messages."""
    findings.append(f"[ERROR] {reason} [json-pointer:{path}]")


@dataclass(frozen=True)
class Shape:
    """The keys of one kind of object. Any other key is refused; `rules` look at the object as a whole."""

    required: Mapping[str, Check] = field(default_factory=dict)
    optional: Mapping[str, Check] = field(default_factory=dict)
    exactly_one: tuple[str, ...] = ()
    at_least_one: tuple[str, ...] = ()
    rules: tuple[Check, ...] = ()

    def __call__(self, value: Any, path: str, findings: list[str]) -> None:
        """Checks one object (without its `type`, which chose this shape)."""
        if not isinstance(value, dict):
            note(findings, path, "must be an object")
            return
        known = {**self.required, **self.optional}
        for key in value.keys() - known.keys() - {"type"}:
            note(findings, f"{path}/{key}", f"no more than the documented properties are allowed; unknown property: {key}")
        for key in self.required.keys() - value.keys():
            note(findings, path, f"missing required field: {key}")
        self._check_choices(value, path, findings)
        for key, check in known.items():
            if key in value:
                check(value[key], f"{path}/{key}", findings)
        for rule in self.rules:
            rule(value, path, findings)

    def _check_choices(self, value: Mapping[str, Any], path: str, findings: list[str]) -> None:
        if self.exactly_one and sum(key in value for key in self.exactly_one) != 1:
            note(findings, path, f"exactly one of {', '.join(self.exactly_one)} is required")
        if self.at_least_one and not any(value.get(key) for key in self.at_least_one):
            note(findings, path, f"at least one of {', '.join(self.at_least_one)} is required")


def string(longest: int, *, shortest: int = 0) -> Check:
    """Text of at most `longest` characters."""

    def check(value: Any, path: str, findings: list[str]) -> None:
        if not isinstance(value, str):
            note(findings, path, "must be a string")
        elif len(value) > longest:
            note(findings, path, f"must be less than {longest + 1} characters")
        elif len(value) < shortest:
            note(findings, path, f"must be more than {shortest - 1} characters")

    return check


def whole_number(lowest: int, highest: int) -> Check:
    """An integer within bounds; true and false are none."""

    def check(value: Any, path: str, findings: list[str]) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            note(findings, path, "must be an integer")
        elif not lowest <= value <= highest:
            note(findings, path, f"must be between {lowest} and {highest}")

    return check


def boolean(value: Any, path: str, findings: list[str]) -> None:
    """true or false."""
    if not isinstance(value, bool):
        note(findings, path, "must be a boolean")


def one_of(*allowed: str) -> Check:
    """One of a few words."""

    def check(value: Any, path: str, findings: list[str]) -> None:
        if value not in allowed:
            note(findings, path, f"must be one of {', '.join(allowed)}")

    return check


def url(value: Any, path: str, findings: list[str]) -> None:
    """An http, https or mailto address of at most 3,000 characters."""
    string(3000, shortest=1)(value, path, findings)
    if isinstance(value, str) and not value.startswith(("http://", "https://", "mailto:")):
        note(findings, path, "must be a valid URL")


def array(each: Check, *, longest: int, shortest: int = 1) -> Check:
    """A list of at least `shortest` and at most `longest` values, each of which `each` checks."""

    def check(value: Any, path: str, findings: list[str]) -> None:
        if not isinstance(value, list):
            note(findings, path, "must be an array")
            return
        if len(value) > longest:
            note(findings, path, f"no more than {longest} items allowed")
        if len(value) < shortest:
            note(findings, path, f"no less than {shortest} items allowed")
        for index, item in enumerate(value):
            each(item, f"{path}/{index}", findings)

    return check


def typed(shapes: Mapping[str, Check], *, what: str) -> Check:
    """An object whose `type` names one of the shapes."""

    def check(value: Any, path: str, findings: list[str]) -> None:
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in shapes:
            note(findings, path, f"unsupported type of {what}: {kind}")
        else:
            shapes[kind](value, path, findings)

    return check
