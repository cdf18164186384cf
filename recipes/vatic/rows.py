"""The rows of VATIC dumps, whichever file they come from: checked, and brought together by frame."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from recipes.dataset import Annotation
from recipes.effort import Effort
from recipes.errors import Defects, Where
from recipes.ledger import Ledger
from recipes.streams.grouping import Grouping
from recipes.streams.spool import unpacked_flags

VaticRow: TypeAlias = tuple[int, tuple[int, str, float, float, float, float, int, dict[str, object] | None, int | None]]
"""Frame, (track, label, x, y, w, h, packed flags, attributes, line)."""

CHUNK = 256
STEP = "read vatic"
NO_IMAGE = "frame without an image"


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one annotation file by frame; frames holds each annotated one once, ascending."""

    name: str
    by_frame: Grouping
    frames: array[int]
    labels: tuple[str, ...]

    def where(self, row: tuple[Any, ...], frame: int, key: str = "") -> Where:
        """The line of a row, or its track and frame where the file has no lines."""
        if row[-1] is not None:
            return Where(self.name, row[-1], key)
        return Where(self.name, key=f"track {row[0]}, frame {frame}")

    def of(self, frames: Iterable[int]) -> dict[int, list[tuple[Any, ...]]]:
        """The rows of some frames, each frame's in the file's order."""
        found: dict[int, list[tuple[Any, ...]]] = {}
        for chunk in dict.fromkeys(frame // CHUNK for frame in frames):
            found |= self.by_frame.chunk(chunk)
        return found


def gather(name: str, rows: Iterable[VaticRow], effort: Effort, defects: Defects) -> Rows:
    """Take in the rows of a file; inverted boxes, and tracks that are twice in a frame, go to defects."""
    by_frame, frames = Grouping(CHUNK, effort.scratch), set[int]()
    labels: dict[str, None] = {}
    result = Rows(name, by_frame, array("q"), ())
    for frame, row in rows:
        problem = _inverted(row)
        if problem:
            defects.add(problem, result.where(row, frame))
            continue
        by_frame.add(frame, row)
        frames.add(frame)
        labels[row[1]] = None
    by_frame.settle()
    result = Rows(name, by_frame, array("q", sorted(frames)), tuple(labels))
    _find_twice(result, defects)
    return result


def _inverted(row: tuple[Any, ...]) -> str:
    _, _, x, y, w, h, *_ = row
    if w < 0:
        return f"The box is inverted: xmax {x + w:g} is left of xmin {x:g}."
    if h < 0:
        return f"The box is inverted: ymax {y + h:g} is above ymin {y:g}."
    return ""


def _find_twice(rows: Rows, defects: Defects) -> None:
    """Two rows for one track in one frame contradict each other."""
    for chunk in dict.fromkeys(frame // CHUNK for frame in rows.frames):
        for frame, found in sorted(rows.by_frame.chunk(chunk).items()):
            if len({row[0] for row in found}) == len(found):
                continue
            first: dict[int, tuple[Any, ...]] = {}
            for row in found:
                if first.setdefault(row[0], row) is not row:
                    told = f", first in line {first[row[0]][-1]}" if row[-1] is not None else ""
                    defects.add(f"Track {row[0]} has frame {frame} twice{told}.", rows.where(row, frame))


def require_images(rows: Rows, present: frozenset[int], defects: Defects) -> None:
    """Every row of a frame without an image is a defect."""
    missing = [frame for frame in rows.frames if frame not in present]
    for frame, found in sorted(rows.of(missing).items()):
        if frame not in present:
            for row in found:
                defects.add(f"Frame {frame} has no image.", rows.where(row, frame))


def leave_out(rows: Rows, present: frozenset[int], ledger: Ledger) -> None:
    """Every row of a frame without an image is accounted for."""
    missing = [frame for frame in rows.frames if frame not in present]
    for frame, found in sorted(rows.of(missing).items()):
        if frame not in present:
            for row in found:
                ledger.drop_row(STEP, NO_IMAGE, str(rows.where(row, frame, f"frame {frame}")))


def boxes(found: Iterable[tuple[Any, ...]]) -> tuple[Annotation, ...]:
    """The rows of a frame as annotations."""
    return tuple(
        Annotation(label, x, y, w, h, unpacked_flags(bits), track, None, None, attributes, line)
        for track, label, x, y, w, h, bits, attributes, line in found
    )
