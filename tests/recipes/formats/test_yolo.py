from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipes.dataset import Annotation, Dataset, Flag, ImageRecord, Polygons, RunLengths
from recipes.effort import Effort
from recipes.errors import DatasetError, FormatError
from recipes.folder import scan
from recipes.formats.yolo import FORMAT, YoloOptions, read, sniff
from recipes.ledger import Ledger
from recipes.observing import Audience
from recipes.yolo.labels import label_names
from recipes.yolo.writing import YoloWriteOptions, write

SAMPLES = Path(__file__).parents[4] / "shared" / "samples" / "yolo"
DATA_YAML = "train: images/train\nval: images/val\nnames: {0: fish, 1: 'traffic light'}\n"
Draw = Callable[..., None]


def read_folder(root: Path, options: YoloOptions | None = None, *, processes: int = 1) -> tuple[Dataset, list[ImageRecord]]:
    dataset = read(scan(root), options or YoloOptions(), Effort(processes))
    return dataset, list(dataset.stream(Ledger()))


def defects_of(root: Path, options: YoloOptions | None = None) -> str:
    with pytest.raises(DatasetError) as caught:
        read_folder(root, options)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path, draw: Draw) -> Callable[..., Path]:
    """Writes files by name: texts as they are, images (64 x 48) for None."""

    def make(files: dict[str, str | None], root: str = "source") -> Path:
        for name, text in files.items():
            path = tmp_path / root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                draw(path, shade=len(name))
            else:
                path.write_text(text, encoding="utf-8")
        return tmp_path / root

    return make


@pytest.fixture
def ultralytics(folder: Callable[..., Path]) -> Path:
    return folder(
        {
            "data.yaml": DATA_YAML,
            "images/train/a b.jpg": None,
            "labels/train/a b.txt": "1 0.5 0.5 0.25 0.5\r\n\r\n0 0.125 0.25 0.125 0.125",
            "images/train/deep/B%20.v1.JPG": None,
            "labels/train/deep/B%20.v1.txt": "",
            "images/val/é.png": None,
        }
    )


def test_boxes_are_centre_and_size_as_parts_of_the_image(ultralytics: Path) -> None:
    dataset, (first, second, third) = read_folder(ultralytics)
    assert dataset.classes == ("fish", "traffic light")
    assert dataset.splits == ("train", "val")
    assert first.name == "a b.jpg"
    assert first.annotations == (
        Annotation("traffic light", 24.0, 12.0, 16.0, 24.0, origin=1),
        Annotation("fish", 4.0, 9.0, 8.0, 6.0, origin=3),
    )
    assert str(first.where(first.annotations[1])) == "labels/train/a b.txt, line 3, a b.jpg"
    assert (second.name, second.split, second.annotations) == ("deep/B%20.v1.JPG", "train", ())
    assert (third.name, third.split, third.annotations, third.width, third.height) == ("é.png", "val", (), 64, 48)
    assert dataset.notes == ("1 of 3 images have no label file: they count as images without objects.",)
    assert sniff(scan(ultralytics)).confidence == 0.95


@pytest.mark.parametrize(
    ("train", "found"),
    [
        ("images/train", True),
        ("./images/train/", True),
        ("../images/train", True),  # as Roboflow writes it
        ("/home/somebody/fish/images/train", True),
        ("C:\\fish\\images\\train", True),
        ("[images/train/1.jpg, images/train]", True),
        ("list.txt", True),
        ("/elsewhere/list.txt", True),
        (".", True),
        ("../../etc", False),
        ("nowhere.txt", False),
    ],
)
def test_paths_of_another_machine_are_found_by_their_ends(folder: Callable[..., Path], train: str, found: bool) -> None:
    lists = "./images/train/1.jpg\n/home/x/images/train/2.jpg\nimages\\train\\3.jpg\n\n"
    root = folder({"data.yaml": f"train: {train}\nnames: [fish]\n", "list.txt": lists})
    folder({f"images/train/{number}.jpg": None for number in (1, 2, 3)})
    folder({f"labels/train/{number}.txt": "0 .5 .5 .5 .5\n" for number in (1, 2, 3)})
    if found:
        dataset, images = read_folder(root)
        assert [image.name for image in images] == ["1.jpg", "2.jpg", "3.jpg"]
        assert dataset.splits == ("train",)
    else:
        assert "data.yaml, line 1, train: There is no folder with images and no list" in defects_of(root)


