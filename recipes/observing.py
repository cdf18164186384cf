"""Looks on as a stream goes by: counts it, and passes it on unchanged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from recipes.dataset import Dataset, Flag, ImageRecord
from recipes.ledger import Ledger

Observer: TypeAlias = Callable[[ImageRecord], None]


def observed(dataset: Dataset, *observers: Observer) -> Dataset:
    """The same dataset; each image that is drawn is shown to the observers first."""

    def stream(ledger: Ledger) -> Iterator[ImageRecord]:
        for record in dataset.stream(ledger):
            for observe in observers:
                observe(record)
            yield record

    return replace(dataset, stream=stream)


@dataclass(frozen=True, slots=True)
class SplitCount:
    """What one split holds; classes counts boxes, in the dataset's order of classes."""

    images: int
    boxes: int
    classes: dict[str, int]


@dataclass(slots=True)
class Tally:
    """Counts images and boxes by class and split."""

    images: Counter[str | None] = field(default_factory=Counter)
    boxes: Counter[tuple[str | None, str]] = field(default_factory=Counter)
    flags: Counter[Flag] = field(default_factory=Counter)
    boxless: int = 0

    def __call__(self, record: ImageRecord) -> None:
        """Count one image."""
        self.images[record.split] += 1
        self.boxless += not record.annotations
        for annotation in record.annotations:
            self.boxes[record.split, annotation.label] += 1
            if annotation.flags:
                self.flags.update(annotation.flags)

    def classes(self, names: tuple[str, ...]) -> dict[str, int]:
        """Boxes of every class, those without a box included."""
        totals: Counter[str] = Counter()
        for (_, label), count in self.boxes.items():
            totals[label] += count
        return {name: totals[name] for name in names}

    def splits(self, splits: tuple[str, ...], names: tuple[str, ...]) -> dict[str, SplitCount]:
        """What every split holds, those without an image included."""
        return {
            split: SplitCount(
                self.images[split],
                sum(self.boxes[split, name] for name in names),
                {name: self.boxes[split, name] for name in names},
            )
            for split in splits
        }
