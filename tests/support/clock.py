"""A house's clock that a test moves on, so that nobody waits for minutes to pass."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from tests.support.scripted_house import ScriptedHouse


@dataclass
class Clock:
    """This machine's clock, ahead by what was added to it."""

    ahead: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def later(self, span: timedelta) -> None:
        self.ahead += span


def with_clock(scripted: ScriptedHouse) -> tuple[ScriptedHouse, Clock]:
    """The house by a clock of its own. What goes on in a thread of this process goes by it; hosts keep theirs."""
    clock = Clock()
    return replace(scripted, house=replace(scripted.house, now=clock.now)), clock