def test_an_image_in_two_splits_is_read_once_and_what_is_not_named_is_told(folder: Callable[..., Path]) -> None:
    root = folder({"data.yaml": "path: /datasets/coco8\ntrain: images/t\nval: images/t\ntest: images/test\nnames: [fish]\n"})
    folder({"images/t/1.jpg": None, "labels/t/1.txt": "0 .5 .5 .5 .5", "images/spare/2.jpg": None})
    dataset, images = read_folder(root)
    assert [(image.name, image.split) for image in images] == [("1.jpg", "train")]
    assert dataset.splits == ("train",)
    assert dataset.notes == (
        "data.yaml: There is no folder with images and no list 'images/test' for the split test.",
        "data.yaml names 1 images twice: each is read once, in the split that comes first.",
        "1 images that data.yaml does not name are left out, as images/spare/2.jpg.",
    )


def test_an_image_that_a_list_names_twice_is_read_once(folder: Callable[..., Path]) -> None:
    root = folder({"data.yaml": "train: list.txt\nnames: [fish]\n", "list.txt": "images/1.jpg\n./images/1.jpg\n"})
    folder({"images/1.jpg": None, "labels/1.txt": "0 .5 .5 .5 .5"})
    dataset, images = read_folder(root)
    assert [image.name for image in images] == ["1.jpg"]
    assert dataset.notes == ("data.yaml names 1 images twice: each is read once, in the split that comes first.",)


def test_images_of_one_name_in_two_splits_keep_their_folders(folder: Callable[..., Path]) -> None:
    root = folder({"data.yaml": DATA_YAML, "labels/train/1.txt": ""})
    folder({"images/train/1.jpg": None, "images/val/1.jpg": None})
    assert [image.name for image in read_folder(root)[1]] == ["images/train/1.jpg", "images/val/1.jpg"]


def test_darknet(folder: Callable[..., Path]) -> None:
    root = folder(
        {
            "obj.data": "# by hand\nclasses = 2\ntrain = data/train.txt\nvalid=data/valid.txt\nnames = data/obj.names\nbackup = b/\n",
            "obj.names": "fish\ntraffic light\n\n",
            "train.txt": "data/obj_train_data/2.jpg\ndata/obj_train_data/1.jpg\n",
            "valid.txt": "\ufeffdata/obj_valid_data/3.jpg\n",
            "obj_train_data/1.jpg": None,
            "obj_train_data/1.txt": "1 0.5 0.5 1 1\n",
            "obj_train_data/2.jpg": None,
            "obj_valid_data/3.jpg": None,
        }
    )
    dataset, images = read_folder(root)
    assert dataset.classes == ("fish", "traffic light")
    assert [(image.name, image.split) for image in images] == [("2.jpg", "train"), ("1.jpg", "train"), ("3.jpg", "val")]
    assert images[1].annotations == (Annotation("traffic light", 0, 0, 64, 48, origin=1),)
    (root / "obj.data").write_text("classes = 3\ntrain = data/gone.txt\nnames = data/obj.names\nnothing\ntrain = x\n")
    text = defects_of(root)
    assert "obj.data, line 1: It says '3' classes, and obj.names has 2." in text
    assert "obj.data, line 4: This line is not key = value." in text
    assert "obj.data, line 5: The key 'train' stands here twice." in text
    (root / "train.txt").write_text("data/obj_train_data/1.jpg\ndata/obj_train_data/9.jpg\n")
    (root / "obj.data").write_text("train = data/train.txt\nnames = gone.names\n")
    text = defects_of(root)
    assert "train.txt, line 2: The image 'data/obj_train_data/9.jpg' is not here." in text
    assert "obj.data, line 2: The list of classes 'gone.names' is not here." in text


