"""Boxes and words on pictures, for people to look at."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from recipes.dataset import Flag

if TYPE_CHECKING:
    from PIL import ImageDraw, ImageFont

    Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

Corners: TypeAlias = tuple[int, int, int, int]
DASHED = frozenset({Flag.LOST, Flag.OCCLUDED})
PAPER, INK = "#ffffff", "#1d1c1d"
# Tell apart on any background and with most colour blindness (after Wong 2011 and Tol 2021); then it starts over.
COLOURS = ("#e69f00", "#0072b2", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#b8a800", "#882255", "#44aa99", "#aa4499")
LINE = 4
DASH = 14
TEXT_SIZE = 22
SMALLEST_TEXT = 10
TEXTS_PER_SIDE = 28
LONGEST = 200


def outline(draw: ImageDraw.ImageDraw, corners: Corners, colour: str, *, dashed: bool, line: int = LINE) -> None:
    """The four sides of a box."""
    if not dashed:
        draw.rectangle(corners, outline=colour, width=line)
        return
    x1, y1, x2, y2 = corners
    for x in range(x1, x2, 2 * DASH):
        for y in (y1, y2):
            draw.line((x, y, min(x + DASH, x2), y), fill=colour, width=line)
    for y in range(y1, y2, 2 * DASH):
        for x in (x1, x2):
            draw.line((x, y, x, min(y + DASH, y2)), fill=colour, width=line)


def name_tag(
    draw: ImageDraw.ImageDraw, corners: Corners, text: str, colour: str, *, limits: tuple[int, int, int], size: int = TEXT_SIZE
) -> None:
    """The class on its box: above it, or inside where the picture (from left to right, and to its bottom) ends above."""
    text = shortened(text, max(80, (limits[1] - limits[0]) // 2), size)
    width = int(draw.textlength(text, font=font_of(size))) + 10
    height = size + 8
    x = max(limits[0], min(corners[0], limits[1] - width))
    y = corners[1] - height if corners[1] >= height else min(corners[1], limits[2] - height)
    draw.rectangle((x, y, x + width, y + height), fill=colour)
    draw.text((x + 5, y + 2), text, fill=_readable_on(colour), font=font_of(size))


def font_size_for(width: int, height: int) -> int:
    """How large words are on a picture of that many pixels."""
    return max(SMALLEST_TEXT, min(width, height) // TEXTS_PER_SIDE)


def shortened(text: str, width: int, size: int) -> str:
    """The text in one line, its middle left out where it is too long: a file name's end says more than its middle."""
    font = font_of(size)
    text = " ".join(text.split())
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]}…{text[-(LONGEST // 2) :]}"
    if font.getlength(text) <= width:
        return text
    for keep in range(len(text) - 1, 1, -1):
        shorter = f"{text[: keep // 2]}…{text[-(keep - keep // 2) :]}"
        if font.getlength(shorter) <= width:
            return shorter
    return "…"


def _readable_on(colour: str) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else PAPER


@cache
def font_of(size: int) -> Font:
    """DejaVu Sans as matplotlib brings it (found, not imported), for more letters than Pillow's own font has."""
    from PIL import ImageFont

    matplotlib = find_spec("matplotlib")
    if matplotlib and matplotlib.origin:
        path = Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if path.is_file():
            return ImageFont.truetype(str(path), size)
    return ImageFont.load_default(size)
