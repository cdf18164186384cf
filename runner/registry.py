"""Finds the members of a kind: one file each in a package. An import error or a duplicate name stops the start, loudly."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from runner.errors import ConfigurationError

# Holds the protocol of the kind, not a member.
PROTOCOL_MODULE = "base"


def members(package: ModuleType, attribute: str) -> dict[str, object]:
    """The object called ``attribute`` of every module of a package, by its ``name``. Raises ConfigurationError."""
    found: dict[str, object] = {}
    homes: dict[str, str] = {}
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        if info.name == PROTOCOL_MODULE:
            continue
        home = f"{package.__name__}.{info.name}"
        member = _member(home, attribute)
        name = getattr(member, "name", None)
        if not isinstance(name, str) or not name:
            raise ConfigurationError(f"{home}: its {attribute} has no name. Give it a text called name.")
        if name in found:
            raise ConfigurationError(f"{home} and {homes[name]} both call their {attribute} {name!r}. Rename one of them.")
        found[name], homes[name] = member, home
    return found


def _member(home: str, attribute: str) -> object:
    try:
        module = importlib.import_module(home)
    except Exception as error:
        raise ConfigurationError(f"{home} cannot be imported: {type(error).__name__}: {error}.") from error
    if not hasattr(module, attribute):
        raise ConfigurationError(f"{home} defines no {attribute}. Define one, or move the file out of {home.rpartition('.')[0]}.")
    return getattr(module, attribute)
