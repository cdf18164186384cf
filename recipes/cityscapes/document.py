"""A file of polygons: {"imgHeight", "imgWidth", "objects": [{"label", "polygon": [[x, y], …], "deleted"}, …]}.

The order is the painter's: a later polygon hides what it covers of earlier ones. Points may lie outside the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import orjson

from recipes.cityscapes.labels import Label, label_called
from recipes.errors import Defects, FormatError, Where

LARGEST_BYTES = 64_000_000
LARGEST_COORDINATE = 1_000_000


@dataclass(frozen=True, slots=True)
class Shape:
    """An object: its place in the file, its label, and its outline as x, y, x, y, …"""

    place: int
    label: Label
    outline: tuple[float, ...]
    deleted: bool


@dataclass(frozen=True, slots=True)
class Document:
    """The shapes of an image, and the image's size."""

    width: int
    height: int
    shapes: tuple[Shape, ...]


def read_document(path: Path, name: str, defects: Defects) -> Document:
    """The content of a file of polygons; FormatError where it is none, and a defect for each object that is not right."""
    with path.open("rb") as file:
        data = file.read(LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        raise FormatError(f"The file is larger than {LARGEST_BYTES:,} bytes.", where=Where(name))
    try:
        content = orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise FormatError(f"This is not JSON: {error.msg}.", where=Where(name, error.lineno)) from error
    if not isinstance(content, dict) or not isinstance(content.get("objects"), list):
        raise FormatError("The file has no list of objects.", where=Where(name))
    width, height = content.get("imgWidth"), content.get("imgHeight")
    if type(width) is not int or type(height) is not int or not (0 < width < 2**31 and 0 < height < 2**31):
        raise FormatError("imgWidth and imgHeight must be the image's size.", where=Where(name))
    shapes = tuple(shape for place, item in enumerate(content["objects"]) if (shape := _shape(place, item, name, defects)))
    return Document(width, height, shapes)


def _shape(place: int, item: object, name: str, defects: Defects) -> Shape | None:
    where = Where(name, key=f"objects[{place}]")
    if not isinstance(item, dict) or not isinstance(item.get("label"), str):
        defects.add("The object has no label.", where)
        return None
    label = label_called(item["label"])
    if label is None:
        defects.add(f"Cityscapes has no label {item['label'][:60]!r}.", where)
        return None
    outline = _outline(item.get("polygon"))
    if isinstance(outline, str):
        defects.add(outline, where)
        return None
    return Shape(place, label, outline, bool(item.get("deleted")))


def _outline(points: object) -> tuple[float, ...] | str:
    """The points one after the other, or what is wrong with them."""
    if not isinstance(points, list) or not all(isinstance(point, list) and len(point) == 2 for point in points):
        return "The polygon must be a list of points [x, y]."
    flat = tuple(value for point in points for value in point)
    if not all(type(value) in {int, float} and abs(value) <= LARGEST_COORDINATE for value in flat):
        return "The polygon has a point that is no pair of numbers, or lies far away."
    if len(points) < 3:
        return f"The polygon has {len(points)} points; three are the least."
    return flat
