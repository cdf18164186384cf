"""VIA's shapes as boxes and outlines.

Format: ox-vgg/via, via-1.x.y and via-2.x.y/src/js/via.js at aa9b87f. Points are places on the image's canvas: 0-based continuous
pixels. A polygon of VIA 1 repeats its first point at the end. Circle and ellipse are given an outline of points, as VIA's own
COCO export does; their box is exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from recipes.masks.regions import Box, Outline, bounds, finite

Shape: TypeAlias = tuple[Box, Outline | None]
OUTLINE_POINTS = 64
BOX_KEYS = ("x", "y", "width", "height")
POINT = "point"


class ShapeError(ValueError):
    """What is wrong with a shape, as a sentence."""


def read_shape(shape: Mapping[str, Any], *, closed: bool) -> Shape:
    """The box of a shape, and its outline where it has one. closed: the last point of a polygon repeats the first. ShapeError."""
    name = shape.get("name")
    if name in ("polygon", "polyline"):
        return _polygon(shape, closed=closed)
    read = _SHAPES.get(name) if isinstance(name, str) else None
    if read is None:
        raise ShapeError(f"The shape is {str(name)[:40]!r}; VIA knows {', '.join((*_SHAPES, 'polygon', 'polyline', POINT))}.")
    return read(shape)


def _numbers(shape: Mapping[str, Any], *keys: str) -> list[float]:
    values: list[float] = []
    for key in keys:
        value = finite(shape.get(key))
        if value is None:
            raise ShapeError(f"{key} of the {shape['name']} is {str(shape.get(key))[:40]!r}; it must be a number of pixels.")
        values.append(value)
    return values


def _rect(shape: Mapping[str, Any]) -> Shape:
    x, y, w, h = _numbers(shape, *BOX_KEYS)
    return (x, y, w, h), None


def _circle(shape: Mapping[str, Any]) -> Shape:
    x, y, r = _numbers(shape, "cx", "cy", "r")
    return (x - r, y - r, 2 * r, 2 * r), _around(x, y, r, r, 0.0)


def _ellipse(shape: Mapping[str, Any]) -> Shape:
    x, y, rx, ry = _numbers(shape, "cx", "cy", "rx", "ry")
    turn = _numbers(shape, "theta")[0] if "theta" in shape else 0.0
    cos, sin = math.cos(turn), math.sin(turn)
    half_w, half_h = (math.hypot(rx * cos, ry * sin), math.hypot(rx * sin, ry * cos)) if turn else (rx, ry)
    return (x - half_w, y - half_h, 2 * half_w, 2 * half_h), _around(x, y, rx, ry, turn)


def _around(x: float, y: float, rx: float, ry: float, turn: float) -> Outline | None:
    if min(rx, ry) <= 0:
        return None
    cos, sin = math.cos(turn), math.sin(turn)
    points: list[float] = []
    for step in range(OUTLINE_POINTS):
        angle = math.tau * step / OUTLINE_POINTS
        along, across = rx * math.cos(angle), ry * math.sin(angle)
        points += (x + along * cos - across * sin, y + along * sin + across * cos)
    return tuple(points)


def _polygon(shape: Mapping[str, Any], *, closed: bool) -> Shape:
    xs, ys = (shape.get(key) for key in ("all_points_x", "all_points_y"))
    if not isinstance(xs, list) or not isinstance(ys, list) or len(xs) != len(ys) or not xs:
        raise ShapeError(f"The {shape['name']} needs as many all_points_x as all_points_y, and at least one.")
    points = [finite(value) for pair in zip(xs, ys, strict=True) for value in pair]
    outline = tuple(value for value in points if value is not None)
    if len(outline) < len(points):
        raise ShapeError(f"A point of the {shape['name']} is no pair of numbers.")
    if closed and len(outline) > 6 and outline[:2] == outline[-2:]:
        outline = outline[:-2]
    x, y, w, h = _numbers(shape, *BOX_KEYS) if all(key in shape for key in BOX_KEYS) else bounds(outline)
    return (x, y, w, h), outline if len(outline) >= 6 else None


_SHAPES: dict[str, Callable[[Mapping[str, Any]], Shape]] = {"rect": _rect, "circle": _circle, "ellipse": _ellipse}
