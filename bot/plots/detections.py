"""Contact sheets of detections: what is annotated beside what models found, to be read on a phone."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from recipes.pictures.painting import INK, PAPER, font_of, name_tag, outline, shortened
from runner.service.detections import Box, Look

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

WIDTH = 1200
MARGIN = 16
TEXT, HEADING = 24, 30
MOST_PIXELS = 50_000_000
"""Of an image that is decoded while a message waits for it."""
TALLEST = 0.75
"""Of a panel, by its width: a taller image is shown narrower."""
TAGGED = 8
"""Where a panel has more boxes than that, only the errors are named."""
FAINT, RIGHT, MISSED, WRONG = "#616061", "#0072b2", "#d55e00", "#aa4499"
RULE = "blue: right · orange, dashed: missed · purple: wrong (from score 0.3, same class, IoU 0.5)"


@dataclass(frozen=True, slots=True)
class Row:
    """An image several times side by side, with other boxes each time, and a line below."""

    path: Path
    panels: Sequence[Sequence[Box]]
    caption: str


@dataclass(frozen=True, slots=True)
class Section:
    """Rows under a heading."""

    heading: str
    rows: Sequence[Row]


def worst_and_best(worst: Sequence[Look], best: Sequence[Look]) -> bytes:
    """A PNG, WIDTH pixels wide: what is annotated and what was found."""
    sections = [Section("Worst", [_row(look) for look in worst]), Section("Best", [_row(look) for look in best])]
    return sheet(["annotated", "found"], [each for each in sections if each.rows])


def regressions(pairs: Sequence[tuple[Look, Look]], *, champion: str, new: str) -> bytes:
    """A PNG, WIDTH pixels wide: what the champion and what the new model found and missed."""
    rows = [
        Row(
            after.path, [[*_missed(before), *before.found], [*_missed(after), *after.found]],
            f"{after.name}: {_errors(before)} before, {_errors(after)} now",
        )
        for before, after in pairs
    ]
    return sheet([f"champion {champion}", f"new {new}"], [Section("Worse than the champion", rows)])


def sheet(columns: Sequence[str], sections: Sequence[Section]) -> bytes:
    """A PNG: the columns named once, then the sections."""
    from PIL import Image, ImageDraw

    cell = (WIDTH - MARGIN * (len(columns) + 1)) // len(columns)
    pieces: list[tuple[str, Image.Image | None, str]] = []
    for section in sections:
        pieces.append((section.heading, None, ""))
        pieces += [("", _strip(row, cell), row.caption) for row in section.rows]
    head = MARGIN + 2 * (TEXT + 12)
    heights = [HEADING + 20 if strip is None else strip.height + TEXT + 24 for _, strip, _ in pieces]
    picture = Image.new("RGB", (WIDTH, head + sum(heights) + MARGIN), PAPER)
    draw = ImageDraw.Draw(picture)
    _write(draw, (MARGIN, MARGIN), RULE, FAINT, WIDTH - 2 * MARGIN)
    for place, column in enumerate(columns):
        _write(draw, (MARGIN + place * (cell + MARGIN), MARGIN + TEXT + 12), column, INK, cell)
    top = head
    for (heading, strip, caption), height in zip(pieces, heights, strict=True):
        if strip is None:
            draw.text((MARGIN, top + 6), heading, fill=INK, font=font_of(HEADING))
        else:
            picture.paste(strip, (MARGIN, top))
            _write(draw, (MARGIN, top + strip.height + 4), caption, FAINT, WIDTH - 2 * MARGIN)
        top += height
    out = BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def _row(look: Look) -> Row:
    right = sum(box.right for box in look.truth)
    caption = f"{look.name}: {right} of {len(look.truth)} found" + (f", {look.wrong} wrong" if look.wrong else "")
    return Row(look.path, [look.truth, look.found], caption)


def _missed(look: Look) -> Sequence[Box]:
    return [box for box in look.truth if not box.right]


def _errors(look: Look) -> str:
    return f"{look.missed} missed and {look.wrong} wrong"


def _strip(row: Row, cell: int) -> Image.Image:
    """The panels of a row; where the image cannot be decoded, its boxes on grey."""
    from PIL import Image

    image, size = _decoded(row.path) or (None, _extent(row.panels))
    scale = min(cell / size[0], cell * TALLEST / size[1])
    shown = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    plain = image.resize(shown, Image.Resampling.BICUBIC) if image else Image.new("RGB", shown, "#dddddd")
    strip = Image.new("RGB", (WIDTH - 2 * MARGIN, shown[1]), PAPER)
    for place, boxes in enumerate(row.panels):
        panel = plain.copy()
        _paint(panel, boxes, scale)
        strip.paste(panel, (place * (cell + MARGIN), 0))
    return strip


def _paint(panel: Image.Image, boxes: Sequence[Box], scale: float) -> None:
    from PIL import ImageDraw

    draw, limits = ImageDraw.Draw(panel), (0, panel.width, panel.height)
    drawn = [(box, _corners(box, scale, panel.size)) for box in sorted(boxes, key=lambda box: (not box.right, -box.w * box.h))]
    for box, corners in drawn:
        outline(draw, corners, _colour(box), dashed=_colour(box) == MISSED)
    for box, corners in drawn:
        if len(boxes) <= TAGGED or not box.right:
            said = box.label if box.score is None else f"{box.label} {box.score:.2f}"
            name_tag(draw, corners, said, _colour(box), limits=limits, size=TEXT - 4)


def _colour(box: Box) -> str:
    return RIGHT if box.right else MISSED if box.score is None else WRONG


def _corners(box: Box, scale: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The box inside the panel."""
    x1, x2 = sorted(min(max(round(x * scale), 0), size[0] - 1) for x in (box.x, box.x + box.w))
    y1, y2 = sorted(min(max(round(y * scale), 0), size[1] - 1) for y in (box.y, box.y + box.h))
    return x1, y1, x2, y2


def _decoded(path: Path) -> tuple[Image.Image, tuple[float, float]] | None:
    """The image, decoded no larger than it is needed, and its own size."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                size = image.size
                if size[0] * size[1] > MOST_PIXELS:
                    return None
                image.draft("RGB", (WIDTH // 2, WIDTH // 2))
                return image.convert("RGB"), size
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError):
        return None


def _extent(panels: Sequence[Sequence[Box]]) -> tuple[float, float]:
    """As much as the boxes need."""
    boxes = [box for boxes in panels for box in boxes if isfinite(box.x + box.y + box.w + box.h)]
    return max([1.0, *(box.x + box.w for box in boxes)]), max([1.0, *(box.y + box.h for box in boxes)])


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, colour: str, width: int) -> None:
    draw.text(place, shortened(text, width, TEXT), fill=colour, font=font_of(TEXT))
