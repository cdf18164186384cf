"""What rules can look for: pure functions of a scene, each under its own name. Its keyword arguments are the rule's numbers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from runner.alerts import of_hosts, of_house, of_runs
from runner.alerts.scene import Finding


@dataclass(frozen=True, slots=True)
class Condition:
    """``find`` takes a scene and the ``numbers`` by name."""

    find: Callable[..., Iterable[Finding]]
    numbers: frozenset[str]


def _conditions() -> Mapping[str, Condition]:
    found = {}
    for module in (of_runs, of_hosts, of_house):
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__ and not name.startswith("_"):
                parameters = inspect.signature(function).parameters.values()
                found[name] = Condition(function, frozenset(each.name for each in parameters if each.kind is each.KEYWORD_ONLY))
    return found


CONDITIONS = _conditions()
