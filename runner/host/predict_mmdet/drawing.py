"""Draws detections: outlines, masks and names, in a colour a class, legible at any size of picture."""

from __future__ import annotations

import colorsys
import math
import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Tuple

import cv2
import numpy
from PIL import Image, ImageDraw, ImageFont

from .model import Detection

# A smaller picture is drawn larger, so that names have room.
LEAST_SIDE = 640
LEAST_LETTERS, LEAST_LINE = 13, 2
LETTERS_SHARE, LINE_SHARE = 48, 280
MASK_SHARE = 0.45
GOLDEN = 0.618033988749895

Place = Tuple[int, int, int, int]
Colour = Tuple[int, int, int]


def drawn(pixels: numpy.ndarray, found: Sequence[Detection], classes: Sequence[str]) -> numpy.ndarray:
    """A copy of a BGR picture with its detections, enlarged by a whole number where it is small."""
    larger = max(1, math.ceil(LEAST_SIDE / max(pixels.shape[:2])))
    canvas = cv2.resize(pixels, None, fx=larger, fy=larger, interpolation=cv2.INTER_CUBIC) if larger > 1 else pixels.copy()
    weakest_first = list(reversed(found))
    for item in weakest_first:
        if item.mask is not None:
            _fill(canvas, item.mask, colour(item.label))
    picture = Image.fromarray(cv2.cvtColor(canvas, cv2.COLOR_BGR2RGB))
    pen, side = ImageDraw.Draw(picture), math.sqrt(picture.width * picture.height)
    line = max(LEAST_LINE, round(side / LINE_SHARE))
    for item in weakest_first:
        x1, y1, x2, y2 = _place(item, larger, picture)
        # A dark edge sets the outline off from a picture of its own colour.
        pen.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline=(0, 0, 0), width=line + 2)
        pen.rectangle((x1, y1, x2, y2), outline=colour(item.label), width=line)
    letters = font(tuple(classes), max(LEAST_LETTERS, round(side / LETTERS_SHARE)))
    _name_all(pen, picture, found, larger=larger, letters=letters, classes=classes)
    return cv2.cvtColor(numpy.asarray(picture), cv2.COLOR_RGB2BGR)


@lru_cache(maxsize=None)
def colour(label: int) -> Colour:
    """RGB; neighbouring labels lie far apart on the colour wheel, and each turn of it is lighter or darker than the last."""
    value, saturation = ((1.0, 0.85), (0.75, 1.0), (1.0, 0.5))[label // 8 % 3]
    red, green, blue = colorsys.hsv_to_rgb((0.08 + label * GOLDEN) % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


@lru_cache(maxsize=None)
def font(texts: tuple[str, ...], size: int) -> Any:
    """matplotlib's own font, or the first one of this system that has every letter."""
    import matplotlib
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    letters = {ord(letter) for text in texts for letter in text if not letter.isspace()}
    own = os.path.join(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans-Bold.ttf")

    def has_all(path: str) -> bool:
        try:
            return letters <= set(FT2Font(path).get_charmap())
        except (OSError, RuntimeError):  # of matplotlib's list, which it keeps from run to run: gone, or broken
            return False

    # The Last Resort font of later matplotlibs has a frame for every letter, and the letter for none.
    paths = [own, *(entry.fname for entry in font_manager.fontManager.ttflist if not entry.name.startswith("Last Resort"))]
    return ImageFont.truetype(next(filter(has_all, paths), own), size)


def _fill(canvas: numpy.ndarray, mask: numpy.ndarray, rgb: Colour) -> None:
    inside = cv2.resize(mask.astype(numpy.uint8), (canvas.shape[1], canvas.shape[0]), interpolation=cv2.INTER_NEAREST).astype(bool)
    canvas[inside] = (canvas[inside] * (1 - MASK_SHARE) + numpy.array(rgb[::-1]) * MASK_SHARE).astype(numpy.uint8)


def _place(item: Detection, larger: int, picture: Image.Image) -> Place:
    """The box in whole pixels inside the picture; never inverted."""
    x1, y1, x2, y2 = (round(side * larger) for side in item.box)
    x1, y1 = min(max(x1, 0), picture.width - 1), min(max(y1, 0), picture.height - 1)
    return x1, y1, min(max(x2, x1), picture.width - 1), min(max(y2, y1), picture.height - 1)


def _name_all(
    pen: ImageDraw.ImageDraw, picture: Image.Image, found: Sequence[Detection], *, larger: int, letters: Any, classes: Sequence[str]
) -> None:
    """A name plate for each, the best first: above its box, else below, else inside, wherever no earlier one lies."""
    taken: list[Place] = []
    for item in found:
        text = "%s %.2f" % (classes[item.label], item.score)
        left, top, right, bottom = pen.textbbox((0, 0), text, font=letters)
        pad = max(2, (bottom - top) // 6)
        width, height = right - left + 2 * pad, bottom - top + 2 * pad
        place = _free_place(_place(item, larger, picture), width, height, (picture.width, picture.height), taken)
        taken.append(place)
        rgb = colour(item.label)
        pen.rectangle(place, fill=rgb)
        dark = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] > 140
        pen.text((place[0] + pad - left, place[1] + pad - top), text, font=letters, fill=(0, 0, 0) if dark else (255, 255, 255))


def _free_place(box: Place, width: int, height: int, size: tuple[int, int], taken: Sequence[Place]) -> Place:
    x1, y1, x2, y2 = box
    wanted = [(x1, y1 - height), (x1, y2), (x1, y1), (x2 - width, y1 - height), (x2 - width, y2), (x1, y2 - height)]
    places = []
    for left, top in wanted:
        x, y = max(0, min(left, size[0] - width)), max(0, min(top, size[1] - height))
        places.append((x, y, x + width, y + height))
    return next((place for place in places if not any(_overlap(place, other) for other in taken)), places[0])


def _overlap(one: Place, other: Place) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
