"""Transforms that choose among images or bring more: sample, dedupe, split_lists, merge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from recipes.dataset import Annotation, Dataset, ImageRecord
from recipes.effort import ALONE, Effort
from recipes.errors import DatasetError, RecipeError
from recipes.ledger import Ledger
from recipes.pictures.image_header import read_size
from recipes.transforms import transforms

DatasetOf = Callable[..., Dataset]
Applied = Callable[..., tuple[list[ImageRecord], Ledger]]


@pytest.fixture
def applied(dataset_of: DatasetOf) -> Applied:
    """Applies a transform to images: what is left, the same from two processes, and the account."""

    def apply(name: str, images: list[ImageRecord], **parameters: Any) -> tuple[list[ImageRecord], Ledger]:
        transform, ledger = transforms()[name], Ledger()
        dataset, given = dataset_of(images), transform.parameters(**parameters)
        out = list(transform.apply(dataset, given, ALONE).stream(ledger))
        assert list(transform.apply(dataset, given, Effort(processes=2)).stream(Ledger())) == out
        return out, ledger

    return apply


def numbered(count: int, label: Callable[[int], str] = lambda _: "fish") -> list[ImageRecord]:
    return [ImageRecord(f"{n}.jpg", None, 64, 48, (Annotation(label(n), 1, 1, 5, 5),), frame=n, video="v") for n in range(count)]


def names(images: list[ImageRecord]) -> list[str]:
    return [image.name for image in images]


def test_sample_by_count_and_share_is_exact_and_repeatable(applied: Applied) -> None:
    images = numbered(100)
    for parameters, count in (({"count": 33}, 33), ({"share": 0.25}, 25), ({"count": 500}, 100), ({"share": 1.0}, 100)):
        out, ledger = applied("sample", images, **parameters)
        assert len(out) == count
        assert [image for image in images if image in out] == out, "in their order"
        assert sum(entry.count for entry in ledger.left_out if entry.unit == "images") == 100 - count
    assert names(applied("sample", images, count=10)[0]) != names(applied("sample", images, count=10, seed=1)[0])
    assert set(names(applied("sample", images[::-1], count=10)[0])) == set(names(applied("sample", images, count=10)[0]))


def test_sample_keeps_the_share_of_every_class_and_one_frame_in_some(applied: Applied) -> None:
    images = numbered(100, lambda n: "shark" if n % 10 == 0 else "fish")
    out, _ = applied("sample", images, share=0.2, stratify=True)
    assert Counter(image.annotations[0].label for image in out) == {"fish": 18, "shark": 2}
    single = ImageRecord("single.jpg", None, 64, 48)
    assert names(applied("sample", [*images, single], every=25)[0]) == ["0.jpg", "25.jpg", "50.jpg", "75.jpg", "single.jpg"]


@pytest.mark.parametrize("parameters", [{}, {"count": 1, "share": 0.5}, {"share": 1.5}, {"count": 0}, {"every": 5, "stratify": True}])
def test_sample_refuses_what_makes_no_sense(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        transforms()["sample"].parameters(**parameters)


@pytest.fixture
def pictures(tmp_path: Path) -> list[ImageRecord]:
    """a and c are one file's bytes, b is a saved again, d is another picture, e and f are flat."""
    picture = Image.radial_gradient("L").convert("RGB")
    picture.save(tmp_path / "a.png")
    picture.resize((100, 100)).save(tmp_path / "b.jpg")
    (tmp_path / "c.png").write_bytes((tmp_path / "a.png").read_bytes())
    Image.linear_gradient("L").rotate(90).save(tmp_path / "d.png")
    Image.new("L", (9, 9), 5).save(tmp_path / "e.png")
    Image.new("L", (9, 9), 200).save(tmp_path / "f.png")
    box = Annotation("fish", 1, 1, 5, 5)
    return [ImageRecord(path.name, path, *read_size(path), (box,)) for path in sorted(tmp_path.iterdir())]


def test_dedupe_keeps_the_first_and_says_which(applied: Applied, pictures: list[ImageRecord]) -> None:
    out, ledger = applied("dedupe", pictures)
    assert names(out) == ["a.png", "b.jpg", "d.png", "e.png", "f.png"]
    assert {(entry.unit, entry.reason): entry.count for entry in ledger.left_out} == {
        ("images", "same content as another image"): 1,
        ("boxes", "same content as another image"): 1,
    }
    assert ledger.notes == ("Duplicates: c.png is a.png.",)
    out, ledger = applied("dedupe", pictures, near=4)
    assert names(out) == ["a.png", "d.png", "e.png", "f.png"]
    assert {entry.reason for entry in ledger.left_out} == {"same content as another image", "nearly the same picture as another image"}


def test_dedupe_names_every_picture_that_is_damaged(applied: Applied, pictures: list[ImageRecord]) -> None:
    for record in pictures[:2]:
        assert record.path is not None
        record.path.write_bytes(record.path.read_bytes()[:60])
    with pytest.raises(DatasetError, match="The set of images has 2 defects") as refused:
        applied("dedupe", pictures, near=2)
    assert [defect.where.file for defect in refused.value.defects] == ["a.png", "b.jpg"]


