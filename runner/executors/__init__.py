"""How programs are held on hosts: one file per way."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from typing import cast

from runner.executors.base import Executor
from runner.registry import members


@functools.cache
def executors() -> Mapping[str, Executor]:
    """All ways by name. Raises ConfigurationError for a file that does not import or a name that two have."""
    return cast("dict[str, Executor]", members(sys.modules[__name__], "executor"))
