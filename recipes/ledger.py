"""The account of a conversion: what was left out, by which step, why, and where for the first cases."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from recipes.dataset import Annotation, ImageRecord

SHOWN_CASES = 5
Unit = Literal["boxes", "images"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """So many boxes or images were left out by a step for one reason; the first cases name file and line."""

    step: str
    reason: str
    unit: Unit
    count: int
    cases: tuple[str, ...]


@dataclass(slots=True)
class _Entry:
    count: int = 0
    cases: list[str] = field(default_factory=list)


class Ledger:
    """Counts what one pass over a dataset leaves out, and collects what a reader or writer has to say about it."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str, Unit], _Entry] = {}
        self._notes: dict[str, None] = {}

    def drop_box(self, step: str, reason: str, record: ImageRecord, annotation: Annotation) -> None:
        """Account for one box that goes no further."""
        entry = self._entries.setdefault((step, reason, "boxes"), _Entry())
        entry.count += 1
        if len(entry.cases) < SHOWN_CASES:
            entry.cases.append(str(record.where(annotation)))

    def drop_image(self, step: str, reason: str, record: ImageRecord) -> None:
        """Account for one image that goes no further; its boxes are accounted for under the same reason."""
        entry = self._entries.setdefault((step, reason, "images"), _Entry())
        entry.count += 1
        if len(entry.cases) < SHOWN_CASES:
            entry.cases.append(record.name)
        for annotation in record.annotations:
            self.drop_box(step, reason, record, annotation)

    def drop_row(self, step: str, reason: str, case: str) -> None:
        """Account for one annotation that never reached an image."""
        entry = self._entries.setdefault((step, reason, "boxes"), _Entry())
        entry.count += 1
        if len(entry.cases) < SHOWN_CASES:
            entry.cases.append(case)

    def note(self, sentence: str) -> None:
        """Say something the reader of the summary should know; each sentence once."""
        self._notes[sentence] = None

    def merge(self, other: Ledger) -> None:
        """Take in the account of a later part of the same pass."""
        self.restore(other.state())

    def state(self) -> tuple[Any, ...]:
        """The whole account as plain tuples and lists."""
        return [(*key, entry.count, entry.cases) for key, entry in self._entries.items()], list(self._notes)

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take in an account as state() gave it."""
        entries, notes = state
        for step, reason, unit, count, cases in entries:
            entry = self._entries.setdefault((step, reason, unit), _Entry())
            entry.count += count
            entry.cases += cases[: max(0, SHOWN_CASES - len(entry.cases))]
        self._notes |= dict.fromkeys(notes)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Every reason in the order of its first case."""
        return tuple(LeftOut(step, reason, unit, entry.count, tuple(entry.cases)) for (step, reason, unit), entry in self._entries.items())

    @property
    def notes(self) -> tuple[str, ...]:
        """The sentences, in the order they were said."""
        return tuple(self._notes)
