"""Makes the bytes of an edited image: one decode, the edits, one encode in the source's own kind.

A JPEG is written with the quantisation tables and the chroma subsampling it came with: with offsets that are multiples of 16 pixels
nearly nothing is lost, and it does not grow. Edits count in pixels as they are stored, as boxes do; so the EXIF orientation, which
some programs follow and some do not, is not written again: every program then sees the picture that the boxes were checked on. Of
a file with several pictures the first is taken, as training does.
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from io import BytesIO
from typing import Any, NamedTuple, TypeAlias

from PIL import Image, ImageDraw, JpegImagePlugin

from recipes.dataset import ImageRecord, Polygons
from recipes.errors import FormatError, Where
from recipes.masks import polygons
from recipes.pictures.image_header import MAX_PIXELS
from recipes.pictures.painting import font_size_for, name_tag, outline
from recipes.pictures.pixels import BLACK, Colour, Crop, Edit, Flip, Mark, Paint, Resize, Shift

Box: TypeAlias = tuple[float, float, float, float]
ROOM_BEFORE_RESIZE = 2  # what is only scaled down is decoded at a size from which this much is left to be scaled
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
KINDS = {"JPEG": "JPEG", "MPO": "JPEG", "PNG": "PNG", "BMP": "BMP", "WEBP": "WEBP", "TIFF": "TIFF", "GIF": "GIF"}
DIRECT_MODES = frozenset({"L", "LA", "RGB", "RGBA", "CMYK", "I;16", "I", "F"})
ZERO_IS_BLACK = frozenset({"L", "RGB", "I;16", "I", "F"})
DEEP_COLOUR = frozenset({2, 6})  # of a PNG's header: colour, and colour with alpha
FLIPS = {"horizontal": Image.Transpose.FLIP_LEFT_RIGHT, "vertical": Image.Transpose.FLIP_TOP_BOTTOM}


class Source(NamedTuple):
    """A decoded picture; where it was decoded smaller, the part of it (in its pixels) that the whole picture is."""

    picture: Image.Image
    extent: Box | None
    kind: str
    settings: dict[str, Any]


def edited(data: bytes, record: ImageRecord) -> bytes:
    """The image file with the record's edits done; FormatError names an image that cannot be read or written in its own kind."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            source = _decoded_once(data) if record.copy_of else _decoded(data, record.edits[0])
            picture = source.picture
            for number, edit in enumerate(record.edits):
                picture = _after(picture, edit, None if number else source.extent)
            _require_size(picture, record)
            out = BytesIO()
            picture.save(out, source.kind, **source.settings)
    except DAMAGE as error:
        remedy = "Mend it or leave it out."
        raise FormatError(f"The image cannot be edited: {error}.", where=Where(record.name), remedy=remedy) from error
    return out.getvalue()


def _require_size(picture: Image.Image, record: ImageRecord) -> None:
    if picture.size != (record.width, record.height):
        raise FormatError(
            f"The edited image has {picture.width} x {picture.height} pixels instead of {record.width} x {record.height}.",
            where=Where(record.name),
            remedy="Its annotation tells another size than it has, or it was exchanged while it was read.",
        )


@lru_cache(maxsize=1)
def _decoded_once(data: bytes) -> Source:
    """The picture of which several copies are made, one after the other."""
    return _decoded(data, None)


def _decoded(data: bytes, first: Edit | None) -> Source:
    picture = Image.open(BytesIO(data))
    if picture.width * picture.height > MAX_PIXELS:
        raise ValueError(f"it has more than {MAX_PIXELS:,} pixels")
    if picture.format not in KINDS:
        raise ValueError(f"{picture.format} files cannot be written")
    if picture.format == "PNG" and data[24] == 16 and data[25] in DEEP_COLOUR:
        raise ValueError("it has 16 bits for each colour, of which 8 would be lost")
    drafted = None
    if isinstance(first, Resize):
        drafted = picture.draft(None, (first.width * ROOM_BEFORE_RESIZE, first.height * ROOM_BEFORE_RESIZE))
    picture.load()
    return Source(_plain(picture), drafted[1] if drafted else None, KINDS[picture.format], _settings(picture, data))