def test_without_a_data_file_folders_tell_the_splits_and_a_list_the_classes(folder: Callable[..., Path]) -> None:
    root = folder({"train/images/1.jpg": None, "train/labels/1.txt": "1 .5 .5 .5 .5", "valid/2.jpg": None, "valid/2.txt": "0 .5 .5 .5 .5"})
    assert sniff(scan(root)).confidence == 0.8
    assert "Nothing here names the classes" in defects_of(root)
    assert read_folder(root, YoloOptions(classes=("fish", "shark")))[0].classes == ("fish", "shark")
    folder({"train/labels/classes.txt": "fish\nshark", "valid/classes.txt": "fish\nshark\n"})
    assert sniff(scan(root)).confidence == 0.9
    dataset, images = read_folder(root)
    assert dataset.classes == ("fish", "shark")
    found = [(image.name, image.split, image.annotations[0].label) for image in images]
    assert found == [("1.jpg", "train", "shark"), ("2.jpg", "val", "fish")]
    folder({"valid/classes.txt": "shark\nfish\n"})
    assert "valid/classes.txt: The classes here differ from those in train/labels/classes.txt." in defects_of(root)


def test_outlines_are_masks_and_bound_their_boxes(ultralytics: Path) -> None:
    (ultralytics / "labels/train/a b.txt").write_text("0 0 0 0.5 0 0.5 0.5 0 0.5\n1 0.25 0.25 0.5 0.25 0.25 0.75\n0 .5 .5 .5 .5\n")
    first = read_folder(ultralytics)[1][0]
    assert first.annotations[0] == Annotation(
        "fish", 0, 0, 32, 24, mask=Polygons(((0, 0, 32, 0, 32, 24, 0, 24),)), mask_area=32 * 24, origin=1
    )
    assert first.annotations[1].area == 16 * 24 / 2
    assert first.annotations[2].mask is None


def test_files_of_windows_editors_are_read(folder: Callable[..., Path]) -> None:
    root = folder({"1.jpg": None, "1.txt": "\ufeff1 .5 .5 1 1\r\n", "classes.txt": "\ufefffish\r\nshark\r\n"})
    assert sniff(scan(root)).confidence == 0.9
    dataset, (image,) = read_folder(root)
    assert dataset.classes == ("fish", "shark")
    assert image.annotations == (Annotation("shark", 0, 0, 64, 48, origin=1),)


def test_a_sixth_column_is_read_as_told(ultralytics: Path) -> None:
    (ultralytics / "labels/train/a b.txt").write_text("0 .5 .5 .5 .5 7\n")
    assert read_folder(ultralytics, YoloOptions(sixth_column="track"))[1][0].annotations[0].track == 7
    assert read_folder(ultralytics, YoloOptions(sixth_column="confidence"))[1][0].annotations[0].attributes == {"confidence": 7.0}
    assert "labels/train/a b.txt, line 1: A sixth column is a detection's confidence or a track's number" in defects_of(ultralytics)
    (ultralytics / "labels/train/a b.txt").write_text("0 .5 .5 .5 .5 0.7\n")
    assert "line 1: The sixth column should be a track's number." in defects_of(ultralytics, YoloOptions(sixth_column="track"))


