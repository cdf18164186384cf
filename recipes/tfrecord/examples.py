"""One record: a tf.train.Example of the Object Detection API, turned into a row of plain values.

Keys and defaults: object_detection/data_decoders/tf_example_decoder.py. Coordinates are shares of the image's width and height.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from recipes.dataset import NO_FLAGS, Flag, Flags
from recipes.errors import FormatError
from recipes.folder import is_image
from recipes.image_header import orientation, size_of
from recipes.names import unsafe_path
from recipes.spool import Reading
from recipes.tfrecord.messages import BYTES, FLOATS, INTEGERS, Example

ENCODED, FILE_NAME, HEIGHT, WIDTH = "image/encoded", "image/filename", "image/height", "image/width"
CORNERS = tuple(f"image/object/bbox/{name}" for name in ("xmin", "ymin", "xmax", "ymax"))
TEXT, LABEL = "image/object/class/text", "image/object/class/label"
FLAG_KEYS = {
    "image/object/difficult": Flag.DIFFICULT,
    "image/object/truncated": Flag.TRUNCATED,
    "image/object/is_crowd": Flag.CROWD,
    "image/object/group_of": Flag.CROWD,
}
NOT_NEEDED = frozenset({"image/format", "image/source_id", "image/key/sha256", "image/channels", "image/colorspace"})
KNOWN = frozenset({ENCODED, FILE_NAME, HEIGHT, WIDTH, *CORNERS, TEXT, LABEL, *FLAG_KEYS}) | NOT_NEEDED
ENTRY = b"\n\x0dimage/encoded\x12"
PLAIN_NAME = re.compile(rb"\w[\w .,+@()%#=-]{0,199}\.(jpe?g|png|bmp|gif|webp|tiff?)", re.IGNORECASE)
ENDINGS = {b"\xff\xd8": ".jpg", b"\x89PNG": ".png", b"BM": ".bmp", b"GIF": ".gif", b"RIFF": ".webp", b"II": ".tif", b"MM": ".tif"}
MOST_COUNTED = 100
RENAMED, TURNED, UNREAD = "renamed", "turned", "unread "
_BITS = tuple(dict.fromkeys(FLAG_KEYS.values()))
_FLAGS: dict[int, Flags] = {0: NO_FLAGS}


class Row(NamedTuple):
    """An image as marshal keeps it. at and length: where its bytes lie in the record; each list has a value for each object.

    corners: xmin, ymin, xmax and ymax.
    """

    name: str
    width: int
    height: int
    at: int
    length: int
    texts: list[bytes]
    labels: list[int]
    corners: tuple[list[float], ...]
    flags: list[int] | None


def parsed(data: bytes, reading: Reading, *, fallback: str, images: bool) -> Row:
    """The row of a record; reading counts what is worth a note. FormatError says what is wrong with it.

    fallback is the name without suffix for an image without one. images: whether there must be an image.
    """
    try:
        features = Example.FromString(data).features.feature
    except DecodeError as error:
        raise FormatError("The record is no tf.train.Example.") from error
    encoded = _first(features, ENCODED, BYTES, b"")
    width, height = _size(features, encoded, images=images)
    corners = tuple([_values(features, key, FLOATS) for key in CORNERS])
    count = len(corners[0])
    for key, values in zip(CORNERS, corners, strict=True):
        _require_count(key, values, count)
    texts, labels = _values(features, TEXT, BYTES), _values(features, LABEL, INTEGERS)
    _require_count(TEXT, texts, count, optional=True)
    _require_count(LABEL, labels, count, optional=True)
    for key in features:
        if key not in KNOWN and len(reading.counts) < MOST_COUNTED:
            reading.counts[UNREAD + key[:200]] += 1
    if orientation(encoded) > 1:
        reading.counts[TURNED] += 1
    name = _name(_first(features, FILE_NAME, BYTES, b""), fallback, encoded, reading)
    at = _place(encoded, data) if images else 0
    return Row(name, width, height, at, len(encoded), texts, labels, corners, _flags(features, count))


def flags_of(bits: int) -> Flags:
    """The flags of one object of a row."""
    if bits not in _FLAGS:
        _FLAGS[bits] = frozenset(flag for place, flag in enumerate(_BITS) if bits >> place & 1)
    return _FLAGS[bits]


def _values(features: Any, key: str, kind: str) -> list[Any]:
    """The list of a feature; empty where it is absent."""
    if key not in features:
        return []
    feature = features[key]
    values: list[Any] = getattr(feature, kind).value[:]
    if not values and feature.WhichOneof("kind") not in (None, kind):
        raise FormatError(f"{key} is a {feature.WhichOneof('kind')}; it has to be a {kind}.")
    return values


def _first(features: Any, key: str, kind: str, default: Any) -> Any:
    if key not in features:
        return default
    values = getattr(features[key], kind).value
    return values[0] if values else default


def _require_count(key: str, values: list[Any], count: int, *, optional: bool = False) -> None:
    if len(values) != count and (values or not optional):
        raise FormatError(f"{key} has {len(values):,} values, {CORNERS[0]} has {count:,}.")


def _size(features: Any, encoded: bytes, *, images: bool) -> tuple[int, int]:
    said = _first(features, WIDTH, INTEGERS, 0), _first(features, HEIGHT, INTEGERS, 0)
    if not encoded:
        if images:
            raise FormatError("The record holds no image (image/encoded is empty); images=absent reads the annotations alone.")
        if min(said) < 1:
            raise FormatError("The record has no image/width and image/height.")
        return said
    size = size_of(encoded)
    if size != said and min(said) > 0:
        swapped = ": width and height are swapped" if size == said[::-1] else ""
        raise FormatError(f"The annotation says {said[0]} x {said[1]} pixels, the image has {size[0]} x {size[1]}{swapped}.")
    return size


def _flags(features: Any, count: int) -> list[int] | None:
    """Bits for each object; None where none has a flag."""
    bits: list[int] | None = None
    for key, flag in FLAG_KEYS.items():
        if key in features and any(values := _values(features, key, INTEGERS)):
            _require_count(key, values, count)
            bit = 1 << _BITS.index(flag)
            bits = [old | bit * (value != 0) for old, value in zip(bits or [0] * count, values, strict=True)]
    return bits


def _place(encoded: bytes, data: bytes) -> int:
    """Where the image's bytes begin in its record: behind its key and three lengths, or wherever else they are found."""
    at = data.find(ENTRY) + len(ENTRY)
    size = len(encoded)
    for _ in range(3):
        varint = max(1, (size.bit_length() + 6) // 7)
        size += 1 + varint
    at += size - len(encoded) - 1  # the first tag is the entry's last byte
    return at if data.startswith(encoded, at) else data.find(encoded)


def _name(raw: bytes, fallback: str, encoded: bytes, reading: Reading) -> str:
    """The image's name, made safe: of a path that leads elsewhere only the last part is kept; a suffix is added where there is none."""
    if PLAIN_NAME.fullmatch(raw):
        return raw.decode()
    name = raw.decode(errors="replace").replace("\\", "/")
    if unsafe_path(name):
        name = name.rpartition("/")[2]
        name = fallback if unsafe_path(name) else name
    name = posixpath.normpath(name)
    if not is_image(name):
        name += next((ending for start, ending in ENDINGS.items() if encoded.startswith(start)), ".jpg")
    if name.encode() != raw:
        reading.counts[RENAMED] += 1
    return name
