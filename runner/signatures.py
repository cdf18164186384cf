"""The table of crash signatures (``signatures.yaml``), checked when it is loaded."""

from __future__ import annotations

import re
import string
from collections import deque
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator

from runner.entities import Remedy
from runner.errors import ConfigurationError
from runner.states import Reason, State

TABLE = Path(__file__).parent / "signatures.yaml"


class Signature(BaseModel):
    """One known way to fail: recognised by a pattern in the log's end, by exit codes, or by both.

    ``sentence`` and ``remedy`` may name the pattern's groups in braces.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    reason: Reason
    pattern: re.Pattern[str] | None = None
    exit_codes: frozenset[int] = frozenset()
    sentence: str
    remedy: str
    action: Remedy | None = None

    @model_validator(mode="after")
    def _check(self) -> Signature:
        if self.reason.state is not State.FAILED:
            raise ValueError(f"{self.name}: {self.reason} is no reason of a failed run")
        if self.pattern is None and not self.exit_codes:
            raise ValueError(f"{self.name} needs a pattern or exit codes")
        groups = set(self.pattern.groupindex) if self.pattern else set()
        for template in (self.sentence, self.remedy):
            unknown = {field for _, field, _, _ in string.Formatter().parse(template) if field is not None} - groups
            if unknown:
                raise ValueError(f"{self.name} names {', '.join(sorted(unknown))}, which its pattern has no group for")
        return self

    def match(self, text: str, *, exit_code: int) -> dict[str, str] | None:
        """The pattern's groups where this signature fits, else None. Of several places the last counts."""
        if self.exit_codes and exit_code not in self.exit_codes:
            return None
        if self.pattern is None:
            return {}
        found = deque(self.pattern.finditer(text), maxlen=1)
        return {name: (value or "").strip() for name, value in found[0].groupdict().items()} if found else None


def load(path: Path = TABLE) -> tuple[Signature, ...]:
    """The signatures in the order in which they are tried. Raises ConfigurationError naming the file and the entry."""
    try:
        table = TypeAdapter(tuple[Signature, ...]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        raise ConfigurationError(f"The crash signatures in {path} are wrong: {error}") from error
    names = [signature.name for signature in table]
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise ConfigurationError(f"The crash signatures in {path} have two entries called {', '.join(sorted(doubled))}.")
    return table


@cache
def known() -> tuple[Signature, ...]:
    """The table that Signalbox comes with."""
    return load()
