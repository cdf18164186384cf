"""Pascal VOC is written as its development kit has it, and says what it could not hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from recipes.dataset import Annotation, Dataset, Flag, ImageRecord
from recipes.effort import ALONE, Effort
from recipes.errors import FormatError
from recipes.folder import scan
from recipes.formats.voc import VocOptions, read
from recipes.ledger import Ledger
from recipes.observing import Audience
from recipes.voc.writing import VocOutput, write

DatasetOf = Callable[..., Dataset]
Made = tuple[Path, Ledger]
ImageOf = Callable[..., ImageRecord]
Write = Callable[..., Made]


@pytest.fixture
def image(tmp_path: Path, draw: Callable[..., None]) -> ImageOf:
    def make(name: str, *boxes: Annotation, split: str | None = None, path: bool = True) -> ImageRecord:
        source = tmp_path / "pictures" / name
        if path:
            draw(source)
        return ImageRecord(name, source if path else None, 64, 48, boxes, split=split)

    return make


@pytest.fixture
def written(tmp_path: Path) -> Write:
    def make(dataset: Dataset, effort: Effort = ALONE, **options: object) -> Made:
        target, ledger = tmp_path / "out", Ledger()
        target.mkdir()
        write(dataset, target, VocOutput(**options), Audience(ledger), effort)
        return target, ledger

    return make


def fish(*box: float, **more: object) -> Annotation:
    return Annotation("fish", *box, **more)  # type: ignore[arg-type]


def corners(root: Path, stem: str = "a") -> list[tuple[str, ...]]:
    words = (root / f"VOC2007/Annotations/{stem}.xml").read_text().replace("<", ">").split(">")
    found = [words[place + 1] for place, word in enumerate(words) if word in {"xmin", "ymin", "xmax", "ymax"}]
    return [tuple(found[place : place + 4]) for place in range(0, len(found), 4)]


def test_a_file_is_what_the_devkit_would_write(dataset_of: DatasetOf, image: ImageOf, written: Write) -> None:
    flags = frozenset({Flag.DIFFICULT, Flag.OCCLUDED})
    root, _ = written(dataset_of([image("deep/a & b.jpg", fish(0, 0, 64, 48, flags=flags, attributes={"pose": "Left"}))], classes=["fish"]))
    assert (root / "VOC2007/Annotations/deep/a & b.xml").read_text() == (
        "<annotation>\n\t<folder>VOC2007</folder>\n\t<filename>a &amp; b.jpg</filename>\n"
        "\t<source>\n\t\t<database>Signalbox</database>\n\t</source>\n"
        "\t<size>\n\t\t<width>64</width>\n\t\t<height>48</height>\n\t\t<depth>3</depth>\n\t</size>\n\t<segmented>0</segmented>\n"
        "\t<object>\n\t\t<name>fish</name>\n\t\t<pose>Left</pose>\n\t\t<truncated>0</truncated>\n\t\t<occluded>1</occluded>\n"
        "\t\t<difficult>1</difficult>\n\t\t<bndbox>\n\t\t\t<xmin>1</xmin>\n\t\t\t<ymin>1</ymin>\n\t\t\t<xmax>64</xmax>\n\t\t\t<ymax>48</ymax>\n"
        "\t\t</bndbox>\n\t</object>\n</annotation>\n"
    )
    assert (root / "VOC2007/JPEGImages/deep/a & b.jpg").stat().st_nlink == 2


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((0, 0, 64, 48), ("1", "1", "64", "48")),
        ((63, 47, 1, 1), ("64", "48", "64", "48")),
        ((2, 3, 5, 6), ("3", "4", "7", "9")),
        ((2.5, 3.5, 5, 6), ("3", "4", "8", "10")),
        ((2.001, 2.999, 5, 5.002), ("3", "4", "7", "8")),
        ((-3, -4, 100, 100), ("1", "1", "64", "48")),
        ((63.995, 0, 0.005, 1), ("64", "1", "64", "1")),
        ((10.0, 10.0, 0.001, 0.001), ("11", "11", "11", "11")),
    ],
)
def test_boxes_are_rounded_outwards_and_cut(
    dataset_of: DatasetOf, image: ImageOf, written: Write, box: tuple[float, ...], expected: tuple[str, ...]
) -> None:
    root, _ = written(dataset_of([image("a.jpg", fish(*box))]))
    assert corners(root) == [expected]


def test_what_was_rounded_cut_or_left_out_is_told(dataset_of: DatasetOf, image: ImageOf, written: Write) -> None:
    nan = float("nan")
    boxes = (fish(1, 1, 5, 5), fish(1.5, 1, 5, 5), fish(-1, 1, 5, 5), fish(64, 1, 5, 5), fish(nan, 1, 5, 5), fish(1, 1, float("inf"), 5))
    root, ledger = written(dataset_of([image("a.JPG", *boxes)]))
    assert corners(root) == [("2", "2", "6", "6"), ("2", "2", "7", "6"), ("1", "2", "4", "6"), ("2", "2", "64", "6")]
    assert ledger.notes == (
        "1 boxes were rounded outwards to whole pixels (coordinates=exact keeps fractions).",
        "2 boxes were cut at the border of their image (coordinates=exact keeps them).",
        "1 images are not called .jpg; programs that look for JPEGImages/<id>.jpg do not find them.",
    )
    assert [(entry.step, entry.reason, entry.count) for entry in ledger.left_out] == [("write voc", "box outside the image", 2)]


def test_exact_coordinates_come_back_even_from_over_the_border(dataset_of: DatasetOf, image: ImageOf, written: Write) -> None:
    boxes = (fish(-1, 1.25, 5, 5), fish(0.1, 1e-3, 10.3333333, 7.1), fish(60.5, 40.25, 30, 7.75))
    root, ledger = written(dataset_of([image("a.jpg", *boxes)]), coordinates="exact")
    again = read(scan(root), VocOptions(), ALONE)
    (record,) = again.stream(Ledger())
    for box, back in zip(boxes, record.annotations, strict=True):
        assert (back.x, back.y, back.w, back.h) == pytest.approx((box.x, box.y, box.w, box.h), abs=1e-9)
    assert "as Signalbox writes them" in again.notes[0]
    assert ledger.notes == ()


def test_lists_hold_every_split_and_trainval_is_train_and_val(dataset_of: DatasetOf, image: ImageOf, written: Write) -> None:
    splits = {"c": "val", "a": "train", "b": "train", "d": "test", "e": None}
    records = [image(f"{name}.jpg", split=split) for name, split in splits.items()]
    root, _ = written(dataset_of(records))
    lists = {path.stem: path.read_text() for path in (root / "VOC2007/ImageSets/Main").iterdir()}
    assert lists == {"train": "a\nb\n", "val": "c\n", "test": "d\n", "trainval": "a\nb\nc\n"}
    assert {image.name: image.split for image in read(scan(root), VocOptions(), ALONE).stream(Ledger())} == {
        "a.jpg": "train", "b.jpg": "train", "c.jpg": "val", "d.jpg": "test", "e.jpg": None,
    }  # fmt: skip


def test_classes_keep_their_order_and_those_without_a_box(dataset_of: DatasetOf, image: ImageOf, written: Write) -> None:
    names = ['a "b" & <c>', "Größe 6", "x:y", "unused"]
    boxes = [Annotation(name, 1, 1, 5, 5) for name in names[:3]]
    root, _ = written(dataset_of([image("a.jpg", *boxes)], classes=names))
    again = read(scan(root), VocOptions(), ALONE)
    assert again.classes == tuple(names)
    assert [box.label for image in again.stream(Ledger()) for box in image.annotations] == names[:3]


def test_a_class_that_the_label_map_cannot_hold_is_told(dataset_of: DatasetOf, image: ImageOf, written: Write) -> None:
    root, ledger = written(dataset_of([image("a.jpg")], classes=["# fish"]))
    assert not (root / "VOC2007/labelmap.txt").exists()
    assert "labelmap.txt was not written" in ledger.notes[0]


def test_attributes_come_back_with_their_types(dataset_of: DatasetOf, image: ImageOf, written: Write) -> None:
    told = {"pose": "Left", "swims fast": True, "age": 3, "said": "3", "note": " a <b> & c", "none": None, "list": [1, "x"]}
    root, _ = written(dataset_of([image("a.jpg", fish(1, 1, 5, 5, attributes=told), fish(2, 2, 5, 5, attributes={"pose": 4}))]))
    (record,) = read(scan(root), VocOptions(), ALONE).stream(Ledger())
    assert record.annotations[0].attributes == told
    assert record.annotations[1].attributes == {"pose": 4}


@pytest.mark.parametrize("effort", [ALONE, Effort(processes=2)], ids=["one process", "two"])
def test_names_that_collide_are_refused_with_both(dataset_of: DatasetOf, image: ImageOf, written: Write, effort: Effort) -> None:
    records = [image(name) for name in ("a.jpg", "a.png", "b.jpg", "b.jpg")]
    records += [image(name, path=False) for name in ("c & d.jpg", "c & d.png")]
    with pytest.raises(FormatError) as caught:
        written(dataset_of(records), effort)
    said = str(caught.value)
    assert "Annotations/a.xml: a.jpg and a.png would share this annotation file." in said
    assert "Annotations/c & d.xml: c & d.jpg and c & d.png would share this annotation file." in said
    assert "b.jpg: Another image has this name, or its folder's." in said


def test_names_that_xml_a_list_or_a_folder_cannot_hold_are_refused(dataset_of: DatasetOf, image: ImageOf, written: Write) -> None:
    records = [image("a\nb.jpg", path=False), image(" a.jpg", path=False), image("x.jpg", path=False, split="../up")]
    with pytest.raises(FormatError) as caught:
        written(dataset_of(records, classes=["a\x01", " b"]))
    assert len(caught.value.defects) == 5
    for words in ("'a\\x01'", "' b'", "'../up'", "XML or a list", "begins or ends with a blank"):
        assert words in str(caught.value)


def test_the_folder_has_the_name_that_is_asked_for(dataset_of: DatasetOf, image: ImageOf, written: Write) -> None:
    root, _ = written(dataset_of([image("a.jpg")]), name="fish")
    assert "<folder>VOCfish</folder>" in (root / "VOCfish/Annotations/a.xml").read_text()
    with pytest.raises(ValueError, match="name"):
        VocOutput(name="../x")
