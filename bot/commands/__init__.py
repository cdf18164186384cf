"""The commands, one file each: a module here that offers ``verb`` is a command of every door."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from bot.verb import Verb
from runner.errors import ConfigurationError


@lru_cache
def verbs() -> Mapping[str, Verb]:
    """Every command by name. A module that does not import, offers no ``verb`` or repeats a name stops the start."""
    found: dict[str, Verb] = {}
    for info in sorted(pkgutil.iter_modules(__path__), key=lambda info: info.name):
        home = f"{__name__}.{info.name}"
        try:
            verb = getattr(importlib.import_module(home), "verb", None)
        except Exception as error:
            raise ConfigurationError(f"{home} cannot be imported: {type(error).__name__}: {error}.") from error
        if not isinstance(verb, Verb):
            raise ConfigurationError(f"{home} offers no command: define `verb`, a bot.verb.Verb.")
        if verb.name in found:
            raise ConfigurationError(f"{home}: there is already a command called {verb.name!r}.")
        found[verb.name] = verb
    return MappingProxyType(found)