def test_key_points_are_left_out_and_said(ultralytics: Path) -> None:
    (ultralytics / "data.yaml").write_text(f"{DATA_YAML}kpt_shape: [2, 3]\n")
    (ultralytics / "labels/train/a b.txt").write_text("0 .5 .5 .5 .5 .1 .2 2 .3 .4 1\n")
    dataset, images = read_folder(ultralytics)
    assert images[0].annotations == (Annotation("fish", 16, 12, 32, 24, origin=1),)
    assert "The key points are left out, and the boxes read." in dataset.notes
    (ultralytics / "labels/train/a b.txt").write_text("0 .5 .5 .5 .5\n")
    assert "The line has 5 columns instead of 11." in defects_of(ultralytics)
    (ultralytics / "data.yaml").write_text(f"{DATA_YAML}kpt_shape: 17\n")
    assert "data.yaml, line 4, kpt_shape: kpt_shape must be two numbers" in defects_of(ultralytics)


LINES = [
    ("2 .5 .5 .5 .5", "Class '2' is not among the 2 classes, whose ids are 0 to 1."),
    ("-1 .5 .5 .5 .5", "Class '-1' is not among the 2 classes, whose ids are 0 to 1."),
    ("fish .5 .5 .5 .5", "The first column must be the id of a class, and is 'fish'."),
    ("None .5 .5 .5 .5", "The first column must be the id of a class, and is 'None'."),
    ("0.5 .5 .5 .5 .5", "The first column must be the id of a class, and is '0.5'."),
    ("0 .5 .5 .5", "The line has 4 columns instead of 5, or an outline's 7, 9, 11 …."),
    ("0 .5 .5 .5 .5 .5 .5 .5", "The line has 8 columns instead of 5, or an outline's 7, 9, 11 …."),
    ("0 .5 x .5 .5", "Column 3 is not a number: 'x'."),
    ("0 0_1 .5 .5 .5", "Column 2 is not a number: '0_1'."),
    ("0 320 240 64 48", "These look like pixels"),
    ("0 1 1 300 1 1 200", "The outline looks like pixels"),
    ("0 0 0 nan 0 1 1", "The outline has a point that is no number."),
]


@pytest.mark.parametrize(("line", "says"), LINES)
def test_a_wrong_line_is_named(ultralytics: Path, line: str, says: str) -> None:
    (ultralytics / "labels/train/a b.txt").write_text(f"0 .5 .5 .5 .5\n{line}\n")
    assert f"labels/train/a b.txt, line 2: {says}" in defects_of(ultralytics)


def test_all_defects_are_found_in_one_pass(ultralytics: Path) -> None:
    (ultralytics / "labels/train/a b.txt").write_text("".join(f"{line}\n" for line, _ in LINES))
    (ultralytics / "images/val/é.png").write_bytes(b"\x89PNG")
    text = defects_of(ultralytics)
    assert f"{len(LINES) + 1} defects" in text
    assert all(f"line {number}: {says}" in text for number, (_, says) in enumerate(LINES, start=1))
    assert "images/val/é.png: This is not a readable image." in text


def test_odd_values_are_passed_on_to_the_check(ultralytics: Path) -> None:
    (ultralytics / "labels/train/a b.txt").write_text("0.0 1.5 .5 -.25 .5\n1 nan .5 .5 .5\n")
    first = read_folder(ultralytics)[1][0]
    assert (first.annotations[0].x, first.annotations[0].w) == (104.0, -16.0)
    assert first.annotations[1].x != first.annotations[1].x


def test_images_and_labels_belong_together_one_to_one(ultralytics: Path, draw: Draw) -> None:
    draw(ultralytics / "images/train/a b.png")
    (ultralytics / "labels/train/lone.txt").write_text("0 .5 .5 .5 .5\n")
    text = defects_of(ultralytics)
    assert "images/train/a b.png: Another image of this name, with another suffix, has the same label file labels/train/a b.txt." in text
    assert "labels/train/lone.txt: There is no image for this label file." in text


