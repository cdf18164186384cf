"""What is wrong with a dataset, found as its stream goes by: counts, and the first cases by file and line.

An error makes a dataset unfit to train on and is never written; a warning is for a person to judge.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite

from recipes.dataset import Annotation, Flag, ImageRecord
from recipes.observing import Tally

SHOWN_CASES = 5
TINY_SIDE = 2.0
IMBALANCE = 100
SLACK = 2e-6
"""Shares of an image with six decimals, as YOLO's, put a box on the border so far beyond it, in parts of the longer side."""


class Severity(StrEnum):
    """Whether training on it makes sense."""

    ERROR = "error"
    WARNING = "warning"


class Kind(StrEnum):
    """What was found; the value names it in JSON."""

    UNREADABLE_IMAGE = "unreadable_image"
    MISSING_IMAGE = "missing_image"
    TRUNCATED_IMAGE = "truncated_image"
    SIZE_MISMATCH = "size_mismatch"
    NOT_FINITE = "not_finite"
    INVERTED_BOX = "inverted_box"
    EMPTY_BOX = "empty_box"
    OUTSIDE_BOX = "outside_box"
    OVER_BORDER = "over_border"
    TINY_BOX = "tiny_box"
    DUPLICATE_BOX = "duplicate_box"
    UNKNOWN_CLASS = "unknown_class"
    SIMILAR_CLASSES = "similar_classes"
    ABSENT_CLASS = "absent_class"
    EMPTY_SPLIT = "empty_split"
    DUPLICATE_NAME = "duplicate_name"
    LEAK = "leak"
    DUPLICATE_IMAGE = "duplicate_image"
    ROTATED_IMAGE = "rotated_image"
    IMBALANCE = "imbalance"
    NO_BOXES = "no_boxes"
    ORPHAN_IMAGE = "orphan_image"


WORDS: dict[Kind, tuple[Severity, str]] = {
    Kind.UNREADABLE_IMAGE: (Severity.ERROR, "images cannot be read"),
    Kind.MISSING_IMAGE: (Severity.ERROR, "annotated images are missing"),
    Kind.TRUNCATED_IMAGE: (Severity.ERROR, "images are cut off before their end"),
    Kind.SIZE_MISMATCH: (Severity.ERROR, "images have another size than their annotation says"),
    Kind.NOT_FINITE: (Severity.ERROR, "boxes have a coordinate that is no number"),
    Kind.INVERTED_BOX: (Severity.ERROR, "boxes are inverted (negative width or height)"),
    Kind.EMPTY_BOX: (Severity.ERROR, "boxes have no area"),
    Kind.OUTSIDE_BOX: (Severity.ERROR, "boxes lie wholly outside their image"),
    Kind.OVER_BORDER: (Severity.WARNING, "boxes reach over the border of their image"),
    Kind.TINY_BOX: (Severity.WARNING, f"boxes have a side under {TINY_SIDE:g} pixels"),
    Kind.DUPLICATE_BOX: (Severity.WARNING, "boxes stand twice on the same place with the same class"),
    Kind.UNKNOWN_CLASS: (Severity.ERROR, "boxes have a class that the dataset does not list"),
    Kind.SIMILAR_CLASSES: (Severity.WARNING, "pairs of class names are nearly the same"),
    Kind.ABSENT_CLASS: (Severity.WARNING, "classes have no box in a split"),
    Kind.EMPTY_SPLIT: (Severity.ERROR, "splits have no image"),
    Kind.DUPLICATE_NAME: (Severity.ERROR, "images have the name of another one"),
    Kind.LEAK: (Severity.WARNING, "images are in two splits with the same content"),
    Kind.DUPLICATE_IMAGE: (Severity.WARNING, "images have the content of another one in the same split"),
    Kind.ROTATED_IMAGE: (Severity.WARNING, "images are to be turned by their EXIF data, which not every framework does"),
    Kind.IMBALANCE: (Severity.WARNING, f"classes have less than one box in {IMBALANCE} of the most frequent class"),
    Kind.NO_BOXES: (Severity.WARNING, "datasets have no box at all"),
    Kind.ORPHAN_IMAGE: (Severity.WARNING, "images belong to no annotation and are left alone"),
}
REPAIRABLE = frozenset({Kind.EMPTY_BOX, Kind.OUTSIDE_BOX, Kind.UNKNOWN_CLASS})
"""Errors that a transform can mend (clip, drop_tiny, classes): a raw version may have them, a converted one may not."""


@dataclass(frozen=True, slots=True)
class Finding:
    """So many cases of one kind; the first of them by file and line."""

    kind: Kind
    severity: Severity
    count: int
    message: str
    cases: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.severity}: {self.count:,} {self.message} ({'; '.join(self.cases)})"


@dataclass(slots=True)
class _Cases:
    count: int = 0
    first: list[str] = field(default_factory=list)


