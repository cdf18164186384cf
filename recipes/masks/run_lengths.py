"""Masks in COCO run lengths: read, moved and written without ever laying out their pixels.

The rules are those of cocoapi's common/maskApi.c: runs go down column after column and start with zeros; in the compressed text
(rleToString) every run but the first three is the difference to the run two before it, in groups of five bits, lowest first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, groupby
from math import ceil
from operator import itemgetter
from typing import TypeAlias

from recipes.dataset import RunLengths
from recipes.errors import FormatError
from recipes.pictures.pixels import Placement

Segment: TypeAlias = tuple[int, int, int]
"""A column and the rows of it that are set: from the first to before the last."""

FIRST_CHARACTER = 48
GROUP_BITS = 5
LARGEST_SHIFT = 60  # what follows would be a run of more than any image's pixels


def counts_of(mask: RunLengths) -> tuple[int, ...]:
    """The runs as numbers; FormatError where they do not add up to the mask's size or the text is none of COCO's."""
    counts = decompressed(mask.counts) if isinstance(mask.counts, str) else mask.counts
    if sum(counts) != mask.height * mask.width or any(count < 0 for count in counts):
        raise FormatError(f"The mask's run lengths do not add up to its size, {mask.width} x {mask.height} pixels.")
    return counts


def decompressed(text: str) -> tuple[int, ...]:
    """The runs of COCO's compressed text; FormatError where it is none."""
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - FIRST_CHARACTER
        if not 0 <= bits < 64 or shift > LARGEST_SHIFT:
            raise FormatError("The mask's compressed run lengths are damaged.")
        value |= (bits & 31) << shift
        shift += GROUP_BITS
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise FormatError("The mask's compressed run lengths end in the middle of a number.")
    return tuple(counts)


def compressed(counts: Sequence[int]) -> str:
    """The runs as COCO's compressed text."""
    characters: list[str] = []
    for place, count in enumerate(counts):
        value = count - counts[place - 2] if place > 2 else count
        while True:
            bits = value & 31
            value >>= GROUP_BITS
            more = value != (-1 if bits & 16 else 0)
            characters.append(chr(FIRST_CHARACTER + bits + 32 * more))
            if not more:
                break
    return "".join(characters)


def area(mask: RunLengths) -> int:
    """How many pixels are set."""
    return sum(counts_of(mask)[1::2])


def segments(mask: RunLengths) -> Iterator[Segment]:
    """What is set, column by column, from left to right and from the top down."""
    height = mask.height
    ends = list(accumulate(counts_of(mask)))
    for start, end in zip(ends[::2], ends[1::2], strict=False):
        position = start
        while position < end:
            column, row = divmod(position, height)
            last = min(height, row + end - position)
            yield column, row, last
            position += last - row


def from_segments(parts: Iterable[Segment], *, width: int, height: int, as_text: bool) -> RunLengths:
    """The mask of these segments, which come in the order of segments() and do not overlap."""
    counts, position, open_run = [0], 0, False
    for column, first, last in parts:
        start = column * height + first
        if open_run and start == position:
            counts[-1] += last - first
        else:
            if open_run:
                counts.append(0)
            counts[-1] += start - position
            counts.append(last - first)
            open_run = True
        position = column * height + last
    rest = width * height - position
    if rest and open_run:
        counts.append(rest)
    elif rest:
        counts[-1] += rest
    return RunLengths(height, width, compressed(counts) if as_text else tuple(counts))


def placed(mask: RunLengths, placement: Placement) -> RunLengths:
    """The mask where a picture was put: each pixel takes what its centre falls on; what comes to lie outside is cut."""
    width, height, scale_x, scale_y, left, top = placement
    columns = [(column, list(rows)) for column, rows in groupby(segments(mask), key=itemgetter(0))]

    def moved() -> Iterator[Segment]:
        for column, rows in columns if scale_x > 0 else reversed(columns):
            spans = [span for _, first, last in rows if (span := _span(first, last, scale_y, top, height))]
            if scale_y < 0:
                spans.reverse()
            for x in range(*(_span(column, column + 1, scale_x, left, width) or (0, 0))):
                yield from ((x, *span) for span in spans)

    return from_segments(moved(), width=width, height=height, as_text=isinstance(mask.counts, str))


def _span(first: int, last: int, scale: float, offset: float, limit: int) -> tuple[int, int] | None:
    """The pixels whose centres lie between the two edges once they are placed; None where there are none."""
    low, high = sorted((first * scale + offset, last * scale + offset))
    start, end = max(0, ceil(low - 0.5)), min(limit, ceil(high - 0.5))
    return (start, end) if start < end else None
