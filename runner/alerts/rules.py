"""Rules: what is looked for, how long it has to hold, and what people are told to do. The built-in ones lie in ``rules.yaml``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from recipes.yaml_lines import read_yaml
from runner.alerts.conditions import CONDITIONS
from runner.alerts.matching import Span

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}", re.ASCII)


class RuleChange(BaseModel):
    """What settings say of a rule: of a built-in one what shall be different, of one's own everything (``when``, ``means``, ``do``).

    ``when`` names a condition, and ``with`` its numbers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    on: bool | None = None
    when: str | None = None
    with_: dict[str, float] = Field(default_factory=dict, alias="with")
    for_: Span | None = Field(default=None, alias="for")
    severity: Literal["info", "warning", "critical"] | None = None
    means: str | None = Field(default=None, max_length=300)
    do: str | None = Field(default=None, max_length=300)
    labels: dict[str, str] | None = None


class Rule(BaseModel):
    """A rule in force. ``for_``: so long its condition has to hold before it fires."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    when: str
    means: str
    do: str
    with_: dict[str, float] = {}
    for_: timedelta = timedelta()
    severity: str = "warning"
    labels: dict[str, str] = {}
    on: bool = True


class RuleError(ValueError):
    """A rule that cannot be; ``key`` is what is wrong with it."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def merged(first: RuleChange, then: RuleChange) -> RuleChange:
    """One change after another; of numbers and labels only those that the second names."""
    one, two = (each.model_dump(by_alias=True, exclude_none=True) for each in (first, then))
    return RuleChange.model_validate({**one, **two} | {key: {**one.get(key, {}), **two.get(key, {})} for key in ("with", "labels")})


def with_changes(changes: Mapping[str, RuleChange]) -> list[Rule]:
    """The built-in rules as changed, and those that are new. RuleError names what is wrong with which."""
    given = {name: _given(change) for name, change in built_in().items()}
    for name, change in changes.items():
        if _NAME.fullmatch(name) is None:
            raise RuleError("name", f"{name[:50]!r} is no name of a rule: lower-case letters, digits, _ and -")
        before = built_in().get(name)
        given[name] = given.get(name, {}) | _given(change)
        given[name]["with_"] = {**(before.with_ if before else {}), **change.with_}
        given[name]["labels"] = {**((before.labels or {}) if before else {}), **(change.labels or {})}
    return [_rule(name, values) for name, values in given.items()]


@cache
def built_in() -> Mapping[str, RuleChange]:
    """The rules that are on by default."""
    document = read_yaml(Path(__file__).with_name("rules.yaml"))
    return TypeAdapter(dict[str, RuleChange]).validate_python(document.data)


def _given(change: RuleChange) -> dict[str, object]:
    return {key: value for key, value in change if value is not None}


def _rule(name: str, values: Mapping[str, object]) -> Rule:
    missing = [key for key in ("when", "means", "do") if key not in values]
    if missing:
        raise RuleError(missing[0], f"the rule {name} lacks {missing[0]}; built-in are {', '.join(built_in())}")
    rule = Rule(name=name, **values)  # type: ignore[arg-type]  # pydantic looks at each
    if rule.when not in CONDITIONS:
        raise RuleError("when", f"the rule {name} asks for {rule.when!r}; conditions are {', '.join(sorted(CONDITIONS))}")
    wanted = CONDITIONS[rule.when].numbers
    wrong = sorted(wanted ^ rule.with_.keys())
    if wrong:
        raise RuleError("with", f"the rule {name} {'lacks' if wrong[0] in wanted else 'has'} the number {wrong[0]}; {rule.when} takes "
                                f"{', '.join(sorted(wanted)) or 'none'}")
    return rule
