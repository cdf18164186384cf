"""One COCO annotation file: loaded, checked entry by entry, and turned into annotations image by image.

The JSON of a file is held in memory as long as it is read from.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias, TypeGuard

import orjson

from recipes.dataset import NO_FLAGS, Annotation, Flag, Flags, Mask, Polygons, RunLengths
from recipes.errors import Defects, FormatError, Where
from recipes.names import unsafe_path

Entry: TypeAlias = dict[str, Any]
"""One object of the JSON; its values are unknown until checked."""

UNREAD = ("keypoints", "caption", "segments_info")
FLAG_KEYS = tuple(flag for flag in Flag if flag is not Flag.CROWD)
LARGEST = 1e7


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """One image as the file tells it; width and height are 0 where it does not."""

    id: int
    file_name: str
    width: int
    height: int
    video: str | None
    frame: int | None


@dataclass(frozen=True, slots=True)
class CocoDocument:
    """A checked file. raw holds the annotations of each image in the file's order."""

    name: str
    split: str | None
    images: tuple[ImageEntry, ...]
    classes: dict[int, str]
    raw: dict[int, list[Entry]]
    notes: tuple[str, ...]

    def annotations_of(self, image_id: int) -> tuple[Annotation, ...]:
        """The annotations of one image."""
        return tuple(self._annotation(entry) for entry in self.raw.get(image_id, ()))

    def _annotation(self, entry: Entry) -> Annotation:
        x, y, w, h = map(float, entry["bbox"])
        mask = _mask(entry.get("segmentation"))
        track = entry.get("track_id")
        attributes = entry.get("attributes")
        return Annotation(
            self.classes[entry["category_id"]],
            x,
            y,
            w,
            h,
            _flags(entry),
            track if _is_id(track) else None,
            mask,
            float(entry["area"]) if mask is not None and _is_number(entry.get("area")) else None,
            attributes if isinstance(attributes, dict) and attributes else None,
            entry["id"],
        )


def load(path: Path, name: str, split: str | None, defects: Defects) -> CocoDocument:
    """Load and check one file; what is wrong with its entries goes to defects, each named by its id or place."""
    document = _parse(path, name)
    classes = _classes(_section(document, "categories", name), name, defects)
    images = _images(_section(document, "images", name), name, defects)
    raw: dict[int, list[Entry]] = {image.id: [] for image in images}
    seen: set[int] = set()
    unread: Counter[str] = Counter()
    for number, entry in enumerate(_section(document, "annotations", name)):
        problem = _problem(entry, raw, classes, seen)
        if problem:
            defects.add(problem, _place(name, "annotation", number, entry))
            continue
        seen.add(entry["id"])
        raw[entry["image_id"]].append(entry)
        unread.update(key for key in UNREAD if entry.get(key))
    notes = tuple(f"{name}: {key} of {count:,} annotations are not read." for key, count in unread.items())
    return CocoDocument(name, split, images, classes, raw, notes)


def _parse(path: Path, name: str) -> Entry:
    try:
        document = orjson.loads(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise FormatError(f"This is not JSON: {error.msg}.", where=Where(name, error.lineno)) from error
    if not isinstance(document, dict):
        raise FormatError("The file holds no JSON object.", where=Where(name))
    return document


def _section(document: Entry, key: str, name: str) -> list[Any]:
    section = document.get(key, [] if key == "annotations" else None)  # image_info_test.json has no annotations
    if not isinstance(section, list):
        raise FormatError(f"The list {key!r} is missing.", where=Where(name, key=key))
    return section


def _place(name: str, kind: str, number: int, entry: object) -> Where:
    if isinstance(entry, dict) and _is_id(entry.get("id")):
        return Where(name, key=f"{kind} {entry['id']}")
    return Where(name, key=f"{kind}s[{number}]")


def _classes(section: list[Any], name: str, defects: Defects) -> dict[int, str]:
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


def _images(section: list[Any], name: str, defects: Defects) -> tuple[ImageEntry, ...]:
    images: dict[int, ImageEntry] = {}
    names: dict[str, int] = {}
    for number, entry in enumerate(section):
        problem = _image_problem(entry)
        if problem:
            defects.add(problem, _place(name, "image", number, entry))
            continue
        image = _image_entry(entry)
        if image.id in images:
            defects.add(f"The image id {image.id} is used twice.", Where(name, key=f"images[{number}]"))
        elif image.file_name in names:
            message = f"The file {image.file_name} is also image {names[image.file_name]}."
            defects.add(message, Where(name, key=f"image {image.id}"))
        else:
            images[image.id] = image
            names[image.file_name] = image.id
    return tuple(images.values())


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


def _image_entry(entry: Entry) -> ImageEntry:
    video, frame = entry.get("video"), entry.get("frame")
    width, height = entry.get("width") or 0, entry.get("height") or 0
    return ImageEntry(
        entry["id"],
        str(PurePosixPath(entry["file_name"].replace("\\", "/"))),
        width if height else 0,
        height if width else 0,
        video if _is_text(video) else None,
        frame if _is_id(frame) and frame >= 0 else None,
    )


def _problem(entry: Any, images: dict[int, list[Entry]], classes: dict[int, str], seen: set[int]) -> str:
    """What is wrong with one annotation; empty where nothing is."""
    if not isinstance(entry, dict):
        return "An annotation must be an object."
    identity, image, category = entry.get("id"), entry.get("image_id"), entry.get("category_id")
    if not _is_id(identity):
        return f"The annotation's id is {_shown(identity)}; it must be a whole number."
    if identity in seen:
        return f"The annotation id {identity} is used twice."
    if not _is_id(image) or image not in images:
        return f"The image_id {_shown(image)} is no image of this file."
    if not _is_id(category) or category not in classes:
        return f"The category_id {_shown(category)} is no category of this file."
    return _box_problem(entry.get("bbox")) or _mask_problem(entry.get("segmentation"))


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


def _mask(mask: Any) -> Mask | None:
    if isinstance(mask, dict):
        height, width = mask["size"]
        counts = mask["counts"]
        return RunLengths(height, width, counts if isinstance(counts, str) else tuple(counts))
    parts = tuple(tuple(map(float, part)) for part in mask or () if part)
    return Polygons(parts) if parts else None


def _flags(entry: Entry) -> Flags:
    flags: list[Flag] = [flag for flag in FLAG_KEYS if entry.get(flag)]
    if entry.get("iscrowd"):
        flags.append(Flag.CROWD)
    return frozenset(flags) if flags else NO_FLAGS


def _is_id(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and abs(value) < LARGEST


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _shown(value: object) -> str:
    return repr(value)[:60]
