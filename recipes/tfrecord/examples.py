"""One record: a tf.train.Example of the Object Detection API, turned into a row of plain values.

Keys and defaults: object_detection/data_decoders/tf_example_decoder.py. Coordinates are shares of the image's width and height.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from recipes.dataset import NO_FLAGS, Flag, Flags
from recipes.errors import FormatError
from recipes.folder import is_image
from recipes.names import unsafe_path
from recipes.pictures.image_header import orientation, size_of
from recipes.streams.spool import Reading
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
COLUMNS = (*((key, FLOATS) for key in CORNERS), (TEXT, BYTES), (LABEL, INTEGERS), *((key, INTEGERS) for key in FLAG_KEYS))
NOT_NEEDED = frozenset({"image/format", "image/source_id", "image/key/sha256", "image/channels", "image/colorspace"})
KNOWN = frozenset({ENCODED, FILE_NAME, HEIGHT, WIDTH, *CORNERS, TEXT, LABEL, *FLAG_KEYS}) | NOT_NEEDED
ENTRY = b"\n\x0dimage/encoded\x12"
"""How the map of features begins what it has under ENCODED: the key, and the tag of its value."""
PLAIN_NAME = re.compile(rb"\w[\w .,+@()%#=-]{0,199}\.(jpe?g|png|bmp|gif|webp|tiff?)", re.IGNORECASE)
ENDINGS = {b"\xff\xd8": ".jpg", b"\x89PNG": ".png", b"BM": ".bmp", b"GIF": ".gif", b"RIFF": ".webp", b"II": ".tif", b"MM": ".tif"}
MOST_COUNTED = 100
LARGE = 8 * 1024**2
"""Bytes. A record of more is looked at before it is decoded."""
LONGEST_LENGTH = 5
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


def parsed(data: bytes, reading: Reading, *, fallback: Callable[[], str], images: bool) -> Row:
    """The row of a record; reading counts what is worth a note. FormatError says what is wrong with it.

    fallback gives the name, but for its suffix, of an image without one. images: whether there must be an image.
    """
    if len(data) > LARGE:
        _require_modest(data)
    try:
        features = Example.FromString(data).features.feature
    except DecodeError as error:
        raise FormatError("The record is no tf.train.Example.") from error
    columns = [getattr(features[key], kind).value[:] if key in features else [] for key, kind in COLUMNS]
    count = len(columns[0])
    for place, column in enumerate(columns):
        if len(column) != count or not count:
            _require_absence(features, *COLUMNS[place], count)
    encoded = _first(features, ENCODED, BYTES, b"")
    width, height = _size(features, encoded, images=images)
    if sum(map(features.__contains__, KNOWN)) < len(features):
        for key in set(features) - KNOWN:
            if len(reading.counts) < MOST_COUNTED:
                reading.counts[UNREAD + key[:200]] += 1
    if orientation(encoded) > 1:
        reading.counts[TURNED] += 1
    name = _name(_first(features, FILE_NAME, BYTES, b""), fallback, encoded, reading)
    at = _place(encoded, data) if images else 0
    xmin, ymin, xmax, ymax, texts, labels, *flags = columns
    return Row(name, width, height, at, len(encoded), texts, labels, (xmin, ymin, xmax, ymax), _bits(flags))


def _require_modest(data: bytes) -> None:
    """FormatError where a large record holds too much beside its image: decoding takes up to sixteen times as much memory.

    So much of the wire format is read here that the image is known to be one value: protobuf.dev/programming-guides/encoding.
    """
    others = len(data)
    try:
        entry, end = _content(data, 0)
        while entry < end:
            key, entry = _content(data, entry)
            if data.startswith(ENTRY, key):
                feature, _ = _content(data, key + len(ENTRY) - 1, tag=ENTRY[-1])
                values, _ = _content(data, feature)
                image, image_end = _content(data, values)
                others -= image_end - image if image_end == entry else 0
    except (IndexError, ValueError):
        end = -1
    if end != len(data):
        raise FormatError("The record is large and not laid out as a tf.train.Example.")
    if others > LARGE:
        raise FormatError(f"The record holds {others:,} bytes beside its image; more than {LARGE:,} are refused.")


def _content(data: bytes, at: int, *, tag: int = ENTRY[0]) -> tuple[int, int]:
    """Where the content of the field at a place begins and ends: a tag, a length of seven bits a byte (the lowest first), the content.

    ValueError or IndexError where there is no such field.
    """
    if data[at] != tag:
        raise ValueError(f"tag {data[at]}")
    length = 0
    for digit in range(LONGEST_LENGTH):
        byte = data[at + 1 + digit]
        length |= (byte & 0x7F) << 7 * digit
        if byte < 0x80:
            return at + 2 + digit, at + 2 + digit + length
    raise ValueError("a length of more bytes than any record has")


def flags_of(bits: int) -> Flags:
    """The flags of one object of a row."""
    if bits not in _FLAGS:
        _FLAGS[bits] = frozenset(flag for place, flag in enumerate(_BITS) if bits >> place & 1)
    return _FLAGS[bits]


def _first(features: Any, key: str, kind: str, default: Any) -> Any:
    if key not in features:
        return default
    values = getattr(features[key], kind).value
    return values[0] if values else default


def _require_absence(features: Any, key: str, kind: str, count: int) -> None:
    """A column that has not a value for each box may only be missing, and a corner's may not."""
    held = features[key].WhichOneof("kind") if key in features else None
    if held not in (None, kind):
        raise FormatError(f"{key} is a {held}; it has to be a {kind}.")
    values = len(getattr(features[key], kind).value) if held else 0
    if values != count and (values or key in CORNERS):
        raise FormatError(f"{key} has {values:,} values, {CORNERS[0]} has {count:,}.")


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


def _bits(columns: list[list[int]]) -> list[int] | None:
    """The flags of each object; None where none has one."""
    bits: list[int] | None = None
    for column, flag in zip(columns, FLAG_KEYS.values(), strict=True):
        if any(column):
            bit = 1 << _BITS.index(flag)
            bits = [old | bit * (value != 0) for old, value in zip(bits or [0] * len(column), column, strict=True)]
    return bits


def _place(encoded: bytes, data: bytes) -> int:
    """Where the image's bytes begin in their record."""
    at = data.find(encoded[:32], data.find(ENTRY) + len(ENTRY))
    return at if data.startswith(encoded, at) else data.find(encoded)


def _name(raw: bytes, fallback: Callable[[], str], encoded: bytes, reading: Reading) -> str:
    """The image's name, made safe: of a path that leads elsewhere only the last part is kept; a suffix is added where there is none."""
    if PLAIN_NAME.fullmatch(raw):
        return raw.decode()
    name = raw.decode(errors="replace").replace("\\", "/")
    if unsafe_path(name):
        name = name.rpartition("/")[2]
        name = fallback() if unsafe_path(name) else name
    name = posixpath.normpath(name)
    if not is_image(name):
        name += next((ending for start, ending in ENDINGS.items() if encoded.startswith(start)), ".jpg")
    if name.encode() != raw:
        reading.counts[RENAMED] += 1
    return name