def test_labels_or_images_that_were_not_sent_are_asked_for(ultralytics: Path, tmp_path: Path) -> None:
    shutil.rmtree(ultralytics / "labels")
    assert "None of the 3 images has a label file. Send the labels, too." in defects_of(ultralytics)
    shutil.rmtree(ultralytics / "images")
    assert "There is no image here" in defects_of(ultralytics)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("train: images/train\nnames: [fish, no]\n", "data.yaml, line 2, names.1: YAML reads this name as False: write it in quotes."),
        ("train: images/train\nnames: [fish, fish]\n", "names.1: The class 'fish' is in the list twice, as 0 and as 1."),
        ("train: images/train\nnames: {0: fish, 2: x}\n", "names: The ids of 2 classes must be 0 to 1; '2' is not."),
        ("train: images/train\nnames: fish\n", "names: The names of the classes must be a list, or a mapping from ids."),
        ("train: images/train\nnames: []\n", "names: There is no class in this list."),
        ("train: images/train\nnames: ['']\n", "names.0: Class 0 has no name."),
        ('train: images/train\nnames: ["\\ud800"]\n', r"names.0: The name '\ud800' holds control characters or is no text."),
        ('train: images/train\nnames: {0: a, "\\ud800": b}\n', r"names: The ids of 2 classes must be 0 to 1; '\ud800' is not."),
        ("train: images/train\nnc: 3\nnames: [a, b]\n", "data.yaml, line 2, nc: nc says 3 classes, and there are 2 names."),
        ("train: images/gone\nnames: [a, b]\n", "no list 'images/gone' for the split train."),
        ("train: 3\nnames: [a, b]\n", "train: train must be a folder, a list file, or a list of them."),
        ("path: [x]\ntrain: images/train\nnames: [a, b]\n", "path: path must be the name of a folder."),
        ("train: *x\nnames: [a]\n", "Aliases (*name) are not allowed."),
        ("train: !!python/object:os.system x\nnames: [a]\n", "This is not YAML"),
        ("- train: x\n\nnames: [a]\npath: x\n", "This is not YAML"),
    ],
)
def test_a_wrong_data_file_is_named(ultralytics: Path, text: str, says: str) -> None:
    (ultralytics / "data.yaml").write_text(text)
    assert says in defects_of(ultralytics)


def test_class_lists_are_checked(folder: Callable[..., Path]) -> None:
    root = folder({"1.jpg": None, "1.txt": "0 .5 .5 .5 .5", "classes.txt": "fish\n\nfish\n"})
    text = defects_of(root)
    assert "classes.txt, line 2: Class 1 has no name." in text
    assert "classes.txt, line 3: The class 'fish' is in the list twice, as 0 and as 2." in text
    (root / "classes.txt").write_bytes(b"f\xe9\n")
    assert "classes.txt: The file is not UTF-8 text. Save it as UTF-8." in defects_of(root)


def test_labels_are_where_training_looks_for_them() -> None:
    assert label_names("train/images/x.y.jpg") == ("train/labels/x.y.txt", "train/images/x.y.txt")
    assert label_names("images/a/images/x.jpg")[0] == "images/a/labels/x.txt"
    assert label_names("images/JPEGImages/x.jpg")[0] == "labels/JPEGImages/x.txt"
    assert label_names("VOC2007/JPEGImages/x.jpg")[0] == "VOC2007/labels/x.txt"
    assert label_names("x.jpg") == ("x.txt",)


# Writing.


def records_of(root: Path, draw: Draw, boxes: Sequence[Annotation], *names: str, split: str | None = "train") -> list[ImageRecord]:
    for number, name in enumerate(names):
        draw(root / name, shade=number)
    return [ImageRecord(name, root / name, 64, 48, tuple(boxes), split) for name in names]


def written(
    dataset: Dataset, destination: Path, options: YoloWriteOptions | None = None, *, processes: int = 1
) -> tuple[dict[str, bytes], tuple[str, ...]]:
    destination.mkdir()
    audience = Audience(Ledger())
    write(dataset, destination, options or YoloWriteOptions(), audience, Effort(processes))
    files = {str(path.relative_to(destination)): path.read_bytes() for path in destination.rglob("*") if path.is_file()}
    return files, audience.ledger.notes


