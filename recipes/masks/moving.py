"""Annotations move with the pixels: boxes, outlines and run lengths alike."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

from recipes.dataset import Annotation, ImageRecord, Mask, Polygons
from recipes.errors import FormatError
from recipes.masks import polygons, run_lengths
from recipes.pictures.pixels import Edit, Placement

OUTSIDE = "outside the image"
EMPTY = "no area"


def moved(record: ImageRecord, *edits: Edit) -> ImageRecord:
    """The image with edits noted and every annotation where it is after them. Boxes and outlines may lie outside then.

    FormatError names the annotation whose mask is damaged.
    """
    width, height, annotations = record.width, record.height, record.annotations
    for edit in edits:
        placement = edit.placement(width, height)
        if placement != (width, height, 1.0, 1.0, 0.0, 0.0):
            annotations = tuple(_placed(record, annotation, placement, (width, height)) for annotation in annotations)
        width, height = placement[:2]
    return replace(record, width=width, height=height, annotations=annotations, edits=record.edits + edits)


def variant(record: ImageRecord, ending: str) -> ImageRecord:
    """A copy of an image under a name of its own: fish/a.jpg with the ending _flip is fish/a_flip.jpg. It knows its original."""
    folder, slash, base = record.name.rpartition("/")
    stem, dot, suffix = base.rpartition(".")
    name = f"{folder}{slash}{stem}{ending}{dot}{suffix}" if stem else f"{record.name}{ending}"
    return replace(record, name=name, copy_of=record.copy_of or record.name)


def cut(record: ImageRecord, annotation: Annotation, min_visible: float) -> Annotation | str:
    """The annotation cut at the border of its image, or the reason why it goes: nothing, or too small a share of it, is left.

    A box that is no box (not finite, inverted) is passed on for the checks to name.
    """
    x, y, w, h = annotation.x, annotation.y, annotation.w, annotation.h
    if x >= 0 and y >= 0 and x + w <= record.width and y + h <= record.height and w > 0 and h > 0:
        return annotation
    if w < 0 or h < 0 or not isfinite(x + y + w + h):
        return annotation
    left, top = max(0.0, x), max(0.0, y)
    right, bottom = min(float(record.width), x + w), min(float(record.height), y + h)
    if right <= left or bottom <= top:
        return OUTSIDE if w and h else EMPTY
    if (right - left) * (bottom - top) < min_visible * w * h:
        return f"less than {min_visible:.0%} inside the image"
    mask, area = annotation.mask, annotation.mask_area
    if isinstance(mask, Polygons):
        mask, area = polygons.cut(mask, record.width, record.height)
        if mask is None:
            return OUTSIDE
    elif mask is not None and run_lengths.area(mask) == 0:
        return OUTSIDE
    return _with_box(annotation, left, top, right - left, bottom - top, mask, area)


def at_border(record: ImageRecord, annotation: Annotation, margin: float = 0.0, *, touching: bool = True) -> bool:
    """Whether a box crosses the border of its image (less a margin), or touches it where that counts."""
    over = min(
        annotation.x,
        annotation.y,
        record.width - annotation.x - annotation.w,
        record.height - annotation.y - annotation.h,
    )
    return over <= margin if touching else over < margin


def _placed(record: ImageRecord, annotation: Annotation, placement: Placement, size: tuple[int, int]) -> Annotation:
    _, _, scale_x, scale_y, left, top = placement
    x = (annotation.x if scale_x > 0 else annotation.x + annotation.w) * scale_x + left
    y = (annotation.y if scale_y > 0 else annotation.y + annotation.h) * scale_y + top
    w, h = annotation.w * abs(scale_x), annotation.h * abs(scale_y)
    mask, area = annotation.mask, annotation.mask_area
    if mask is not None:
        mask, area = _placed_mask(record, annotation, mask, placement, size)
    return _with_box(annotation, x, y, w, h, mask, area)


def _with_box(annotation: Annotation, x: float, y: float, w: float, h: float, mask: Mask | None, area: float | None) -> Annotation:
    """dataclasses.replace() takes eight times as long, and this is done for every box of every copy."""
    old = annotation
    return Annotation(old.label, x, y, w, h, old.flags, old.track, mask, area, old.attributes, old.origin)


def _placed_mask(
    record: ImageRecord, annotation: Annotation, mask: Mask, placement: Placement, size: tuple[int, int]
) -> tuple[Mask, float | None]:
    area = annotation.mask_area
    if isinstance(mask, Polygons):
        scale = abs(placement.scale_x * placement.scale_y)
        return polygons.placed(mask, placement), area if area is None or scale == 1 else area * scale
    if (mask.width, mask.height) != size:  # also keeps a mask that claims a billion columns from being walked through
        message = f"The mask is for {mask.width} x {mask.height} pixels, the image has {size[0]} x {size[1]}."
        raise FormatError(message, where=record.where(annotation))
    try:
        runs = run_lengths.placed(mask, placement)
    except FormatError as error:
        raise FormatError(error.message, where=record.where(annotation)) from error
    return runs, None if area is None else float(run_lengths.area(runs))
