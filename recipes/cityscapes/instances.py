"""Images of instance ids: read, or painted from polygons, and taken apart into masks.

A pixel's number is label id x 1000 + index for an object, the label's id alone for a group or for what are no objects. Objects
of a label are numbered in the file's order, groups and deleted ones left out. Source: cityscapesscripts/preparation/json2instanceImg.py,
evaluation/instances2dict.py. The edge pixels of a polygon belong to it.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from recipes.cityscapes.document import Document
from recipes.cityscapes.labels import IDS_PER_LABEL, THINGS
from recipes.dataset import RunLengths
from recipes.errors import FormatError, Where

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers: TypeAlias = NDArray[np.integer[Any]]

MOST_PIXELS = 10_000_000
MOST_PAINTED = 8_000_000_000
MODES = frozenset({"I", "I;16", "I;16B"})


@dataclass(frozen=True, slots=True)
class Instance:
    """What is to be seen of an object or a group: its id, its box (x, y, w, h) in whole pixels, and its mask."""

    id: int
    box: tuple[int, int, int, int]
    area: int
    mask: RunLengths

    @property
    def group(self) -> bool:
        """Whether it stands for many objects."""
        return self.id < IDS_PER_LABEL

    @property
    def label(self) -> str:
        """Its class."""
        return THINGS[self.id if self.group else self.id // IDS_PER_LABEL]


def read_ids(path: Path, name: str) -> Numbers:
    """The ids in an image, row by row; FormatError where it is no image of 16-bit ids."""
    import numpy as np
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                _require_small(image.size, name)
                if image.mode not in MODES:
                    sentence = f"The image of instances is of kind {image.mode} instead of 16 bits a pixel: ids do not fit."
                    raise FormatError(sentence, where=Where(name))
                return np.asarray(image, dtype=np.int32)
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise FormatError("This is not a readable image.", where=Where(name)) from error


def painted_ids(document: Document, name: str) -> Numbers:
    """The ids that Cityscapes' own program would paint for these polygons."""
    import numpy as np
    from PIL import Image, ImageDraw

    _require_small((document.width, document.height), name)
    if document.width * document.height * len(document.shapes) > MOST_PAINTED:
        raise FormatError("There are too many polygons to paint.", where=Where(name))
    image = Image.new("I", (document.width, document.height))
    draw = ImageDraw.Draw(image)
    counts: Counter[str] = Counter()
    for shape in document.shapes:
        number = shape.label.id
        if shape.deleted:
            continue
        if shape.label.is_thing and not shape.label.group:
            number = number * IDS_PER_LABEL + counts[shape.label.name]
            counts[shape.label.name] += 1
        if number >= 0:
            draw.polygon(shape.outline, fill=number)
    return np.asarray(image, dtype=np.int32)


def _require_small(size: tuple[int, int], name: str) -> None:
    if size[0] * size[1] > MOST_PIXELS:
        raise FormatError(f"An image of instances with {size[0]:,} x {size[1]:,} pixels is refused.", where=Where(name))


def instances(ids: Numbers, name: str) -> Iterator[Instance]:
    """The objects and groups in an image of ids, by ascending id; FormatError for an id that Cityscapes does not have."""
    import numpy as np

    height, width = ids.shape
    columns = ids.T.reshape(-1)
    things = np.where(columns < IDS_PER_LABEL, columns, columns // IDS_PER_LABEL)
    columns = np.where(np.isin(things, list(THINGS)), columns, 0)
    if (odd := ids[(ids < 0) | (ids > max(THINGS)) & ~np.isin(ids // IDS_PER_LABEL, list(THINGS))]).size:
        raise FormatError(f"The id {odd[0]} is none of Cityscapes'.", where=Where(name))
    starts = np.concatenate(([0], np.flatnonzero(columns[1:] != columns[:-1]) + 1))
    ends = np.append(starts[1:], columns.size)
    numbers = columns[starts]
    order = np.argsort(numbers, kind="stable")
    firsts = np.flatnonzero(np.diff(numbers[order], prepend=-1))
    for runs in np.split(order, firsts[1:]):
        if number := int(numbers[runs[0]]):
            yield _instance(number, starts[runs], ends[runs], width, height)


def _instance(number: int, starts: Numbers, ends: Numbers, width: int, height: int) -> Instance:
    """The instance of these runs, which count pixels column by column."""
    import numpy as np

    lasts = ends - 1
    whole = bool(np.any(starts // height != lasts // height))  # a run over the end of a column fills both ends of columns
    top, bottom = (0, height - 1) if whole else (int((starts % height).min()), int((lasts % height).max()))
    left, right = int(starts[0]) // height, int(lasts[-1]) // height
    counts = np.empty(2 * len(starts), dtype=np.int64)
    counts[0::2] = starts - np.concatenate(([0], ends[:-1]))
    counts[1::2] = ends - starts
    rest = width * height - int(ends[-1])
    mask = RunLengths(height, width, (*counts.tolist(), rest) if rest else tuple(counts.tolist()))
    return Instance(number, (left, top, right - left + 1, bottom - top + 1), int(counts[1::2].sum()), mask)