def _plain(picture: Image.Image) -> Image.Image:
    """The picture in a mode that can be cut, scaled and filled."""
    if picture.mode in DIRECT_MODES:
        return picture
    if picture.mode == "1":
        return picture.convert("L")
    if picture.mode in {"P", "PA"}:
        return picture.convert("RGBA" if "transparency" in picture.info or picture.mode == "PA" else "RGB")
    raise ValueError(f"its pixels are of a kind that is not known here ({picture.mode})")


def _settings(picture: Image.Image, data: bytes) -> dict[str, Any]:
    """How to write what came from this picture."""
    profile = {"icc_profile": picture.info["icc_profile"]} if picture.info.get("icc_profile") else {}
    if isinstance(picture, JpegImagePlugin.JpegImageFile):
        return profile | {"qtables": picture.quantization, "subsampling": JpegImagePlugin.get_sampling(picture)}
    if picture.format == "WEBP":
        return profile | {"lossless": b"VP8L" in data, "quality": 90}
    if picture.format == "TIFF":
        return profile | {"compression": "tiff_deflate"}
    return profile


def _after(picture: Image.Image, edit: Edit, extent: Box | None) -> Image.Image:
    """A new picture with one edit done; extent is the part that is the whole of it."""
    match edit:
        case Shift(dx, dy, fill):
            return _cut_out(picture, (-dx, -dy, picture.width - dx, picture.height - dy), fill)
        case Crop(x, y, width, height, fill):
            return _cut_out(picture, (x, y, x + width, y + height), fill)
        case Flip(axis):
            return picture.transpose(FLIPS[axis])
        case Resize(width, height):
            return picture.resize((width, height), Image.Resampling.BICUBIC, box=extent)
        case Paint(marks):
            return _painted(picture, marks)


def _cut_out(picture: Image.Image, box: tuple[int, int, int, int], fill: Colour) -> Image.Image:
    left, top, right, bottom = box
    inside = left >= 0 and top >= 0 and right <= picture.width and bottom <= picture.height
    if inside or (fill == BLACK and picture.mode in ZERO_IS_BLACK):  # what crop() adds is zero
        return picture.crop(box)
    ground = Image.new(picture.mode, (right - left, bottom - top), _ink(picture.mode, fill))
    ground.paste(picture, (-left, -top))
    return ground


def _ink(mode: str, fill: Colour) -> float | tuple[int, ...]:
    """The fill in the numbers of a mode."""
    red, green, blue = fill
    grey = (299 * red + 587 * green + 114 * blue) // 1000
    inks: dict[str, float | tuple[int, ...]] = {
        "L": grey,
        "LA": (grey, 255),
        "RGB": fill,
        "RGBA": (*fill, 255),
        "CMYK": (255 - red, 255 - green, 255 - blue, 0),
    }
    return inks.get(mode, grey * 257)


def _painted(picture: Image.Image, marks: tuple[Mark, ...]) -> Image.Image:
    picture = picture.convert("RGB")
    draw = ImageDraw.Draw(picture)
    size = font_size_for(picture.width, picture.height)
    line = max(1, size // 6)
    placed = [(mark, _corners(mark, picture)) for mark in marks]
    for mark, corners in placed:
        shown, _ = polygons.cut(Polygons(mark.outlines), *picture.size)  # lines far outside would take for ever
        for part in shown.parts if shown else ():
            draw.polygon(part, outline=mark.colour, width=max(1, line // 2))
        outline(draw, corners, mark.colour, dashed=mark.dashed, line=line)
    for mark, corners in placed:
        name_tag(draw, corners, mark.label, mark.colour, limits=(0, picture.width, picture.height), size=size)
    return picture


def _corners(mark: Mark, picture: Image.Image) -> tuple[int, int, int, int]:
    left, right = sorted(min(max(round(x), 0), picture.width - 1) for x in (mark.left, mark.right))
    top, bottom = sorted(min(max(round(y), 0), picture.height - 1) for y in (mark.top, mark.bottom))
    return left, top, right, bottom
