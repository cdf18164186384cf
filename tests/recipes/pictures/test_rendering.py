from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, JpegImagePlugin

from recipes.dataset import ImageRecord
from recipes.errors import FormatError
from recipes.masks.moving import moved, variant
from recipes.pictures.pixels import Crop, Edit, Flip, Mark, Paint, Resize, Shift
from recipes.pictures.rendering import edited
from recipes.placing import image_bytes, place_image

WIDTH, HEIGHT = 160, 96


def photograph(mode: str = "RGB") -> Image.Image:
    """Smooth, with edges and a little noise, as cameras give it; another grey at each corner."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    noise = np.random.default_rng(1).normal(0, 2, (HEIGHT, WIDTH, 1))
    rgb = np.stack([80 + x / 2, 60 + y, 150 - x / 4], axis=-1) + noise
    image = Image.fromarray(rgb.clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.ellipse((30, 20, 90, 70), fill=(170, 150, 110))
    draw.rectangle((100, 40, 150, 90), fill=(90, 95, 120))
    return image.convert(mode)


def file_of(image: Image.Image, kind: str = "PNG", **settings: Any) -> bytes:
    out = BytesIO()
    image.save(out, kind, **settings)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


def done(data: bytes, *edits: Edit, name: str = "a.jpg", copy: bool = False) -> bytes:
    width, height = Image.open(BytesIO(data)).size
    record = ImageRecord(name, None, width, height)
    return edited(data, moved(variant(record, "_x") if copy else record, *edits))


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(float)


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, ((one - other) ** 2).mean())))


EDITS: list[Edit] = [
    Shift(7, -3, (10, 200, 30)),
    Shift(-500, 0),
    Crop(5, 6, 50, 40),
    Crop(-5, -6, 200, 140, (1, 2, 3)),
    Flip("horizontal"),
    Flip("vertical"),
]


def by_numpy(image: np.ndarray, edit: Edit, ink: Any) -> np.ndarray:
    """The edit on an array, pixel by pixel."""
    height, width = image.shape[:2]
    place = edit.placement(width, height)
    result = np.empty((place.height, place.width, *image.shape[2:]))
    result[:] = ink
    for row in range(place.height):
        for column in range(place.width):
            x, y = (column + 0.5 - place.left) / place.scale_x, (row + 0.5 - place.top) / place.scale_y
            if 0 <= x < width and 0 <= y < height:
                result[row, column] = image[int(y), int(x)]
    return result


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA", "P", "1", "I;16"])
@pytest.mark.parametrize("edit", EDITS, ids=str)
def test_png_pixels_are_where_they_belong(mode: str, edit: Edit) -> None:
    source = Image.fromarray((pixels(photograph("L")) * 200).astype(np.uint16)) if mode == "I;16" else photograph(mode)
    red, green, blue = getattr(edit, "fill", (0, 0, 0))
    grey = (299 * red + 587 * green + 114 * blue) // 1000
    inks = {"RGB": (red, green, blue), "L": grey, "RGBA": (red, green, blue, 255), "LA": (grey, 255), "I;16": grey * 257}
    kept = {"P": "RGB", "1": "L"}.get(mode, mode)
    result = opened(done(file_of(source), edit, name="a.png"))
    assert (result.format, result.mode) == ("PNG", kept)
    expected = by_numpy(pixels(source if mode == "I;16" else source.convert(kept)), edit, inks[kept])
    assert np.array_equal(pixels(result), expected)


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "GIF", "WEBP"])
def test_other_kinds_stay_what_they_are(kind: str) -> None:
    settings = {"lossless": True} if kind == "WEBP" else {}
    source = photograph("P" if kind == "GIF" else "RGB")
    result = opened(done(file_of(source, kind, **settings), Shift(8, 8)))
    assert result.format == kind
    assert np.array_equal(pixels(result.convert("RGB"))[8:, 8:], pixels(source.convert("RGB"))[:-8, :-8])


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [60, 90])
def test_a_jpeg_keeps_its_tables_its_size_and_nearly_all_of_its_pixels(quality: int, subsampling: int) -> None:
    source = file_of(photograph(), "JPEG", quality=quality, subsampling=subsampling)
    result = done(source, Shift(32, -16))
    before, after = opened(source), opened(result)
    assert isinstance(before, JpegImagePlugin.JpegImageFile)
    assert isinstance(after, JpegImagePlugin.JpegImageFile)
    assert after.quantization == before.quantization
    assert JpegImagePlugin.get_sampling(after) == subsampling
    assert len(result) <= len(source)
    seam = 2  # where chroma of half the resolution meets the black
    assert psnr(pixels(after)[: -16 - seam, 32 + seam :], pixels(before)[16:-seam, seam:-32]) >= 46
    assert pixels(after)[:, :24].max() < 12, "what is uncovered is black"


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_jpegs(mode: str) -> None:
    source = file_of(photograph(mode), "JPEG", quality=92)
    after = opened(done(source, Shift(16, 16)))
    assert after.mode == mode
    before = pixels(opened(source).convert("RGB"))
    assert psnr(pixels(after.convert("RGB"))[16:, 16:], before[:-16, :-16]) >= 40
    assert pixels(after.convert("RGB"))[:8, :8].max() < 12


def test_resizing_scales_the_whole_picture_even_where_it_is_decoded_smaller() -> None:
    """1279 x 719 is decoded at an eighth, 160 x 90, which is more than the picture: its rim must not come along."""
    large = photograph().resize((1279, 719), Image.Resampling.BICUBIC)
    fair = pixels(large.resize((80, 45), Image.Resampling.BICUBIC))
    assert psnr(pixels(opened(done(file_of(large, "JPEG", quality=95, subsampling=0), Resize(80, 45)))), fair) >= 34
    assert psnr(pixels(opened(done(file_of(large), Resize(80, 45), name="a.png"))), fair) >= 60


def test_edits_are_done_in_their_order() -> None:
    result = opened(done(file_of(photograph()), Resize(80, 48), Crop(-10, 0, 100, 48, (255, 0, 0)), Flip("horizontal")))
    assert result.size == (100, 48)
    assert result.getpixel((95, 5)) == (255, 0, 0)
    assert result.getpixel((5, 5)) == (255, 0, 0)
    assert psnr(pixels(result)[:, 10:90], pixels(photograph().resize((80, 48), Image.Resampling.BICUBIC))[:, ::-1]) >= 50


def test_copies_of_one_image_do_not_disturb_each_other() -> None:
    source = file_of(photograph())
    shifted = done(source, Shift(5, 5), copy=True)
    painted = done(source, Paint((Mark(10, 10, 50, 50, "fish", "#ff0000"),)), copy=True)
    assert done(source, Shift(5, 5), copy=True) == shifted == done(source, Shift(5, 5))
    assert opened(painted).getpixel((10, 30)) == (255, 0, 0)
    assert opened(done(source, Flip("horizontal"), copy=True)).getpixel((159, 0)) == photograph().getpixel((0, 0))


def test_paints_boxes_names_and_outlines_wherever_they_lie() -> None:
    marks = (
        Mark(100, 20, 140, 60, "a name that is\nmuch too long for this small picture", "#00ff00"),
        Mark(-50, -50, 500, 500, "", "#0000ff", dashed=True),
        Mark(60, 50, 40, 30, "inverted", "#ff0000", outlines=((40, 30, 60, 30, 50, 50), (1, 1), (-1e9, 5, 1e9, 5, 0, 1e9))),
    )
    for mode in ("RGB", "L", "P", "RGBA"):
        result = opened(done(file_of(photograph(mode)), Paint(marks)))
        assert result.mode == "RGB"
        assert result.getpixel((100, 40)) == (0, 255, 0)


def test_orientation_is_not_written_and_profiles_are() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    source = file_of(photograph(), "JPEG", exif=exif, icc_profile=b"a profile")
    result = opened(done(source, Shift(16, 0)))
    assert result.size == (WIDTH, HEIGHT)
    assert 0x0112 not in result.getexif()
    assert result.info["icc_profile"] == b"a profile"


def deep_png() -> bytes:
    """A PNG with 16 bits for each colour, made by hand: Pillow writes none."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(6 * 4) for _ in range(4))
    header = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "cannot identify"),
        (file_of(photograph(), "JPEG")[:900], "truncated"),
        (deep_png(), "16 bits for each colour"),
        (file_of(photograph(), "PPM"), "PPM files cannot be written"),
    ],
)
def test_what_cannot_be_edited_is_named(data: bytes, says: str) -> None:
    with pytest.raises(FormatError, match=says) as refused:
        edited(data, moved(ImageRecord("d/a.jpg", None, 4, 4), Shift(1, 1)))
    assert str(refused.value).startswith("d/a.jpg: The image cannot be edited: ")


