"""Pascal VOC is read as its development kit defines it, with what other tools make of it, and every defect by file and line."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from recipes.dataset import Annotation, Dataset, Flag, ImageRecord
from recipes.effort import ALONE, Effort
from recipes.errors import FormatError
from recipes.folder import scan
from recipes.formats import format_called
from recipes.formats.voc import VocOptions, read, sniff
from recipes.ledger import Ledger

SAMPLES = Path(__file__).parents[4] / "shared/samples"
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample files are not at hand")

M2DET = {"0000_000": "trainval", "0000_001": "trainval", "0003_000": "test", "0003_001": "trainval", "0018_000": "trainval"}

Put = Callable[..., None]


def thing(name: str, *corners: float | str, more: str = "") -> str:
    box = "".join(f"<{tag}>{value}</{tag}>" for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))
    return f"<object><name>{name}</name>{more}<bndbox>{box}</bndbox></object>\n"


def document(*objects: str, size: tuple[int, int] | None = (64, 48), filename: str = "", database: str = "x") -> str:
    told = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>\n" if size else ""
    return (
        f"<annotation>\n<filename>{filename}</filename>\n<source><database>{database}</database></source>\n{told}{''.join(objects)}</annotation>"
    )


@pytest.fixture
def put(tmp_path: Path, draw: Callable[..., None]) -> Put:
    """Writes an annotation file, and its image (64 x 48) unless told not to."""

    def write(name: str, text: str | bytes = "", *, image: str | None = "", root: str = "VOC2007/") -> None:
        path = tmp_path / f"{root}Annotations/{name}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        if image is not None:
            draw(tmp_path / f"{root}JPEGImages/{image or f'{name}.jpg'}", shade=len(name))

    return write


@pytest.fixture
def lists(tmp_path: Path) -> Callable[..., None]:
    def write(root: str = "VOC2007/", **names: str) -> None:
        folder = tmp_path / f"{root}ImageSets/Main"
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in names.items():
            (folder / f"{name}.txt").write_text(text)

    return write


def open_voc(root: Path, **options: object) -> Dataset:
    return read(scan(root), VocOptions(**options), ALONE)


def images(dataset: Dataset) -> list[ImageRecord]:
    return list(dataset.stream(Ledger()))


def boxes(dataset: Dataset) -> list[tuple[float, float, float, float]]:
    return [(box.x, box.y, box.w, box.h) for image in images(dataset) for box in image.annotations]


def refusal(root: Path, **options: object) -> str:
    with pytest.raises(FormatError) as caught:
        open_voc(root, **options)
    return str(caught.value)


def test_corners_count_from_1_and_both_lie_inside(tmp_path: Path, put: Put) -> None:
    put("a", document(thing("fish", 1, 1, 64, 48), thing("shark", 3, 5, 3, 5), thing("fish", 2.5, 3.25, 10.5, 11)))
    dataset = open_voc(tmp_path)
    assert boxes(dataset) == [(0, 0, 64, 48), (2, 4, 1, 1), (1.5, 2.25, 9, 8.75)]
    assert dataset.classes == ("fish", "shark")
    assert "counted from 1" in dataset.notes[0]
    assert "some begin at 1 and some end at" in dataset.notes[0]
    (image,) = images(dataset)
    assert (image.name, image.width, image.height, image.source_file) == ("a.jpg", 64, 48, "VOC2007/Annotations/a.xml")
    assert [box.origin for box in image.annotations] == [5, 6, 7]
    assert str(image.where(image.annotations[1])) == "VOC2007/Annotations/a.xml, line 6, a.jpg"


def test_a_box_at_0_shows_that_corners_are_edges_from_0(tmp_path: Path, put: Put) -> None:
    put("a", document(thing("fish", 2, 3, 10, 20)))
    put("b", document(thing("fish", 0, 3, 64, 20)))
    dataset = open_voc(tmp_path)
    assert boxes(dataset) == [(2, 3, 8, 17), (0, 3, 64, 17)]
    assert "counted from 0, for 1 of them begin at 0 (say base=1" in dataset.notes[0]
    assert boxes(open_voc(tmp_path, base=1))[1] == (-1, 2, 65, 18)
    assert boxes(open_voc(tmp_path, base=0))[0] == (2, 3, 8, 17)
    assert "as told" in open_voc(tmp_path, base=0).notes[0]


def test_without_evidence_the_definition_holds_and_the_other_reading_is_named(tmp_path: Path, put: Put) -> None:
    put("a", document(thing("fish", 2, 3, 10, 20)))
    dataset = open_voc(tmp_path)
    assert boxes(dataset) == [(1, 2, 9, 18)]
    assert "as VOC defines them" in dataset.notes[0]
    assert "base=0" in dataset.notes[0]


def test_flags_and_pose_are_kept_parts_and_actions_are_left_out_and_counted(tmp_path: Path, put: Put) -> None:
    more = "<pose>Left</pose><truncated>1</truncated><occluded>1</occluded><difficult>1</difficult>"
    no, part = "<difficult/>", "<part><name>head</name><bndbox><xmin>9</xmin></bndbox></part><actions><jumping>1</jumping></actions>"
    put("a", document(thing("fish", 2, 3, 9, 9, more=more), thing("fish", 2, 3, 11, 20, more=part), thing("fish", 2, 3, 9, 9, more=no)))
    dataset = open_voc(tmp_path)
    first, second, third = images(dataset)[0].annotations
    assert first.flags == {Flag.TRUNCATED, Flag.OCCLUDED, Flag.DIFFICULT}
    assert first.attributes == {"pose": "Left"}
    assert (second.label, second.w, second.flags, third.flags) == ("fish", 10, frozenset(), frozenset())
    assert "1 parts of objects (as head or hand) were left out." in dataset.notes
    assert "The actions of 1 objects were left out." in dataset.notes


def test_an_image_without_objects_stays(tmp_path: Path, put: Put) -> None:
    put("a", document(size=None))
    assert images(open_voc(tmp_path))[0].annotations == ()


def test_lists_are_splits_and_trainval_says_nothing_of_what_is_in_train_or_val(tmp_path: Path, put: Put, lists: Put) -> None:
    for name in "abcdef":
        put(name, document(thing("fish", 1, 1, 9, 9)))
    lists(train="a\nb\n", val="c\r\n", trainval="a\nb\nc\nd", test="e\ne\n", fish_train="a  1\nb -1\n", cat_val="c  0\n")
    dataset = open_voc(tmp_path)
    assert [image.split for image in images(dataset)] == ["train", "train", "val", "trainval", "test", None]
    assert dataset.splits == ("train", "val", "test", "trainval")
    assert dataset.classes == ("cat", "fish")
    assert "1 images are in no list of ImageSets and so in no split." in dataset.notes
    assert "VOC2007/ImageSets/Main/test.txt names 1 images twice; each is taken once." in dataset.notes


def test_an_image_in_two_splits_is_refused_until_the_lists_are_named(tmp_path: Path, put: Put, lists: Put) -> None:
    put("a", document())
    put("b", document())
    lists(train="a\nb", val="b", test="a", trainval="a")
    said = refusal(tmp_path)
    assert "VOC2007/ImageSets/Main/val.txt, line 1: b is in train, too: an image has one split." in said
    assert "VOC2007/ImageSets/Main/train.txt, line 1: a is in test, too: an image has one split." in said
    assert open_voc(tmp_path, splits=["train"]).splits == ("train",)
    assert "ImageSets/Main: There is no list fold.txt; there are: test, train, trainval, val." in refusal(tmp_path, splits=["fold"])
    lists(train="b", val="", test="a")
    assert "trainval.txt, line 1: a is in test, too" in refusal(tmp_path)


def test_a_listed_image_without_annotation_is_not_one_without_objects(tmp_path: Path, put: Put, lists: Put) -> None:
    put("a", document())
    lists(train="a\nb\n", test="c\n")
    said = refusal(tmp_path)
    assert "VOC2007/ImageSets/Main/train.txt, line 2: b is listed, but there is no annotation file VOC2007/Annotations/b.xml." in said
    assert "c is listed" not in said
    dataset, ledger = open_voc(tmp_path, unannotated="drop"), Ledger()
    assert [image.name for image in dataset.stream(ledger)] == ["a.jpg"]
    (entry,) = ledger.left_out
    assert (entry.unit, entry.count, entry.cases[0]) == ("images", 2, "c of VOC2007/ImageSets/Main/test.txt")
    assert dataset.splits == ("train",)


def test_ids_with_a_folder_or_a_suffix_are_understood_and_told(tmp_path: Path, put: Put, lists: Put) -> None:
    put("a", document())
    put("b", document())
    lists(train="data/a\n", val="b.jpg\n")
    dataset = open_voc(tmp_path)
    assert [image.split for image in images(dataset)] == ["train", "val"]
    assert "VOC2007/ImageSets/Main/train.txt names 1 images with a folder or a suffix, which was taken off." in dataset.notes


def test_a_list_that_is_no_text_is_refused(tmp_path: Path, put: Put) -> None:
    put("a", document())
    (tmp_path / "VOC2007/ImageSets/Main").mkdir(parents=True)
    (tmp_path / "VOC2007/ImageSets/Main/train.txt").write_bytes(b"a\n\xff\n")
    assert "train.txt, line 2: The list is not UTF-8 text." in refusal(tmp_path)


def test_years_side_by_side_are_told_apart(tmp_path: Path, put: Put, lists: Put) -> None:
    for year in ("2007", "2012"):
        put("1", document(thing("fish", 1, 1, 9, 9)), root=f"devkit/VOC{year}/")
    lists(root="devkit/VOC2007/", train="1")
    lists(root="devkit/VOC2012/", val="1")
    assert [(image.name, image.split) for image in images(open_voc(tmp_path))] == [("VOC2007/1.jpg", "train"), ("VOC2012/1.jpg", "val")]


def test_files_beside_their_images_as_labelimg_leaves_them(tmp_path: Path, draw: Callable[..., None]) -> None:
    for split in ("train", "valid"):
        draw(tmp_path / split / "a.b.JPG")
        (tmp_path / split / "a.b.xml").write_text(document(thing("fish", 1, 1, 9, 9), filename="a.b.JPG"))
    dataset = open_voc(tmp_path)
    assert [(image.name, image.split) for image in images(dataset)] == [("train/a.b.JPG", "train"), ("valid/a.b.JPG", "val")]
    assert dataset.splits == ("train", "val")


@pytest.mark.parametrize(
    ("xml", "image", "name"),
    [
        ("annotations/a.xml", "images/a.png", "a.png"),
        ("x/annotations/deep/a.xml", "x/images/deep/a.png", "deep/a.png"),
        ("labels/a.xml", "a.png", "a.png"),
        ("xml/a.xml", "pictures/a.png", "a.png"),
        ("a.xml", "a.png", "a.png"),
    ],
)
def test_images_are_found_where_tools_put_them(tmp_path: Path, draw: Callable[..., None], xml: str, image: str, name: str) -> None:
    (tmp_path / xml).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / xml).write_text(document())
    draw(tmp_path / image)
    assert [found.name for found in images(open_voc(tmp_path))] == [name]


def test_the_image_called_as_the_file_wins_over_filename(tmp_path: Path, put: Put, draw: Callable[..., None]) -> None:
    put("a", document(filename="b.jpg"))
    put("b", document(filename="b.jpg"))
    put("c", document(filename="C:\\\\pictures\\\\other.jpg"), image="other.jpg")
    dataset = open_voc(tmp_path)
    assert [image.name for image in images(dataset)] == ["a.jpg", "b.jpg", "other.jpg"]
    assert any(note.startswith("1 annotation files name another image") for note in dataset.notes)
    draw(tmp_path / "VOC2007/JPEGImages/b.png")
    assert [image.name for image in images(open_voc(tmp_path))] == ["a.jpg", "b.jpg", "other.jpg"]
    draw(tmp_path / "VOC2007/JPEGImages/a.png")
    assert "Two images have the name of this file: VOC2007/JPEGImages/a.jpg and VOC2007/JPEGImages/a.png." in refusal(tmp_path)


def test_classes_come_in_the_order_that_is_told(tmp_path: Path, put: Put) -> None:
    put("a", document(thing("fish", 1, 1, 9, 9), thing("cat", 1, 1, 9, 9)))
    assert open_voc(tmp_path).classes == ("cat", "fish")
    (tmp_path / "VOC2007/labelmap.txt").write_text("# label:color_rgb:parts:actions\nbackground:0,0,0::\nfish:1,2,3::\na:b:::\ncat:::\n")
    assert open_voc(tmp_path).classes == ("fish", "a:b", "cat")
    assert open_voc(tmp_path, classes=["cat", "fish"]).classes == ("cat", "fish")


def test_vatics_dump_is_read_with_its_quirks(tmp_path: Path, put: Put) -> None:
    put("000001", document(thing("fish", 0, 5, 64, 20), size=(48, 64), database="vatic"))
    put("000016", document(thing("not-a-real-object", 20, 40, 10, 30, more="<difficult>1</difficult>"), size=(48, 64), database="vatic"))
    dataset, ledger = open_voc(tmp_path), Ledger()
    first, second = dataset.stream(ledger)
    assert [(box.x, box.y, box.w, box.h) for box in first.annotations] == [(0, 5, 64, 15)]
    assert (second.annotations, second.width) == ((), 64)
    assert [(entry.count, entry.cases) for entry in ledger.left_out] == [(1, ("VOC2007/Annotations/000016.xml, line 5",))]
    assert "as VATIC writes them" in dataset.notes[0]
    assert any(note.startswith("2 annotation files have width and height of the image swapped") for note in dataset.notes)
    assert images(open_voc(tmp_path, images="absent"))[0].width == 64


def test_a_size_of_0_says_nothing(tmp_path: Path, put: Put) -> None:
    put("a", document(size=(0, 0)))
    dataset = open_voc(tmp_path)
    assert images(dataset)[0].width == 64
    assert any("say that the image has 0 pixels" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation>", "a.xml, line 1: The XML is broken: no element found."),
        ("", "The XML is broken: no element found."),
        ("<annotation>\n<object></annotation>", "a.xml, line 2: The XML is broken: mismatched tag."),
        ("<doc/>", "a.xml, line 1: The root element is <doc>, not <annotation>."),
        ('<!DOCTYPE a [<!ENTITY x "y">]>\n<annotation>&x;</annotation>', "The XML has a document type, which is refused"),
        (f"<annotation>{'<a>' * 40}", "nested deeper than 32"),
        (b'<?xml version="1.0" encoding="shift_jis"?><annotation/>', "a.xml, line 1: The XML's encoding cannot be read"),
        (b'<?xml version="1.0" encoding="nonsense"?><annotation/>', "a.xml, line 1: The XML"),
        (document(thing("fish", "x", 2, 3, 4)), "a.xml, line 5: The xmin of object 1 (fish) is 'x', which is no number."),
        (document(thing("fish", "1_0", 2, 3, 4)), "The xmin of object 1 (fish) is '1_0', which is no number."),
        (document(thing(" ", 1, 2, 3, 4)), "a.xml, line 5: Of object 1 the name is missing."),
        (document("<object><name>fish</name></object>"), "a.xml, line 5: Of object 1 (fish) the <bndbox> is missing."),
        (document("<object><name>fish</name><bndbox/></object>"), "Of object 1 (fish) the ymax is missing."),
        (document(thing("fish", 1, 2, 3, 4, more="<occluded>so</occluded>")), "occluded of object 1 (fish) is 'so'; it must be 0 or 1."),
        ("<annotation>\n<size><width>6.5</width><height>4</height></size></annotation>", "a.xml, line 2: The width of the image is '6.5'"),
        (document(size=(48, 64)), "says 48 x 64 pixels, the image VOC2007/JPEGImages/a.jpg has 64 x 48: width and height are swapped."),
        (document(size=(640, 480)), "VOC2007/Annotations/a.xml: The annotation says 640 x 480 pixels, the image"),
        (b"<annotation>" + b" " * 4 * 2**20 + b"</annotation>", "The annotation file is larger than 4,194,304 bytes, which is refused."),
    ],
)
def test_every_defect_names_file_and_line(tmp_path: Path, put: Put, text: str | bytes, message: str) -> None:
    put("a", text)
    assert message in refusal(tmp_path)


def test_a_missing_image_names_the_file_and_what_was_looked_for(tmp_path: Path, put: Put) -> None:
    put("a", document(filename="b.jpg"), image=None)
    put("c", document(), image="c.txt.jpg")
    said = refusal(tmp_path)
    assert "VOC2007/Annotations/a.xml: The image is not here: none is called a with an image's suffix, nor one called b.jpg." in said
    assert "VOC2007/Annotations/c.xml: The image is not here" in said
    assert [image.name for image in images(open_voc(tmp_path, images="absent"))] == ["a.jpg", "c.jpg"]


def test_all_defects_are_told_in_one_pass_lists_included(tmp_path: Path, put: Put, lists: Put) -> None:
    put("a", document(thing("fish", "x", 2, "y", 4)))
    put("b", "<annotation>")
    put("c", document(), image=None)
    (tmp_path / "VOC2007/JPEGImages/d.jpg").write_bytes(b"no image")
    put("d", document(), image=None)
    lists(train="gone")
    with pytest.raises(FormatError) as caught:
        open_voc(tmp_path)
    assert len(caught.value.defects) == 6


def test_without_size_or_image_nothing_tells_how_large_it_is(tmp_path: Path, put: Put) -> None:
    put("a", document(size=None), image=None)
    assert "Neither the annotation nor an image says how large the image is." in refusal(tmp_path, images="absent")


def test_boxes_that_make_no_sense_are_passed_on_to_the_check(tmp_path: Path, put: Put) -> None:
    put("a", document(thing("fish", 9, 9, 3, 3), thing("fish", "nan", 1, "inf", 9), thing("fish", -5, 1, 900, 9)))
    inverted, nan, outside = boxes(open_voc(tmp_path))
    assert inverted == (8, 8, -5, -5)
    assert str(nan) == "(nan, 0.0, nan, 9.0)"
    assert outside == (-6, 0, 906, 9)


def test_a_folder_of_other_xml_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text('<annotations count="4"></annotations>')
    assert sniff(scan(tmp_path)).confidence == 0
    (tmp_path / "b.xml").write_text('<?xml version="1.0"?>\n<!-- x -->\n<annotation verified="yes">')
    assert sniff(scan(tmp_path)).confidence == 0.8
    with pytest.raises(FormatError, match="There is no annotation file here"):
        (tmp_path / "empty").mkdir()
        open_voc(tmp_path / "empty")


def test_two_processes_read_what_one_reads(tmp_path: Path, put: Put, lists: Put) -> None:
    for number in range(20):
        put(f"{number:03}", document(thing(f"fish {number % 3}", 1, 1, 9, 9), filename="other.jpg"))
    lists(train="".join(f"{number:03}\n" for number in range(19)), test="020\n")
    one, two = (read(scan(tmp_path), VocOptions(), Effort(processes=processes)) for processes in (1, 2))
    assert (one.classes, one.splits, one.notes) == (two.classes, two.splits, two.notes)
    assert images(one) == images(two)


@pytest.mark.skipif(not (SAMPLES.parent / "datasets/bccd-voc.zip").is_file(), reason="the real dataset is not at hand")
def test_a_real_dataset_of_labelimg(tmp_path: Path) -> None:
    with zipfile.ZipFile(SAMPLES.parent / "datasets/bccd-voc.zip") as archive:
        archive.extractall(tmp_path)
    dataset = open_voc(tmp_path)
    records = images(dataset)
    assert Counter(image.split for image in records) == {"train": 205, "val": 87, "test": 72}
    assert Counter(box.label for image in records for box in image.annotations) == {"Platelets": 361, "RBC": 4155, "WBC": 372}
    assert records[0].annotations[0] == Annotation("WBC", 259, 176, 232, 200, origin=14)
    assert "for some begin at 1 and some end at the image's width or height" in dataset.notes[0]


@needs_samples
def test_the_devkit_sample(tmp_path: Path) -> None:
    dataset = open_voc(SAMPLES / "voc/VOC2007", splits=["test"])
    (image,) = images(dataset)
    assert (image.name, image.width, image.height, image.split) == ("000001.jpg", 353, 500, "test")
    truncated = frozenset({Flag.TRUNCATED})
    assert image.annotations == (
        Annotation("dog", 47, 239, 148, 132, truncated, attributes={"pose": "Left"}, origin=20),
        Annotation("person", 7, 11, 345, 487, truncated, attributes={"pose": "Left"}, origin=32),
    )
    assert "000001 is in test, too" in refusal(SAMPLES / "voc/VOC2007")
    assert "VOC2012/Annotations/000001.xml: The image is not here" in refusal(SAMPLES / "voc", splits=["test"])


@needs_samples
def test_the_samples_of_other_tools() -> None:
    said = refusal(SAMPLES / "voc/datumaro", images="absent")
    assert said.startswith("@.xml: Neither the annotation nor an image says how large")
    faces = open_voc(SAMPLES / "voc/widerface_xml", images="absent")
    assert images(faces)[0].annotations[0] == Annotation("face", 494, 176, 38, 52, origin=1)
    vatic, ledger = open_voc(SAMPLES / "vatic/VOCsherlock", images="absent"), Ledger()
    records = list(vatic.stream(ledger))
    assert vatic.classes == ("face", "other face")
    assert (records[0].width, records[0].height, records[0].split) == (1280, 720, "train")
    assert records[0].annotations == (Annotation("face", 325, 113, 103, 132, origin=1),)
    assert [image.name for image in records if not image.annotations] == ["000271.jpg", "000286.jpg"]
    assert ledger.left_out[0].count == 2
    shifted = open_voc(SAMPLES / "m2det_pipeline/VOCsherlock", images="absent", unannotated="drop")
    assert {image.name[:-4]: image.split for image in images(shifted)} == M2DET
    assert "trainval.txt, line 14: 0001_000 is listed" in refusal(SAMPLES / "m2det_pipeline/VOCsherlock", images="absent")
    assert format_called("voc").sniff is sniff
