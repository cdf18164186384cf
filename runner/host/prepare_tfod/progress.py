"""Steps and epochs: the API counts steps, people count epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Position(NamedTuple):
    """Where a training begins, and how many steps an epoch of its dataset takes (a fraction, mostly)."""

    first_step: int
    first_epoch: float
    steps_per_epoch: float
    asked_epochs: float
    batch: int

    def values(self) -> dict[str, Any]:
        """What a launch line, a log's reader and a later resume need of it."""
        return {name: value for name, value in self._asdict().items() if name != "batch"}


def position(values: Mapping[str, Any]) -> Position:
    """The position in a Prepared's values."""
    return Position(values["first_step"], values["first_epoch"], values["steps_per_epoch"], values["asked_epochs"], 0)


def epochs_at(at: Position, step: int) -> float:
    """Epochs that a training has behind it at a step."""
    return at.first_epoch + (step - at.first_step) / at.steps_per_epoch
