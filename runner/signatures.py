"""The tables of crash signatures (``signatures*.yaml``), checked when they are loaded."""

from __future__ import annotations

import re
import string
from collections import Counter, deque
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator

from runner.entities import Remedy
from runner.errors import ConfigurationError
from runner.states import Reason, State

TABLES = tuple(Path(__file__).parent / name for name in ("signatures.yaml", "signatures_of_programs.yaml"))
"""What hosts and GPUs do to any program, then what programs say themselves; tried in this order."""
_GIVEN = {"smaller", "oom_kills"}


class Signature(BaseModel):
    """One known way to fail: recognised by a pattern in the log's end, by exit codes, or by both.

    ``oom_kills``: what must be known of the kernel's killing for want of memory. ``secondary``: it may
    be no more than what another process's failure led to. ``sentence`` and ``remedy`` may name in braces the pattern's groups,
    ``oom_kills`` (how many) and ``smaller`` (the batch and learning rate to try).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    reason: Reason
    pattern: re.Pattern[str] | None = None
    exit_codes: frozenset[int] = frozenset()
    oom_kills: Literal["some", "none", "unknown"] | None = None
    secondary: bool = False
    sentence: str
    remedy: str
    action: Remedy | None = None

    @model_validator(mode="after")
    def _check(self) -> Signature:
        if self.reason.state is not State.FAILED:
            raise ValueError(f"{self.name}: {self.reason} is no reason of a failed run")
        if self.pattern is None and not self.exit_codes:
            raise ValueError(f"{self.name} needs a pattern or exit codes")
        groups = _GIVEN | (set(self.pattern.groupindex) if self.pattern else set())
        for template in (self.sentence, self.remedy):
            unknown = {field for _, field, _, _ in string.Formatter().parse(template) if field is not None} - groups
            if unknown:
                raise ValueError(f"{self.name} names {', '.join(sorted(unknown))}, which its pattern has no group for")
        return self

    def match(self, text: str, *, exit_code: int, oom_kills: int | None = None) -> dict[str, str] | None:
        """The pattern's groups where this signature fits, else None. Of several places the last counts."""
        if self.exit_codes and exit_code not in self.exit_codes:
            return None
        if self.oom_kills and self.oom_kills != ("unknown" if oom_kills is None else "some" if oom_kills else "none"):
            return None
        given = {"oom_kills": str(oom_kills or 0)}
        if self.pattern is None:
            return given
        found = deque(self.pattern.finditer(text), maxlen=1)
        return {name: (value or "").strip() for name, value in found[0].groupdict().items()} | given if found else None


def load(paths: Sequence[Path] = TABLES) -> tuple[Signature, ...]:
    """The signatures in the order in which they are tried. Raises ConfigurationError naming the file and the entry."""
    table = [signature for path in paths for signature in _load(path)]
    doubled = {name for name, count in Counter(signature.name for signature in table).items() if count > 1}
    if doubled:
        files = ", ".join(map(str, paths))
        raise ConfigurationError(f"The crash signatures in {files} have two entries called {', '.join(sorted(doubled))}.")
    return tuple(table)


def _load(path: Path) -> tuple[Signature, ...]:
    try:
        return TypeAdapter(tuple[Signature, ...]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        raise ConfigurationError(f"The crash signatures in {path} are wrong: {error}") from error


@cache
def known() -> tuple[Signature, ...]:
    """The tables that Signalbox comes with."""
    return load()
