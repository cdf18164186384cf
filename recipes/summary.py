"""What came of a dataset: the plain numbers and sentences that a card, a manifest and a terminal show."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from recipes.checks.box_sizes import BoxSizes
from recipes.checks.check import Finding
from recipes.ledger import LeftOut
from recipes.observing import SplitCount


@dataclass(frozen=True, slots=True)
class Summary:
    """A dataset in numbers. classes counts boxes by class in the dataset's order; flags counts boxes by flag.

    left_out says what did not come along and why; notes what was assumed or could not be held; findings what a check
    found. elapsed_s is wall time. box_sizes is there for versions of a catalog. masks counts the boxes that have one; older versions
    do not say.
    """

    format: str
    images: int
    boxes: int
    boxless_images: int
    classes: dict[str, int]
    splits: dict[str, SplitCount]
    flags: dict[str, int]
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = field(default=())
    elapsed_s: float = 0.0
    box_sizes: BoxSizes | None = None
    masks: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        plain: dict[str, Any] = orjson.loads(orjson.dumps(self))
        return plain

    def lines(self) -> list[str]:
        """The summary for a person, line by line."""
        lines = [f"{self.images:,} images, {self.boxes:,} boxes ({self.format})"]
        lines += [f"  {name}: {count:,} boxes" for name, count in self.classes.items()]
        lines += [f"  {name}: {part.images:,} images, {part.boxes:,} boxes" for name, part in self.splits.items()]
        for entry in self.left_out:
            lines.append(f"left out by {entry.step}: {entry.count:,} {entry.unit}, {entry.reason}")
        lines += [f"note: {note}" for note in self.notes]
        lines += [str(finding) for finding in self.findings]
        return lines