def test_written_as_training_wants_it(tmp_path: Path, draw: Draw, dataset_of: Callable[..., Dataset]) -> None:
    records = records_of(tmp_path, draw, [Annotation("shark", 1, 2, 10, 20, frozenset({Flag.CROWD}))], "a b.jpg", "x/c.png")
    records.append(replace(records[0], name="none.jpg", annotations=(), split="val"))
    files, notes = written(dataset_of(records, classes=["no", "shark"]), tmp_path / "out", YoloWriteOptions(decimals=6))
    assert files["labels/train/a b.txt"] == b"1 0.093750 0.250000 0.156250 0.416667\n"
    assert files["labels/val/none.txt"] == b""
    assert files["data.yaml"].decode() == "train: images/train\nval: images/val\nnames:\n  0: 'no'\n  1: shark\n"
    assert (tmp_path / "out/images/train/x/c.png").stat().st_ino == (tmp_path / "x/c.png").stat().st_ino
    assert notes == ()


def test_round_trip_to_a_millionth_of_a_pixel(tmp_path: Path, draw: Draw, dataset_of: Callable[..., Dataset]) -> None:
    odd = '"a", b: #é'
    boxes = [Annotation("fish", 0.1234567, 1 / 3, 60.000001, 47.6), Annotation(odd, 63, 47, 1, 1), Annotation("fish", -3, 40, 9, 30)]
    dataset = dataset_of(records_of(tmp_path / "in", draw, boxes, "a b.jpg", "ü/B%20.v1.JPG"), classes=["fish", odd, "unused"])
    written(dataset, tmp_path / "out")
    again, images = read_folder(tmp_path / "out")
    assert again.classes == dataset.classes
    for before, after in zip(dataset.stream(Ledger()), images, strict=True):
        assert (after.name, after.split, after.width, after.height) == (before.name, before.split, 64, 48)
        for one, two in zip(before.annotations, after.annotations, strict=True):
            assert one.label == two.label
            assert (one.x, one.y, one.w, one.h) == pytest.approx((two.x, two.y, two.w, two.h), abs=1e-6)


def test_the_default_decimals_hold_up_to_thirteen_thousand_pixels(tmp_path: Path, draw: Draw, dataset_of: Callable[..., Dataset]) -> None:
    draw(tmp_path / "in/wide.png", size=(13_000, 2))
    box = Annotation("fish", 12_345.678901, 0.3, 321.1234567, 1.1)
    written(dataset_of([ImageRecord("wide.png", tmp_path / "in/wide.png", 13_000, 2, (box,), "train")]), tmp_path / "out")
    (after,) = read_folder(tmp_path / "out")[1][0].annotations
    assert (after.x, after.w) == pytest.approx((box.x, box.w), abs=1e-6)


def test_images_in_no_split_are_named_as_such(tmp_path: Path, draw: Draw, dataset_of: Callable[..., Dataset]) -> None:
    alone = records_of(tmp_path / "in", draw, [Annotation("fish", 1, 1, 5, 5)], "1.jpg", split=None)
    files, notes = written(dataset_of(alone), tmp_path / "one")
    assert b"train: images/train\n" in files["data.yaml"]
    assert notes == ("1 images are in no split: data.yaml names them as train.",)
    both = [*alone, replace(alone[0], name="2.jpg", split="val")]
    files, notes = written(dataset_of(both), tmp_path / "two")
    assert b"val: images/val\nunassigned: images/unassigned\n" in files["data.yaml"]
    assert read_folder(tmp_path / "two")[0].splits == ("val", "unassigned")


