"""The entries of a COCO annotation file, each checked: a category, an image, an annotation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, TypeAlias, TypeGuard

from recipes.dataset import NO_FLAGS, Flag, Flags, Polygons, RunLengths
from recipes.errors import Defects, Where
from recipes.names import unsafe_path
from recipes.streams.grouping import Row
from recipes.streams.spool import packed_flags, packed_mask

Entry: TypeAlias = dict[str, Any]
"""One object of the JSON; its values are unknown until checked."""

UNREAD = ("keypoints", "caption", "segments_info")
OTHER_KINDS = {"segments_info": "a panoptic annotation, whose segments lie in a PNG file", "caption": "a caption"}
FLAG_KEYS = tuple(flag for flag in Flag if flag is not Flag.CROWD)
LARGEST = 1e7
LARGEST_ID = 1 << 62
NUMBERS = frozenset({int, float})

AnnotationEntry: TypeAlias = tuple[int, Row]
"""The image's id, and (category id, x, y, w, h, flags, track, mask, its area, attributes, id), flags and mask packed."""


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """One image as the file tells it; width and height are 0 where it does not."""

    id: int
    file_name: str
    width: int
    height: int
    video: str | None
    frame: int | None


def place(name: str, kind: str, number: int, entry: object) -> Where:
    """Where an entry is: by its id, else by its place in the list."""
    if isinstance(entry, dict) and _is_id(entry.get("id")):
        return Where(name, key=f"{kind} {entry['id']}")
    return Where(name, key=f"{kind}s[{number}]")


def read_classes(section: list[Any], name: str, defects: Defects) -> dict[int, str]:
    """The names of the categories by id, in the file's order."""
    classes: dict[int, str] = {}
    for number, entry in enumerate(section):
        where = Where(name, key=f"categories[{number}]")
        if not isinstance(entry, dict) or not _is_id(entry.get("id")) or not _is_text(entry.get("name")):
            defects.add("A category needs a whole number as id and a text as name.", where)
        elif entry["id"] in classes:
            defects.add(f"The category id {entry['id']} is used twice.", where)
        elif entry["name"] in classes.values():
            defects.add(f"The category name {entry['name']!r} is used twice.", where)
        else:
            classes[entry["id"]] = entry["name"]
    return classes


def _image_problem(entry: Any) -> str:
    if not isinstance(entry, dict):
        return "An image must be an object."
    if not _is_id(entry.get("id")):
        return f"The image's id is {_shown(entry.get('id'))}; it must be a whole number."
    if not _is_text(entry.get("file_name")):
        return "The image has no file_name."
    unsafe = unsafe_path(entry["file_name"])
    if unsafe:
        return f"The file_name {_shown(entry['file_name'])} is refused: {unsafe}."
    for key in ("width", "height"):
        value: Any = entry.get(key) or 0
        if not _is_id(value) or not 0 <= value <= LARGEST:
            return f"The image's {key} is {_shown(value)}; it must be a whole number of pixels."
    return ""


def read_image(entry: Any) -> ImageEntry | str:
    """An image by its values, or what is wrong with it."""
    problem = _image_problem(entry)
    if problem:
        return problem
    video, frame = entry.get("video"), entry.get("frame")
    width, height = entry.get("width") or 0, entry.get("height") or 0
    return ImageEntry(
        entry["id"],
        _plain_path(entry["file_name"]),
        width if height else 0,
        height if width else 0,
        video if _is_text(video) else None,
        frame if _is_id(frame) and frame >= 0 else None,
    )


def _plain_path(name: str) -> str:
    return str(PurePosixPath(name.replace("\\", "/"))) if "/" in name or "\\" in name else name


def read_annotation(entry: Any) -> AnnotationEntry | str:
    """An annotation by its values, or what is wrong with it."""
    if type(entry) is not dict:
        return "An annotation must be an object."
    identity, image, category = entry.get("id"), entry.get("image_id"), entry.get("category_id")
    box: Any = entry.get("bbox")
    if box is None:
        for key, kind in OTHER_KINDS.items():
            if key in entry:
                return f"This is {kind}; only COCO's instances are read."
    if not _is_id(identity):
        return f"The annotation's id is {_shown(identity)}; it must be a whole number."
    if not _is_id(image):
        return f"The image_id is {_shown(image)}; it must be a whole number."
    if not _is_id(category):
        return f"The category_id is {_shown(category)}; it must be a whole number."
    problem = _box_problem(box)
    mask = entry.get("segmentation")
    if not problem and mask:
        problem = _mask_problem(mask)
    if problem:
        return problem
    flags, track, attributes = _flags(entry), entry.get("track_id"), entry.get("attributes")
    area = entry.get("area") if mask else None
    return image, (
        category, *map(float, box),
        packed_flags(flags) if flags else 0,
        track if _is_id(track) else None,
        _mask(mask) if mask else None,
        float(area) if area is not None and _is_number(area) else None,
        attributes if type(attributes) is dict and attributes else None,
        identity,
    )  # fmt: skip


def _box_problem(box: Any) -> str:
    if not isinstance(box, list) or len(box) != 4:
        return f"The bbox is {_shown(box)}; it must be four numbers: x, y, width, height."
    if not all(map(_is_number, box)):
        return f"The bbox is {_shown(box)}; each of its values must be a number."
    if box[2] < 0 or box[3] < 0:
        return f"The bbox {_shown(box)} has a negative size."
    return ""


def _mask_problem(mask: Any) -> str:
    if not mask:
        return ""
    if isinstance(mask, list):
        for part in mask:
            if not isinstance(part, list) or len(part) % 2 or not all(map(_is_number, part)):
                return "A polygon of the segmentation is not a list of x, y pairs."
            if 0 < len(part) < 6:
                return "A polygon of the segmentation has fewer than three points."
        return ""
    if not isinstance(mask, dict):
        return "The segmentation is neither a list of polygons nor run lengths."
    size, counts = mask.get("size"), mask.get("counts")
    if not isinstance(size, list) or len(size) != 2 or not all(_is_id(value) and value > 0 for value in size):
        return "The segmentation's size is not [height, width]."
    if isinstance(counts, str):
        return ""
    if not isinstance(counts, list) or not all(_is_id(value) and value >= 0 for value in counts):
        return "The segmentation's counts are neither a list of whole numbers nor text."
    return "" if sum(counts) == size[0] * size[1] else "The segmentation's counts do not add up to its size."


def _mask(mask: Any) -> tuple[Any, ...] | None:
    """A mask as the plain values that are kept of it."""
    if isinstance(mask, dict):
        height, width = mask["size"]
        counts = mask["counts"]
        return packed_mask(RunLengths(height, width, counts if isinstance(counts, str) else tuple(counts)))
    parts = tuple(tuple(map(float, part)) for part in mask if part)
    return packed_mask(Polygons(parts)) if parts else None


def _flags(entry: Entry) -> Flags:
    if entry.keys().isdisjoint(FLAG_KEYS) and not entry.get("iscrowd"):
        return NO_FLAGS
    flags: list[Flag] = [flag for flag in FLAG_KEYS if entry.get(flag)]
    if entry.get("iscrowd"):
        flags.append(Flag.CROWD)
    return frozenset(flags) if flags else NO_FLAGS


def _is_id(value: object) -> TypeGuard[int]:
    return type(value) is int and -LARGEST_ID < value < LARGEST_ID


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and abs(value) < LARGEST


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _shown(value: object) -> str:
    return repr(value)[:60]
