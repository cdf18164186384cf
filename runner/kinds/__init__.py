"""Kinds of runs by name, found by scanning this package."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from typing import cast

from runner.errors import ConfigurationError
from runner.kinds.base import KindOfWork
from runner.registry import members
from runner.specs import Kind


@functools.cache
def all_kinds() -> Mapping[Kind, KindOfWork]:
    """Every kind of run; a kind without its file, or with two, stops the start."""
    found = {member.name: member for member in cast("dict[str, KindOfWork]", members(sys.modules[__name__], "kind")).values()}
    missing = set(Kind) - set(found)
    if missing:
        raise ConfigurationError(f"runner/kinds has no file for {', '.join(sorted(missing))}.")
    return found