def test_images_that_would_share_a_label_file_are_both_named(tmp_path: Path, draw: Draw, dataset_of: Callable[..., Dataset]) -> None:
    records = records_of(tmp_path / "in", draw, [], "a.jpg", "a.png", "b.jpg")
    with pytest.raises(FormatError, match=r"images/train/a.jpg and images/train/a.png would have the same label file"):
        written(dataset_of(records), tmp_path / "out")


def test_two_images_of_one_name_are_refused(tmp_path: Path, draw: Draw, dataset_of: Callable[..., Dataset]) -> None:
    records = records_of(tmp_path / "in", draw, [], "a.jpg") * 2
    with pytest.raises(FormatError, match=r"images/train/a.jpg: There are two images of this name"):
        written(dataset_of(records), tmp_path / "out")
    alike = [ImageRecord(name, None, 64, 48, (), "train") for name in ("x.jpg", "x.txt/y.jpg")]
    with pytest.raises(FormatError, match=r"labels/train/x.txt/: A file is called as the folder of another one"):
        written(dataset_of(alike), tmp_path / "clash")


def test_a_split_that_is_no_folder_name_is_refused(tmp_path: Path, draw: Draw, dataset_of: Callable[..., Dataset]) -> None:
    records = records_of(tmp_path / "in", draw, [], "a.jpg", split="../x")
    with pytest.raises(FormatError, match="cannot be the name of a folder"):
        written(dataset_of(records), tmp_path / "out")


def test_outlines_are_written_where_asked_for(tmp_path: Path, draw: Draw, dataset_of: Callable[..., Dataset]) -> None:
    square = ((0.0, 0.0, 8.0, 0.0, 8.0, 8.0, 0.0, 8.0), (16.0, 16.0, 32.0, 16.0, 32.0, 32.0, 16.0, 32.0))
    boxes = [
        Annotation("fish", 0, 0, 8, 8, mask=Polygons(square[:1]), mask_area=64),
        Annotation("shark", 0, 0, 32, 32, mask=Polygons(square), mask_area=64 + 256),
        Annotation("fish", 4, 4, 8, 8, mask=RunLengths(48, 64, "x")),
    ]
    dataset = dataset_of(records_of(tmp_path / "in", draw, boxes, "a.jpg"))
    files, notes = written(dataset, tmp_path / "boxes")
    assert {len(line.split()) for line in files["labels/train/a.txt"].splitlines()} == {5}
    files, notes = written(dataset, tmp_path / "outlines", YoloWriteOptions(segments="auto"))
    assert [len(line.split()) for line in files["labels/train/a.txt"].splitlines()] == [9, 1 + 2 * 11, 9]
    assert [note.split()[:3] for note in notes] == [["2", "boxes", "are"], ["1", "outlines", "of"], ["1", "boxes", "beside"]]
    again = read_folder(tmp_path / "outlines")[1][0].annotations
    assert [a.area for a in again] == pytest.approx([64, 64 + 256, 64])
    assert isinstance(again[0].mask, Polygons)
    assert again[0].mask.parts[0] == pytest.approx(square[0], abs=1e-6)
    assert (again[2].x, again[2].y, again[2].w, again[2].h) == pytest.approx((4, 4, 8, 8))


def test_bytes_do_not_depend_on_the_number_of_processes(tmp_path: Path, draw: Draw, dataset_of: Callable[..., Dataset]) -> None:
    boxes = [Annotation("shark", 1 / 3, 2 / 7, 10, 20), Annotation("fish", 1, 2, 3, 4)]
    written(dataset_of(records_of(tmp_path / "in", draw, boxes, *(f"{n}.jpg" for n in range(40)))), tmp_path / "source")
    (one, images), (two, same) = (read_folder(tmp_path / "source", processes=count) for count in (1, 2))
    assert one.chunks > 1
    assert images == same
    assert written(one, tmp_path / "one") == written(two, tmp_path / "two", processes=2)


