from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from recipes.errors import FormatError
from recipes.pictures.image_header import is_whole, read_size


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp", "tiff", "gif"])
def test_reads_the_size_of_every_kind(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (37, 11)).save(path)
    assert read_size(path) == (37, 11)
    assert is_whole(path)


@pytest.mark.parametrize("options", [{"progressive": True}, {"exif": b"Exif\0\0" + bytes(60_000)}, {"comment": b"x" * 65_000}])
def test_finds_the_frame_header_behind_long_segments(tmp_path: Path, options: dict[str, object]) -> None:
    Image.new("RGB", (640, 480)).save(tmp_path / "a.jpg", **options)  # type: ignore[arg-type]
    assert read_size(tmp_path / "a.jpg") == (640, 480)


@pytest.mark.parametrize("data", [b"", b"x", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\0\x01", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xd9"])
def test_names_what_is_no_image(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(FormatError, match=r"^frames/a.jpg: "):
        read_size(tmp_path / "a.jpg", name="frames/a.jpg")


def test_refuses_absurd_sizes_and_missing_files(tmp_path: Path) -> None:
    png = bytearray(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\x7f\xff\xff\xff" * 2 + bytes(20))
    (tmp_path / "a.png").write_bytes(png)
    with pytest.raises(FormatError, match="claims"):
        read_size(tmp_path / "a.png")
    with pytest.raises(FormatError, match="cannot be read"):
        read_size(tmp_path / "gone.jpg")


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_file_without_its_end_is_not_whole_and_garbage_behind_it_does_no_harm(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.effect_noise((80, 60), 50).convert("RGB").save(path)
    data = path.read_bytes()
    path.write_bytes(data + b"\0" * 100)
    assert is_whole(path)
    path.write_bytes(data[: len(data) // 2])
    assert not is_whole(path)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes_have_a_size_or_a_named_error(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "fuzz.jpg"
    suffix = data.draw(st.sampled_from(["JPEG", "PNG", "GIF", "WEBP"]))
    Image.new("RGB", (9, 7)).save(path, suffix)
    content = bytearray(path.read_bytes())
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=6)):
        content[place] = value
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        width, height = read_size(path)
    except FormatError:
        return
    assert width > 0
    assert height > 0
    is_whole(path)
