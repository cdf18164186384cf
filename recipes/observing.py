"""Looks on as a stream goes by: whoever watches is shown every image, and passes it on unchanged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, TypeVar

from recipes.dataset import Dataset, Feature, Flag, ImageRecord, Polygons
from recipes.effort import Effort
from recipes.ledger import Ledger

Result = TypeVar("Result")


class Observer(Protocol):
    """Sees every image of a stream. Each chunk is seen by a fresh one, perhaps in another process; they are merged in order."""

    def __call__(self, record: ImageRecord) -> None:
        """See one image."""

    def fresh(self) -> Self:
        """One of the same kind that has seen nothing."""

    def merge(self, other: Any) -> None:
        """Take in what another of the same kind has seen of the following images."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told as a dataset is drawn once: the ledger what is left out, the observers every image."""

    ledger: Ledger
    observers: tuple[Observer, ...] = ()

    def images(self, dataset: Dataset, effort: Effort, *, phase: str) -> Iterator[ImageRecord]:
        """Every image in order, in this process."""
        effort.progress(0, dataset.total, phase)
        for chunk in range(dataset.chunks):
            observers = [observer.fresh() for observer in self.observers]
            yield from _shown(dataset.draw(chunk, self.ledger), observers)
            self._merge(observers)
            effort.progress(dataset.total * (chunk + 1) // dataset.chunks, dataset.total, phase)

    def results(
        self, dataset: Dataset, work: Callable[[Iterator[ImageRecord], Ledger], Result], effort: Effort, *, phase: str
    ) -> Iterator[Result]:
        """What work makes of each chunk, in order; several processes may do it. The ledger given to work is the chunk's own."""

        def one(chunk: int) -> tuple[Result, Ledger, Sequence[Observer]]:
            ledger, observers = Ledger(), [observer.fresh() for observer in self.observers]
            return work(_shown(dataset.draw(chunk, ledger), observers), ledger), ledger, observers

        for result, ledger, observers in effort.ordered(one, dataset.chunks, phase=phase, total=dataset.total):
            self.ledger.merge(ledger)
            self._merge(observers)
            yield result

    def _merge(self, observers: Sequence[Observer]) -> None:
        for mine, other in zip(self.observers, observers, strict=True):
            mine.merge(other)

    def draw_all(self, dataset: Dataset, effort: Effort, *, phase: str) -> None:
        """Draw every image for what is learned on the way."""
        for _ in self.results(dataset, _exhaust, effort, phase=phase):
            pass


def _exhaust(records: Iterator[ImageRecord], _: Ledger) -> None:
    for _record in records:
        pass


def _shown(records: Iterator[ImageRecord], observers: Sequence[Observer]) -> Iterator[ImageRecord]:
    for record in records:
        for observe in observers:
            observe(record)
        yield record


@dataclass(frozen=True, slots=True)
class SplitCount:
    """What one split holds; classes counts boxes, in the dataset's order of classes."""

    images: int
    boxes: int
    classes: dict[str, int]


@dataclass(slots=True)
class Tally:
    """Counts images and boxes by class and split, and the features that not every format can hold."""

    images: Counter[str | None] = field(default_factory=Counter)
    boxes: Counter[tuple[str | None, str]] = field(default_factory=Counter)
    features: Counter[Feature] = field(default_factory=Counter)

    def __call__(self, record: ImageRecord) -> None:
        """Count one image."""
        split = record.split
        self.images[split] += 1
        if split is not None:
            self.features[Feature.SPLIT] += 1
        if record.frame is not None:
            self.features[Feature.FRAME] += 1
        if not record.annotations:
            self.features[Feature.BOXLESS] += 1
        boxes, features = self.boxes, self.features
        for annotation in record.annotations:
            boxes[split, annotation.label] += 1
            if annotation.flags:
                features.update(map(_FEATURE.__getitem__, annotation.flags))
            if annotation.track is not None:
                features[Feature.TRACK] += 1
            if annotation.mask is not None:
                features[Feature.POLYGONS if isinstance(annotation.mask, Polygons) else Feature.RUN_LENGTHS] += 1
            if annotation.attributes:
                features[Feature.ATTRIBUTES] += 1

    def fresh(self) -> Tally:
        """One that has counted nothing."""
        return Tally()

    def merge(self, other: Tally) -> None:
        """Add what another has counted."""
        self.images.update(other.images)
        self.boxes.update(other.boxes)
        self.features.update(other.features)

    @property
    def flags(self) -> dict[str, int]:
        """Boxes by flag, those that are there."""
        return {flag.value: self.features[_FEATURE[flag]] for flag in sorted(Flag) if self.features[_FEATURE[flag]]}

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


_FEATURE = {flag: Feature(flag.value) for flag in Flag}