def test_images_without_a_file_have_labels_and_a_note(tmp_path: Path, dataset_of: Callable[..., Dataset]) -> None:
    record = ImageRecord("a.jpg", None, 64, 48, (Annotation("fish", 0, 0, 64, 48),), "train")
    files, notes = written(dataset_of([record]), tmp_path / "out")
    assert files["labels/train/a.txt"].startswith(b"0 0.5")
    assert notes == ("1 images have no file: only their labels are written.",)


# Real files, and hostile ones.


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not at hand")
def test_real_samples(tmp_path: Path, draw: Draw) -> None:
    shutil.copytree(SAMPLES / "strict", tmp_path / "strict")
    assert "There is no image here" in defects_of(tmp_path / "strict")
    draw(tmp_path / "strict/obj_train_data/1.jpg", size=(15, 10))
    dataset, (image,) = read_folder(tmp_path / "strict")
    assert dataset.classes == tuple(f"label_{number}" for number in range(10))
    assert [(a.label, round(a.x), round(a.y), round(a.w), round(a.h)) for a in image.annotations] == [
        ("label_2", 0, 2, 4, 2),
        ("label_4", 3, 3, 2, 3),
    ]
    shutil.copytree(SAMPLES / "roboflow", tmp_path / "roboflow")
    for number in (1, 2):
        draw(tmp_path / f"roboflow/train/images/train_00{number}.jpg", size=(10, 10))
    assert "no list '../valid/images' for the split val" in defects_of(tmp_path / "roboflow")
    draw(tmp_path / "roboflow/valid/images/val_001.jpg")
    dataset, images = read_folder(tmp_path / "roboflow")
    assert [(image.name, image.split, len(image.annotations)) for image in images] == [
        ("train_001.jpg", "train", 1),
        ("train_002.jpg", "train", 1),
        ("val_001.jpg", "val", 0),
    ]
    shutil.copytree(SAMPLES / "kaggle", tmp_path / "kaggle")
    assert sniff(scan(tmp_path / "kaggle")).confidence == 0.8
    assert "There is no image here" in defects_of(tmp_path / "kaggle")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes_make_a_dataset_or_a_named_error(ultralytics: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["data.yaml", "labels/train/a b.txt", "images/val/é.png", "obj.data", "list.txt"]))
    sources = {
        "data.yaml": f"{DATA_YAML}nc: 2\nkpt_shape: [1, 2]\ntest: list.txt\n".encode(),
        "labels/train/a b.txt": b"1 0.5 0.5 0.25 0.5\n0 .1 .2 .3 .4 .5 .6\n0 .1 .1 .1 .1 .1",
        "obj.data": b"classes = 2\nnames = list.txt\ntrain = list.txt\nvalid = images/val",
        "list.txt": "images/val/é.png\n/x/y/images/train/a b.jpg\n".encode(),
        "images/val/é.png": (ultralytics / "images/train/a b.jpg").read_bytes(),
    }
    kept = {path: path.read_bytes() for path in ultralytics.rglob("*") if path.is_file()}
    content = bytearray(sources[name])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content)))
        length = data.draw(st.integers(0, 8))
        pieces = st.binary(max_size=8) | st.sampled_from([b"", bytes(content[:20]), b"\n", b"..", b"1e999", b"-"])
        content[place : place + length] = data.draw(pieces)
    try:
        if name in {"obj.data", "list.txt"}:
            (ultralytics / "data.yaml").unlink()
            for other in ("obj.data", "list.txt"):
                (ultralytics / other).write_bytes(sources[other])
        (ultralytics / name).write_bytes(content)
        try:
            read_folder(ultralytics)
        except DatasetError as error:
            assert str(error).encode()
    finally:
        for path in ultralytics.rglob("*"):
            if path.is_file() and path not in kept:
                path.unlink()
        for path, before in kept.items():
            path.write_bytes(before)


def test_the_format_says_what_it_holds() -> None:
    assert {feature.value for feature in FORMAT.holds} == {"split", "boxless", "unused_class"}
