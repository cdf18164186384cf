"""Outlines: moved, cut at a rectangle, and measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TypeAlias

from recipes.dataset import Polygons
from recipes.pictures.pixels import Placement

Point: TypeAlias = tuple[float, float]


def placed(mask: Polygons, placement: Placement) -> Polygons:
    """The outlines where a picture was put; they may lie outside."""
    _, _, scale_x, scale_y, left, top = placement
    return Polygons(tuple(_flat((scale_x * x + left, scale_y * y + top) for x, y in _points(part)) for part in mask.parts))


def cut(mask: Polygons, width: float, height: float) -> tuple[Polygons | None, float]:
    """What of the outlines lies in the rectangle from (0, 0), and its area; None where nothing does.

    A concave outline may come out as one with edges that run along the border, to and fro; its area is right.
    """
    parts = [cut for part in mask.parts if len(cut := _cut_part(_points(part), width, height)) >= 3 and _area(cut) > 0]
    if not parts:
        return None, 0.0
    return Polygons(tuple(map(_flat, parts))), sum(map(_area, parts))


def _flat(points: Iterable[Point]) -> tuple[float, ...]:
    return tuple(chain.from_iterable(points))


def _points(flat: Iterable[float]) -> list[Point]:
    values = iter(flat)
    return list(zip(values, values, strict=False))


def _cut_part(points: list[Point], width: float, height: float) -> list[Point]:
    """Sutherland and Hodgman (1974): cut at one border after the other."""
    for axis, limit, keep_below in ((0, 0.0, False), (0, width, True), (1, 0.0, False), (1, height, True)):
        points = list(_cut_border(points, axis=axis, limit=limit, keep_below=keep_below))
    return points


def _cut_border(points: list[Point], *, axis: int, limit: float, keep_below: bool) -> Iterator[Point]:
    for number, point in enumerate(points):
        before = points[number - 1]
        inside = point[axis] <= limit if keep_below else point[axis] >= limit
        was_inside = before[axis] <= limit if keep_below else before[axis] >= limit
        if inside != was_inside:
            share = (limit - before[axis]) / (point[axis] - before[axis])
            other = before[1 - axis] + share * (point[1 - axis] - before[1 - axis])
            yield (limit, other) if axis == 0 else (other, limit)
        if inside:
            yield point


def _area(points: list[Point]) -> float:
    return abs(sum(points[i - 1][0] * y - x * points[i - 1][1] for i, (x, y) in enumerate(points))) / 2
