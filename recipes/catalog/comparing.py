"""What changed between two versions: images by their content, boxes by where they are, classes, splits; whatever formats they are in.

Both are read once by their ordinary readers and put by on disk. Images are then paired: those with the same name and content, then
those with the same content under other names, then those with the same name whose content changed. Memory is some 150 bytes an
image; boxes are only ever held for one image at a time.
"""

from __future__ import annotations

import hashlib
import marshal
import tempfile
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from recipes.catalog.box_pairs import Box, BoxChanges, paired
from recipes.catalog.catalog import Catalog
from recipes.catalog.versions import DatasetVersion
from recipes.dataset import Dataset, ImageRecord
from recipes.effort import Effort
from recipes.ledger import Ledger
from recipes.progress import Progress, silent
from recipes.sources import open_folder

SHOWN_CASES = 5
NO_KEY = 0
_PAIRED = ("same", "renamed", "changed")
MOSTLY = 0.5
"""A class whose boxes became, for more than this share of those that can be followed, those of a class that is new has been renamed."""
Content: TypeAlias = Callable[[ImageRecord], str]
"""What two images have in common exactly where their bytes are the same; empty where that is not known."""
Split: TypeAlias = str | None


@dataclass(frozen=True, slots=True)
class ImageChanges:
    """How many images are the same, have another name, have other pixels under their name, are gone, are new."""

    same: int
    renamed: int
    changed: int
    removed: int
    added: int


@dataclass(frozen=True, slots=True)
class BoxTotals:
    """How many boxes are the same, moved, got another class, are gone, are new; the last two with those of removed and added images."""

    same: int
    moved: int
    relabelled: int
    removed: int
    added: int


@dataclass(frozen=True, slots=True)
class ClassChanges:
    """Classes that are new or gone, those that were renamed (old: new), and the boxes of every class before and after."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    renamed: dict[str, str]
    boxes: dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class SplitMove:
    """So many images went from one split to another; None is no split."""

    old: Split
    new: Split
    images: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed. cases has the first few of each kind of change by name; left_out counts what the readers could not take."""

    images: ImageChanges
    boxes: BoxTotals
    classes: ClassChanges
    moves: tuple[SplitMove, ...]
    cases: dict[str, tuple[str, ...]]
    left_out: tuple[int, int] = (0, 0)

    @property
    def nothing(self) -> bool:
        """Whether both hold the same: names of images may differ."""
        images, boxes = self.images, self.boxes
        changed = (images.changed, images.removed, images.added, boxes.moved, boxes.relabelled, boxes.removed, boxes.added)
        return not any(changed) and not self.moves and not (self.classes.added or self.classes.removed)

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        plain: dict[str, Any] = orjson.loads(orjson.dumps(self))
        return plain

    def lines(self) -> list[str]:
        """The comparison for a person, line by line."""
        images, boxes, classes = self.images, self.boxes, self.classes
        lines = [
            f"images: {images.added:,} added, {images.removed:,} removed, {images.changed:,} with other pixels, "
            f"{images.renamed:,} under another name, {images.same:,} the same",
            f"boxes: {boxes.added:,} added, {boxes.removed:,} removed, {boxes.moved:,} moved, {boxes.relabelled:,} with another class, "
            f"{boxes.same:,} the same",
        ]
        lines += [f"class {old} is called {new}" for old, new in classes.renamed.items()]
        lines += [f"class {name} is new" for name in classes.added] + [f"class {name} is gone" for name in classes.removed]
        lines += [f"  {name}: {before:,} → {after:,} boxes" for name, (before, after) in classes.boxes.items() if before != after]
        lines += [f"{move.images:,} images went from {move.old or 'no split'} to {move.new or 'no split'}" for move in self.moves]
        lines += [f"{kind}: {case}" for kind, cases in self.cases.items() for case in cases]
        if any(self.left_out):
            lines.append(f"not compared, for they cannot be read: {self.left_out[0]:,} in the old, {self.left_out[1]:,} in the new")
        return lines


def compare(old: Dataset, new: Dataset, *, content: tuple[Content, Content], scratch: Path, progress: Progress = silent) -> Comparison:
    """What changed from one dataset to another; content tells what an image of the old, and one of the new, holds."""
    before, after = _Side(scratch), _Side(scratch)
    try:
        before.take(old, content[0], progress=progress, phase="reading the old")
        after.take(new, content[1], progress=progress, phase="reading the new")
        account = _Account()
        for done, (kind, place, other) in enumerate(_image_pairs(before, after), start=1):
            account.images[kind] += 1
            account.take(kind, before.image(place), after.image(other))
            progress(done, max(done, len(before.names), len(after.names)), "comparing")
        return account.comparison(old, new, (before, after))
    finally:
        before.close()
        after.close()


