"""Outlines, splits in names, and images found by the names that tools give them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from recipes.errors import FormatError, Where
from recipes.folder import scan
from recipes.masks.regions import Pictures, area, bounds, finite, split_of


def test_numbers_are_numbers() -> None:
    assert [finite(value) for value in (3, -2.5, 1e7)] == [3.0, -2.5, 1e7]
    assert all(finite(value) is None for value in (True, "3", None, math.nan, math.inf, 1e8, [3]))


def test_outlines_are_measured() -> None:
    assert area((0, 0, 4, 0, 4, 3)) == area((4, 3, 4, 0, 0, 0)) == 6
    assert bounds((1, 5, 4, 2, 3, 9)) == (1, 2, 3, 7)


@pytest.mark.parametrize(
    ("name", "alone", "split"),
    [
        ("train/via.json", True, "train"),
        ("balloon/valid/x/via.json", True, "val"),
        ("via_train.json", True, None),
        ("via_train.json", False, "train"),
        ("trains/via.json", False, None),
        ("test/val/a.json", False, "val"),
    ],
)
def test_splits_are_words_of_the_path(name: str, alone: bool, split: str | None) -> None:
    assert split_of(name, alone=alone) == split


def test_an_image_is_found_beside_its_file_or_where_a_name_leads(tmp_path: Path, draw: Callable[..., None]) -> None:
    for name in ("one/1.jpg", "two/1.jpg", "two/2.jpg"):
        draw(tmp_path / name)
    pictures, here = Pictures.of(scan(tmp_path)), Where("one/x.json", key="1")

    def find(*names: str, beside: str = "one/x.json") -> tuple[str, str]:
        return pictures.find(names, beside=beside, split=None, where=here)

    assert find("1.jpg") == ("1.jpg", "one/1.jpg")
    assert find("1.jpg", beside="two/x.json") == ("1.jpg", "two/1.jpg")
    assert find("0.jpg", "2.jpg") == ("2.jpg", "two/2.jpg")
    assert find("1.jpg", "two/1.jpg", beside="x.json") == ("two/1.jpg", "two/1.jpg")
    with pytest.raises(FormatError, match=r"one/x.json, 1: 2 images have this name, as one/1.jpg and two/1.jpg"):
        find("1.jpg", "0.jpg", beside="x.json")
    with pytest.raises(FormatError, match="The image is not here"):
        find("3.jpg")


def test_sizes_are_compared(tmp_path: Path, draw: Callable[..., None]) -> None:
    draw(tmp_path / "1.jpg", size=(64, 48))
    pictures = Pictures.of(scan(tmp_path))
    assert pictures.size("1.jpg", where=Where()) == pictures.size("1.jpg", said=(64, 48), where=Where()) == (64, 48)
    with pytest.raises(FormatError, match=r"48 x 64 pixels, the image has 64 x 48. Width and height are swapped"):
        pictures.size("1.jpg", said=(48, 64), where=Where("a"))
