"""One image of MMDetection's middle format, from and to what a pickle holds of it."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeGuard

from recipes.dataset import NO_FLAGS, Flag, Flags, ImageRecord
from recipes.errors import Defects, Where
from recipes.folder import Folder
from recipes.mmdet import pickling
from recipes.mmdet.unpickling import Array, BrokenPickleError, Machine
from recipes.names import unsafe_path

ALL = "all"
"""The pickle of images that are in no split."""
LARGEST_BYTES = 256 * 2**20
LARGEST_SIDE = 2**24
IGNORED = frozenset({Flag.DIFFICULT, Flag.CROWD})
IGNORED_FLAGS: tuple[Flags, ...] = (NO_FLAGS, frozenset({Flag.DIFFICULT}), frozenset({Flag.CROWD}), IGNORED)
"""Why a box is to be ignored, by its number in flags_ignore; without that key it is difficult."""
EXACT = 1e-6

Box: TypeAlias = tuple[str, float, float, float, float, int]
"""Label, x, y, w, h, and why it is to be ignored."""
Entry: TypeAlias = tuple[str, int, int, list[Box] | None, str | None, str]
"""File name, width, height, boxes (None where there is no ann), split, and the pickle it is in."""


def entries_of(records: Iterator[ImageRecord], labels: Mapping[str, int], *, short: int) -> tuple[dict[str | None, list[bytes]], int]:
    """The entries of some images by split, and how many boxes 32 bits cannot hold to 1e-6. Right and bottom are ``short`` less."""
    pieces: dict[str | None, list[bytes]] = {}
    rounded = 0
    for record in records:
        boxes: tuple[list[float], list[float]] = ([], [])
        numbers: tuple[list[int], list[int]] = ([], [])
        places, flags = [], []
        for place, box in enumerate(record.annotations):
            ignored = not IGNORED.isdisjoint(box.flags)
            boxes[ignored].extend((box.x, box.y, box.x + box.w - short, box.y + box.h - short))
            numbers[ignored].append(labels.get(box.label, -1))  # what no class list has is refused by the check
            if ignored:
                places.append(place)
                flags.append(IGNORED_FLAGS.index(box.flags & IGNORED))
        rounded += sum(map(_rounded, boxes))
        more = {
            "places_ignore": [] if places == list(range(len(numbers[0]), len(record.annotations))) else places,
            "flags_ignore": flags if set(flags) - {1} else [],
        }
        entry = pickling.entry(record.name, record.width, record.height, boxes, numbers, {} if short else more)
        pieces.setdefault(record.split, []).append(entry)
    return pieces, rounded


def _rounded(values: list[float]) -> int:
    kept = array("f", values).tolist()
    if kept == values:
        return 0
    off = [abs(one - other) > EXACT for one, other in zip(kept, values, strict=True)]
    return sum(any(off[place : place + 4]) for place in range(0, len(off), 4))


@dataclass(slots=True)
class Parser:
    """Checks what a pickle holds. short is what is to be added to right and bottom."""

    name: str
    classes: Sequence[str]
    short: int
    defects: Defects
    spent: int = 0

    def entries(self, folder: Folder) -> Iterator[Entry]:
        """Every image; what is not one is a defect."""
        with folder.path(self.name).open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
        if len(data) > LARGEST_BYTES:
            self.defects.add(f"The pickle is larger than {LARGEST_BYTES:,} bytes, which is refused.", Where(self.name))
            return
        try:
            for number, item in enumerate(Machine(data).items()):
                entry = self._entry(item, number)
                if entry is not None:
                    yield entry
                if self.spent > len(data):  # every number takes a byte at least
                    raise BrokenPickleError("The pickle repeats its arrays.")
        except BrokenPickleError as error:
            self.defects.add(str(error), Where(self.name))

    def _entry(self, item: object, number: int) -> Entry | None:
        where = Where(self.name, key=f"image {number}")
        if type(item) is not dict or not isinstance(item.get("filename"), str):
            self.defects.add("The entry is not a dict with a filename.", where)
            return None
        name = item["filename"]
        where = Where(self.name, key=f"image {number} ({name[:80]})")
        if reason := unsafe_path(name):
            self.defects.add(f"The filename is refused: {reason}.", where)
            return None
        width, height, annotated = item.get("width"), item.get("height"), item.get("ann")
        if not _is_side(width) or not _is_side(height):
            self.defects.add("The width or height is missing or no number of pixels.", where)
            return None
        boxes = None
        if annotated is not None:
            try:
                boxes = self._boxes(annotated)
            except BrokenPickleError as error:
                self.defects.add(str(error), where)
                return None
        split = self.name.rpartition("/")[2].rpartition(".")[0]
        return name, width, height, boxes, None if split == ALL else split, self.name

    def _boxes(self, annotated: object) -> list[Box]:
        """The boxes in the image's order."""
        if type(annotated) is not dict or "bboxes" not in annotated or "labels" not in annotated:
            raise BrokenPickleError("The ann is not a dict with bboxes and labels.")
        learned = self._rows(annotated, "bboxes", "labels", 0)
        ignored = self._rows(annotated, "bboxes_ignore", "labels_ignore", 1)
        if flags := self._numbers(annotated.get("flags_ignore"), "flags_ignore"):
            if len(flags) != len(ignored) or not set(flags) <= {1, 2, 3}:
                raise BrokenPickleError("The flags_ignore are not 1, 2 or 3 for each box to ignore.")
            ignored = [(*box[:5], int(flag)) for box, flag in zip(ignored, flags, strict=True)]
        places = self._numbers(annotated.get("places_ignore"), "places_ignore")
        if not places:
            return learned + ignored
        total, ignored_at = len(learned) + len(ignored), dict(zip(places, ignored, strict=False))
        if not len(places) == len(ignored) == len(ignored_at) or not ignored_at.keys() <= set(range(total)):
            raise BrokenPickleError("The places_ignore are not the places of the boxes to ignore.")
        others = iter(learned)
        return [ignored_at[place] if place in ignored_at else next(others) for place in range(total)]

    def _rows(self, annotated: dict[str, object], boxes_key: str, labels_key: str, why: int) -> list[Box]:
        corners = self._numbers(annotated.get(boxes_key), boxes_key)
        labels = self._numbers(annotated.get(labels_key), labels_key)
        if len(corners) != 4 * len(labels):
            raise BrokenPickleError(f"There are {len(corners):,} numbers in {boxes_key} for {len(labels):,} {labels_key}; a box has four.")
        rows: list[Box] = []
        for place, label in enumerate(labels):
            if not 0 <= label < len(self.classes) or label != int(label):
                raise BrokenPickleError(f"The label {label} is not one of the {len(self.classes)} classes, which count from 0.")
            x1, y1, x2, y2 = corners[4 * place : 4 * place + 4]
            rows.append((self.classes[int(label)], x1, y1, x2 - x1 + self.short, y2 - y1 + self.short, why))
        return rows

    def _numbers(self, value: object, key: str) -> Sequence[float]:
        """The numbers of an array, or of a list of numbers or of lists of them; none where there is no such key."""
        if value is None:
            return ()
        if isinstance(value, Array):
            numbers: list[float] = [*value.values()]
        elif isinstance(value, list):
            flat = [number for row in value for number in (row if isinstance(row, list | tuple) else (row,))]
            numbers = [number for number in flat if type(number) in {int, float} and abs(number) < 2**53]
            if len(numbers) != len(flat):
                raise BrokenPickleError(f"The {key} are not numbers.")
        else:
            raise BrokenPickleError(f"The {key} are not an array.")
        self.spent += len(numbers)
        return numbers


def _is_side(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 < value <= LARGEST_SIDE