def compare_versions(catalog: Catalog, old: str, new: str, effort: Effort) -> Comparison:
    """What changed from one version of a catalog to another; DatasetError where one is not there or cannot be read."""
    versions = catalog.get(old), catalog.get(new)
    with catalog.staging() as scratch:
        folders = scratch / "old", scratch / "new"
        for version, folder in zip(versions, folders, strict=True):
            catalog.materialize(version, folder, progress=effort.progress)
        here = replace(effort, scratch=scratch)
        first, second = (open_folder(folder, here, format_name=each.format).dataset for each, folder in zip(versions, folders, strict=True))
        content = _contents(versions[0], folders[0]), _contents(versions[1], folders[1])
        return compare(first, second, content=content, scratch=scratch, progress=effort.progress)


def _contents(version: DatasetVersion, folder: Path) -> Content:
    """The catalog knows what every file of a version holds; where a file holds many images, each is read."""

    def content(record: ImageRecord) -> str:
        if record.path is None:
            return ""
        if record.span is not None:
            offset, length = record.span
            with record.path.open("rb") as file:
                file.seek(offset)
                return hashlib.sha256(file.read(length)).hexdigest()
        return version.files[record.path.relative_to(folder).as_posix()].digest

    return content


@dataclass(frozen=True, slots=True)
class _Image:
    name: str
    split: Split
    boxes: tuple[Box, ...]


