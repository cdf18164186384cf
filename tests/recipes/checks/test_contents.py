from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from recipes.checks.contents import contents, number_of, twins
from recipes.dataset import Dataset, ImageRecord
from recipes.effort import ALONE, Effort
from recipes.errors import FormatError
from recipes.masks.moving import moved, variant
from recipes.pictures.pixels import Flip

DatasetOf = Callable[..., Dataset]


@pytest.fixture
def files(tmp_path: Path) -> list[ImageRecord]:
    """Two of equal content, one of equal size, one of another size, one without bytes, one inside another file."""
    records = []
    for name, data in {"a.jpg": b"same", "b.jpg": b"else", "c.jpg": b"same", "d.jpg": b"longer", "e.bin": b"xxsamexx"}.items():
        (tmp_path / name).write_bytes(data)
        records.append(ImageRecord(name, tmp_path / name, 4, 4))
    records[-1] = replace(records[-1], span=(2, 4))
    return [*records, ImageRecord("f.jpg", None, 4, 4)]


@pytest.mark.parametrize("effort", [ALONE, Effort(processes=2)])
def test_finds_equal_contents_by_the_names_of_their_images(files: list[ImageRecord], dataset_of: DatasetOf, effort: Effort) -> None:
    found = twins(dataset_of(files), effort, copies=True)
    assert list(found) == [number_of(name) for name in ("a.jpg", "c.jpg", "e.bin")]
    assert len(set(found.values())) == 1
    assert twins(dataset_of(files[:2]), effort, copies=True) == {}


def test_copies_count_with_their_edits_or_as_their_original(files: list[ImageRecord], dataset_of: DatasetOf) -> None:
    flipped = [moved(variant(record, "_flip"), Flip("vertical")) for record in files[:3]]
    records = [image for pair in zip(files[:3], flipped, strict=True) for image in pair]
    found = twins(dataset_of(records), ALONE, copies=True)
    assert list(found) == [number_of(name) for name in ("a.jpg", "a_flip.jpg", "c.jpg", "c_flip.jpg")]
    assert len(set(found.values())) == 2
    assert list(twins(dataset_of(records), ALONE, copies=False)) == [number_of(name) for name in ("a.jpg", "c.jpg")]
    assert list(twins(dataset_of(flipped), ALONE, copies=False)) == [number_of(name) for name in ("a.jpg", "c.jpg")]


def test_files_that_cannot_be_the_same_are_not_read(files: list[ImageRecord], dataset_of: DatasetOf) -> None:
    assert files[3].path is not None
    os.truncate(files[3].path, 2**36)  # to read it would take all memory
    assert len(twins(dataset_of(files), ALONE, copies=True)) == 3


def test_a_file_that_is_gone_is_named(files: list[ImageRecord], dataset_of: DatasetOf) -> None:
    assert files[0].path
    files[0].path.unlink()
    with pytest.raises(FormatError, match=r"a.jpg: The image cannot be read: No such file"):
        twins(dataset_of(files), ALONE, copies=True)
    with pytest.raises(FormatError, match=r"a.jpg: The image cannot be read: No such file"):
        contents(files[0])