def test_dedupe_leaves_made_images_and_those_without_bytes(applied: Applied, pictures: list[ImageRecord]) -> None:
    transform = transforms()["flip"]
    dataset = Dataset(("fish",), lambda _, __: iter(pictures[:1]), 1, 1)
    both = list(transform.apply(dataset, transform.parameters(), ALONE).stream(Ledger()))
    out, _ = applied("dedupe", [*both, *numbered(2)], near=10)
    assert names(out) == ["a.png", "a_flip.png", "0.jpg", "1.jpg"]


def test_split_lists_by_names_in_all_their_forms(applied: Applied, tmp_path: Path) -> None:
    images = [ImageRecord(name, None, 64, 48) for name in ("d/a.jpg", "d/b.jpg", "d/c.jpg", "e.x.jpg", "f.jpg")]
    images.append(ImageRecord("d/a_flip.jpg", None, 64, 48, copy_of="d/a.jpg"))
    (tmp_path / "val.txt").write_text("\ufeffd/b\n\n  e.x \n", encoding="utf-8")
    lists = {"train": ["a.jpg", "d/c.jpg"], "val": str(tmp_path / "val.txt")}
    out, ledger = applied("split_lists", images, lists=lists)
    splits = {"d/a.jpg": "train", "d/a_flip.jpg": "train", "d/b.jpg": "val", "d/c.jpg": "train", "e.x.jpg": "val"}
    assert {image.name: image.split for image in out} == splits
    assert [(entry.reason, entry.cases) for entry in ledger.left_out] == [("in no list", ("f.jpg",))]
    out, _ = applied("split_lists", images, lists=lists, rest="test")
    assert {image.name: image.split for image in out} == splits | {"f.jpg": "test"}


def test_split_lists_names_every_line_that_is_wrong(applied: Applied, tmp_path: Path) -> None:
    listed = tmp_path / "val.txt"
    listed.write_text("1.jpg\nnone.jpg\n2.jpg\n")
    with pytest.raises(RecipeError, match=r"The set of lists has 2 defects\.") as refused:
        applied("split_lists", numbered(3), lists={"train": ["1.jpg", "2.jpg"], "val": str(listed)})
    assert [str(defect) for defect in refused.value.defects] == [
        f"{listed}, line 1: 1.jpg is also in the list of train.",
        f"{listed}, line 3: 2.jpg is also in the list of train.",
    ]
    with pytest.raises(RecipeError, match=r"val.txt, line 2: The dataset has no image 'none.jpg'"):
        applied("split_lists", numbered(3), lists={"val": str(listed)})
    listed.write_bytes(b"\xff\xfe")
    for lists, says in (({"val": str(listed)}, "not UTF-8"), ({"val": str(tmp_path / "gone")}, "No such file")):
        with pytest.raises(RecipeError, match=says):
            applied("split_lists", numbered(3), lists=lists)


def test_merge_brings_datasets_together(
    dataset_of: DatasetOf, vatic_folder: Callable[..., Path], packed: Callable[[Path], Path], row: Any, tmp_path: Path
) -> None:
    folder = vatic_folder([row(1, 0, label="shark")], frames=2, root=tmp_path / "more")
    archive = packed(vatic_folder([row(1, 0, label="cod"), row(1, 1, label="fish")], frames=2, root=tmp_path / "sub" / "more"))
    transform = transforms()["merge"]
    first = dataset_of([*numbered(3)], classes=("fish",))
    parameters = transform.parameters(sources=[folder, archive])
    result = transform.apply(first, parameters, ALONE)
    assert result.classes == ("fish", "shark", "cod")
    images = list(result.stream(Ledger()))
    assert len(images) == result.total == 7
    assert names(images)[:3] == ["0.jpg", "1.jpg", "2.jpg"]
    assert names(images)[3].startswith("more/")
    assert names(images)[5].startswith("more-2/")
    assert [image.video for image in images[3:]] == ["more/fish"] * 2 + ["more-2/fish"] * 2
    assert images[3].source_file == "more/fish.txt"
    again = [list(result.draw(chunk, Ledger())) for chunk in reversed(range(result.chunks))]
    assert [image for chunk in reversed(again) for image in chunk] == images
    unpacked = images[5].path
    assert unpacked is not None
    assert unpacked.is_file()
    del result, transform
    assert not unpacked.exists(), "what was unpacked goes with the dataset"


def test_merge_says_what_is_wrong_with_a_source(dataset_of: DatasetOf, tmp_path: Path) -> None:
    transform = transforms()["merge"]
    (tmp_path / "empty").mkdir()
    for path, says in ((tmp_path / "gone", "no such file or folder"), (tmp_path / "empty", "no annotation and no image")):
        with pytest.raises(DatasetError, match=says):
            transform.apply(dataset_of(numbered(1)), transform.parameters(sources=[path]), ALONE)


def test_images_that_cannot_be_decoded_go_each_with_its_reason(applied: Applied, tmp_path: Path) -> None:
    whole, cut, none = (tmp_path / name for name in ("whole.jpg", "cut.jpg", "none.png"))
    Image.effect_noise((64, 48), 90).save(whole)
    cut.write_bytes(whole.read_bytes()[:-400])
    none.write_bytes(b"<html>404</html>")
    out, ledger = applied("drop_unreadable", [ImageRecord(path.name, path, 64, 48) for path in (whole, cut, none)])

    assert names(out) == ["whole.jpg"]
    assert {entry.reason: entry.count for entry in ledger.left_out} == {
        "cannot be decoded: image file is truncated": 1, "cannot be decoded: cannot identify image file": 1,
    }