class _Side:
    """The images of one version: names and contents in memory as hashes, all else in a file without a name."""

    def __init__(self, scratch: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 - closed by compare
        self._starts = array("Q")
        self.names = array("Q")
        self.contents = array("Q")
        self.both = array("Q")
        self.boxes: Counter[str] = Counter()
        self.left_out = 0

    def take(self, dataset: Dataset, content: Content, *, progress: Progress, phase: str) -> None:
        """Read it all, once."""
        ledger = Ledger()
        for done, record in enumerate(dataset.stream(ledger), start=1):
            self._starts.append(self._file.tell())
            boxes = tuple((a.label, float(a.x), float(a.y), float(a.w), float(a.h)) for a in record.annotations)
            self._file.write(marshal.dumps((record.name, record.split, boxes)))
            self.boxes.update(box[0] for box in boxes)
            found = content(record)
            self.names.append(_hashed(record.name))
            self.contents.append(_hashed(found) if found else NO_KEY)
            self.both.append(_hashed(f"{record.name}/{found}"))
            progress(done, dataset.total, phase)
        self.left_out = sum(entry.count for entry in ledger.left_out)

    def image(self, place: int | None) -> _Image | None:
        """One image again."""
        if place is None:
            return None
        self._file.seek(self._starts[place])
        return _Image(*marshal.load(self._file))  # noqa: S302 - a file of our own that nobody else can open

    def close(self) -> None:
        """Give its disk space back."""
        self._file.close()


def _hashed(text: str) -> int:
    """64 bits: among a million images, one chance in ten million that two are taken for one another."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") or 1


def _image_pairs(before: _Side, after: _Side) -> Iterator[tuple[str, int | None, int | None]]:
    """Every image of both, each once, with what became of it: in the order of the old, then what is new."""
    kinds, partners, taken = bytearray(len(before.names)), array("Q", bytes(8 * len(before.names))), bytearray(len(after.names))
    steps = ((before.both, after.both), (before.contents, after.contents), (before.names, after.names))
    for kind, (old, new) in enumerate(steps, start=1):
        for place, other in _joined(_free(old, kinds), _free(new, taken), old, new):
            kinds[place], partners[place], taken[other] = kind, other, 1
    for place, kind in enumerate(kinds):
        yield (_PAIRED[kind - 1], place, partners[place]) if kind else ("removed", place, None)
    yield from (("added", None, other) for other in range(len(taken)) if not taken[other])


def _free(keys: array[int], taken: bytearray) -> list[int]:
    """The places that have a key and no partner yet, by key, equal ones in their order."""
    return sorted((place for place in range(len(keys)) if not taken[place] and keys[place] != NO_KEY), key=keys.__getitem__)


def _joined(places: Sequence[int], others: Sequence[int], old: array[int], new: array[int]) -> Iterator[tuple[int, int]]:
    """Pairs of places with equal keys; both come by key."""
    at = beside = 0
    while at < len(places) and beside < len(others):
        mine, theirs = old[places[at]], new[others[beside]]
        if mine == theirs:
            yield places[at], others[beside]
        at += mine <= theirs
        beside += theirs <= mine


@dataclass(slots=True)
class _Account:
    """Adds up what became of images and boxes."""

    images: Counter[str] = field(default_factory=Counter)
    boxes: Counter[str] = field(default_factory=Counter)
    relabelled: Counter[tuple[str, str]] = field(default_factory=Counter)
    moves: Counter[tuple[Split, Split]] = field(default_factory=Counter)
    cases: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def take(self, kind: str, old: _Image | None, new: _Image | None) -> None:
        """Account for one image."""
        if old is None or new is None:
            image = old or new
            assert image is not None
            self.boxes[kind] += len(image.boxes)
            self._name(f"image {kind}", image.name)
            return
        if kind == "changed":
            self._name("other pixels", new.name)
        if old.split != new.split:
            self.moves[old.split, new.split] += 1
            self._name("other split", f"{new.name}: {old.split or 'no split'} → {new.split or 'no split'}")
        self._take_boxes(new.name, paired(old.boxes, new.boxes))

    def _take_boxes(self, name: str, changes: BoxChanges) -> None:
        self.boxes["same"] += changes.same
        for kind, pairs in (("moved", changes.moved), ("relabelled", changes.relabelled)):
            self.boxes[kind] += len(pairs)
            for one, two in pairs[:SHOWN_CASES]:
                self._name(f"box {kind}", f"{name}: {_in_words(one)} → {_in_words(two)}")
        self.relabelled.update((one[0], two[0]) for one, two in changes.relabelled)
        for kind, boxes in (("removed", changes.removed), ("added", changes.added)):
            self.boxes[kind] += len(boxes)
            for box in boxes[:SHOWN_CASES]:
                self._name(f"box {kind}", f"{name}: {_in_words(box)}")

    def _name(self, kind: str, case: str) -> None:
        if len(self.cases[kind]) < SHOWN_CASES:
            self.cases[kind].append(case)

    def comparison(self, old: Dataset, new: Dataset, sides: tuple[_Side, _Side]) -> Comparison:
        """The sum of it."""
        classes = self._classes(old, new, sides)
        followed = sum(count for pair, count in self.relabelled.items() if classes.renamed.get(pair[0]) == pair[1])
        if classes.renamed:
            self.cases.pop("box relabelled", None)
        boxes = self.boxes
        return Comparison(
            ImageChanges(*(self.images[kind] for kind in ("same", "renamed", "changed", "removed", "added"))),
            BoxTotals(boxes["same"] + followed, boxes["moved"], boxes["relabelled"] - followed, boxes["removed"], boxes["added"]),
            classes,
            tuple(SplitMove(*pair, count) for pair, count in self.moves.most_common()),
            {kind: tuple(cases) for kind, cases in self.cases.items()},
            (sides[0].left_out, sides[1].left_out),
        )

    def _classes(self, old: Dataset, new: Dataset, sides: tuple[_Side, _Side]) -> ClassChanges:
        renamed = dict(self._renamed(set(old.classes) - set(new.classes), set(new.classes) - set(old.classes)))
        return ClassChanges(
            added=tuple(name for name in new.classes if name not in old.classes and name not in renamed.values()),
            removed=tuple(name for name in old.classes if name not in new.classes and name not in renamed),
            renamed=renamed,
            boxes={name: (sides[0].boxes[name], sides[1].boxes[name]) for name in dict.fromkeys((*old.classes, *new.classes))},
        )

    def _renamed(self, gone: set[str], fresh: set[str]) -> Iterator[tuple[str, str]]:
        followed: Counter[str] = Counter()
        for (label, _), count in self.relabelled.items():
            followed[label] += count
        taken: set[str] = set()
        for (label, name), count in self.relabelled.most_common():
            if label in gone and name in fresh and name not in taken and count > MOSTLY * followed[label]:
                taken.add(name)
                yield label, name


def _in_words(box: Box) -> str:
    label, x, y, w, h = box
    return f"{label} {x:g},{y:g} {w:g}×{h:g}"