class Findings:
    """Collects cases by kind."""

    def __init__(self) -> None:
        self._cases: dict[Kind, _Cases] = defaultdict(_Cases)

    def add(self, kind: Kind, case: object) -> None:
        """Count a case; the first few are kept in words."""
        cases = self._cases[kind]
        cases.count += 1
        if len(cases.first) < SHOWN_CASES:
            cases.first.append(str(case))

    def merge(self, other: Findings) -> None:
        """Count what a later part of the same pass has found."""
        for kind, cases in other._cases.items():
            mine = self._cases[kind]
            mine.count += cases.count
            mine.first += cases.first[: max(0, SHOWN_CASES - len(mine.first))]

    def all(self) -> tuple[Finding, ...]:
        """Every kind that was found, errors first."""
        found = [Finding(kind, WORDS[kind][0], cases.count, WORDS[kind][1], tuple(cases.first)) for kind, cases in self._cases.items()]
        return tuple(sorted(found, key=lambda finding: (finding.severity, finding.kind)))


class Inspector:
    """An observer that checks every box and name of a stream; findings() tells what the whole of it shows.

    Lost boxes are not judged: they say themselves that there is nothing to see where they are.
    """

    def __init__(self, classes: Iterable[str], splits: Iterable[str] = ()) -> None:
        self._classes = tuple(classes)
        self._known = frozenset(self._classes)
        self._splits = tuple(splits)
        self._found = Findings()
        self._names: dict[int, str] = {}
        self._merged_names: set[int] = set()

    def __call__(self, record: ImageRecord) -> None:
        """Check one image."""
        name = hash(record.name)  # eight bytes for each image, not its name; 64 bits do not collide here
        if name in self._names:
            self._found.add(Kind.DUPLICATE_NAME, record.name)
        self._names[name] = record.name
        if record.annotations:
            self._inspect(record)

    def fresh(self) -> Inspector:
        """One for the same classes and splits that has seen nothing."""
        return Inspector(self._classes, self._splits)

    def merge(self, other: Inspector) -> None:
        """Take in what another has found in the following images."""
        self._found.merge(other._found)
        for number, name in other._names.items():
            if number in self._merged_names:
                self._found.add(Kind.DUPLICATE_NAME, name)
            self._merged_names.add(number)

    def _inspect(self, record: ImageRecord) -> None:
        """Most images have nothing amiss, which is quickly seen."""
        width, height, known = record.width, record.height, self._known
        for box in record.annotations:
            x, y, w, h = box.x, box.y, box.w, box.h
            plain = x >= 0 and y >= 0 and w >= TINY_SIDE and h >= TINY_SIDE and x + w <= width and y + h <= height
            if not plain or box.flags or box.label not in known:
                break
        else:
            if len({(box.label, box.x, box.y, box.w, box.h) for box in record.annotations}) == len(record.annotations):
                return
        self._judge(record)

    def _judge(self, record: ImageRecord) -> None:
        seen: set[tuple[str, float, float, float, float]] = set()
        for box in record.annotations:
            if box.label not in self._known:
                self._found.add(Kind.UNKNOWN_CLASS, f"{box.label!r}: {record.where(box)}")
            if Flag.LOST in box.flags:
                continue
            key = (box.label, box.x, box.y, box.w, box.h)
            if key in seen:
                self._found.add(Kind.DUPLICATE_BOX, record.where(box))
            seen.add(key)
            kind = _box_kind(box, record.width, record.height)
            if kind:
                self._found.add(kind, record.where(box))

    def findings(self, tally: Tally) -> tuple[Finding, ...]:
        """All that was found, with what only the whole shows, as tally has counted it; call it once, at the end."""
        for one, other in similar_names(self._classes):
            self._found.add(Kind.SIMILAR_CLASSES, f"{one!r} and {other!r}")
        boxes = tally.classes(self._classes)
        if self._classes and not any(boxes.values()):
            self._found.add(Kind.NO_BOXES, "no image has a box")
        for split in self._splits:
            if not tally.images[split]:
                self._found.add(Kind.EMPTY_SPLIT, split)
            for name in self._classes:
                if tally.images[split] and not tally.boxes[split, name]:
                    self._found.add(Kind.ABSENT_CLASS, f"{name} in {split}")
        most = max(boxes.values(), default=0)
        for name, count in boxes.items():
            if 0 < count * IMBALANCE < most:
                self._found.add(Kind.IMBALANCE, f"{name}: {count:,} of {most:,}")
        return self._found.all()


def _box_kind(box: Annotation, width: int, height: int) -> Kind | None:
    """The worst that is wrong with a box; None where nothing is."""
    if not all(map(isfinite, (box.x, box.y, box.w, box.h))):
        return Kind.NOT_FINITE
    if box.w < 0 or box.h < 0:
        return Kind.INVERTED_BOX
    if box.w == 0 or box.h == 0:
        return Kind.EMPTY_BOX
    if box.x >= width or box.y >= height or box.x + box.w <= 0 or box.y + box.h <= 0:
        return Kind.OUTSIDE_BOX
    slack = SLACK * max(width, height)
    if min(box.x, box.y) < -slack or box.x + box.w > width + slack or box.y + box.h > height + slack:
        return Kind.OVER_BORDER
    return Kind.TINY_BOX if box.w < TINY_SIDE or box.h < TINY_SIDE else None


def similar_names(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs that differ only in case, blanks, punctuation or a plural's s."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in names:
        alike[re.sub(r"[\W_]+", "", name.casefold()).removesuffix("s")].append(name)
    return [(group[0], other) for group in alike.values() for other in group[1:]]


def errors(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings that make a dataset unfit."""
    return tuple(finding for finding in findings if finding.severity is Severity.ERROR)
