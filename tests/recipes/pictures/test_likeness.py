from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from recipes.dataset import ImageRecord
from recipes.errors import FormatError
from recipes.pictures.likeness import Leaders, difference_hash


def hash_of(path: Path) -> int | None:
    return difference_hash(ImageRecord(path.name, path, 1, 1))


def test_bits_by_hand(tmp_path: Path) -> None:
    image = Image.new("L", (9, 8))
    image.putdata([column * 20 if row < 4 else 200 - column * 20 for row in range(8) for column in range(9)])
    image.save(tmp_path / "a.png")
    assert hash_of(tmp_path / "a.png") == 0xFFFFFFFF00000000
    Image.new("L", (9, 8), 77).save(tmp_path / "flat.png")
    assert hash_of(tmp_path / "flat.png") is None


def test_a_picture_saved_again_smaller_is_alike_and_a_mirrored_one_is_not(tmp_path: Path) -> None:
    gradient = Image.radial_gradient("L").crop((100, 60, 256, 200)).resize((640, 480))
    gradient.save(tmp_path / "a.png")
    gradient.resize((333, 240)).convert("RGB").save(tmp_path / "b.jpg", quality=50)
    gradient.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "c.png")
    one, again, mirrored = (hash_of(tmp_path / name) for name in ("a.png", "b.jpg", "c.png"))
    assert one is not None
    assert again is not None
    assert mirrored is not None
    assert (one ^ again).bit_count() <= 2
    assert (one ^ mirrored).bit_count() > 10


def test_what_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no image")
    with pytest.raises(FormatError, match=r"a.jpg: The image cannot be decoded"):
        hash_of(tmp_path / "a.jpg")


@settings(max_examples=80, deadline=None)
@given(data=st.data(), distance=st.integers(0, 10))
def test_finds_the_first_leader_as_comparing_with_all_would(data: st.DataObject, distance: int) -> None:
    bases = data.draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4))
    flips = data.draw(st.lists(st.tuples(st.sampled_from(bases), st.sets(st.integers(0, 63), max_size=12)), max_size=40))
    hashes = [base ^ sum(1 << bit for bit in bits) for base, bits in flips]
    leaders, plain = Leaders(distance), dict[int, int]()
    for key, bits in enumerate(hashes):
        expected = next((other for other, first in plain.items() if (first ^ bits).bit_count() <= distance), key)
        if bits in plain.values():  # the very same hash is taken first of all
            expected = next(other for other, first in plain.items() if first == bits)
        if expected == key:
            plain[key] = bits
        assert leaders.leader_of(key, bits) == expected
