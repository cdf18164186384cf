"""Cuts boxes and polygons at the border of the image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from recipes.dataset import Annotation, Dataset, ImageRecord, Mask, Polygons
from recipes.parameters import Parameters
from recipes.transforms import Transform, edit_boxes

Point = tuple[float, float]


class Clip(Parameters):
    """min_visible: the share of a box's area, 0 to 1, that must lie inside the image for the box to stay."""

    min_visible: Annotated[float, Field(ge=0, le=1)] = 0.0

    def describe(self) -> str:
        share = f", and leave out those less than {self.min_visible:.0%} inside" if self.min_visible else ""
        return f"cut boxes at the image border{share}"


def apply(dataset: Dataset, parameters: Clip) -> Dataset:
    """The dataset with every box inside its image; a box of which nothing is left is left out."""

    def edit(record: ImageRecord, annotation: Annotation) -> Annotation | str:
        left, top = max(0.0, annotation.x), max(0.0, annotation.y)
        right = min(float(record.width), annotation.x + annotation.w)
        bottom = min(float(record.height), annotation.y + annotation.h)
        if right <= left or bottom <= top:
            return "outside the image"
        w, h = right - left, bottom - top
        if (left, top) == (annotation.x, annotation.y) and (right, bottom) == (left + annotation.w, top + annotation.h):
            return annotation
        if w * h < parameters.min_visible * annotation.w * annotation.h:
            return f"less than {parameters.min_visible:.0%} inside the image"
        mask, area = _clip_mask(annotation.mask, annotation.mask_area, record)
        return replace(annotation, x=left, y=top, w=w, h=h, mask=mask, mask_area=area)

    return edit_boxes(dataset, TRANSFORM.name, edit)


def _clip_mask(mask: Mask | None, area: float | None, record: ImageRecord) -> tuple[Mask | None, float | None]:
    """Run lengths cannot leave their image; polygons are cut part by part."""
    if not isinstance(mask, Polygons):
        return mask, area
    parts = [_clip_polygon(_points(part), float(record.width), float(record.height)) for part in mask.parts]
    parts = [part for part in parts if len(part) >= 3]
    if not parts:
        return None, None
    clipped = Polygons(tuple(tuple(value for point in part for value in point) for part in parts))
    return clipped, sum(_area(part) for part in parts)


def _points(flat: Iterable[float]) -> list[Point]:
    values = iter(flat)
    return list(zip(values, values, strict=False))


def _clip_polygon(points: list[Point], width: float, height: float) -> list[Point]:
    """Sutherland and Hodgman (1974): cut at one border after the other."""
    for axis, limit, keep_below in ((0, 0.0, False), (0, width, True), (1, 0.0, False), (1, height, True)):
        points = list(_cut(points, axis=axis, limit=limit, keep_below=keep_below))
    return points


def _cut(points: list[Point], *, axis: int, limit: float, keep_below: bool) -> Iterator[Point]:
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


TRANSFORM = Transform("clip", Clip, apply)