def test_an_image_of_another_size_than_was_said_is_named() -> None:
    with pytest.raises(FormatError, match=r"a.jpg: The edited image has 160 x 96 pixels instead of 96 x 160\."):
        edited(file_of(photograph()), moved(ImageRecord("a.jpg", None, 96, 160), Shift(1, 1)))


@settings(max_examples=80, deadline=None)
@given(data=st.data(), kind=st.sampled_from(["JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP"]))
def test_damaged_images_are_edited_or_named(data: st.DataObject, kind: str) -> None:
    whole = bytearray(file_of(photograph("P" if kind == "GIF" else "RGB").resize((40, 24)), kind))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(whole)))
    record = moved(ImageRecord("a", None, 40, 24), Resize(20, 12), Flip("horizontal"), Shift(3, 3))
    try:
        result = edited(bytes(whole[:cut]), record)
    except FormatError as error:
        assert error.where.file == "a"
        return
    assert opened(result).size == (20, 12)


def test_placed_as_a_file_and_read_from_inside_another(tmp_path: Path) -> None:
    data = file_of(photograph())
    (tmp_path / "many.bin").write_bytes(b"xxx" + data + b"yyy")
    record = ImageRecord("a.png", tmp_path / "many.bin", WIDTH, HEIGHT, span=(3, len(data)))
    assert image_bytes(record) == data
    edit = moved(record, Flip("vertical"))
    place_image(edit, tmp_path / "out.png")
    assert (tmp_path / "out.png").read_bytes() == image_bytes(edit) == edited(data, replace(edit, span=None))
