"""TFRecords: what is read of them, by hand and from the samples; what is written; what TensorFlow would stop at."""

from __future__ import annotations

import gzip
import hashlib
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from recipes.dataset import Annotation, Dataset, Flag, ImageRecord
from recipes.effort import Effort
from recipes.errors import FormatError
from recipes.folder import scan
from recipes.formats.tfrecord import ReadOptions, WriteOptions, read, sniff, write
from recipes.ledger import Ledger
from recipes.observing import Audience
from recipes.placing import image_bytes
from recipes.tfrecord import writing
from recipes.tfrecord.framing import framed
from recipes.tfrecord.messages import Example
from recipes.tfrecord.reading import pixels

SAMPLES = Path(__file__).parents[4] / "shared" / "samples"
MAP = "item { id: 1 name: 'fish' }\nitem { id: 2 name: 'shark' display_name: 'Big fish' }\n"


def picture(*, size: tuple[int, int] = (64, 48), kind: str = "JPEG", shade: int = 0, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (shade, 90, 90)).save(out, kind, **options)
    return out.getvalue()


def example(**features: Any) -> bytes:
    """A serialized Example; a key's first underscore part is spelled out; None leaves a default feature out."""
    values: dict[str, Any] = {
        "image/encoded": [picture()], "image/filename": [b"a.jpg"], "image/height": [48], "image/width": [64],
        "image/object/bbox/xmin": [0.25], "image/object/bbox/ymin": [0.5], "image/object/bbox/xmax": [0.75],
        "image/object/bbox/ymax": [1.0], "image/object/class/text": [b"fish"], "image/object/class/label": [1],
    }  # fmt: skip
    values |= {LONG.get(key, f"image/{key}"): value for key, value in features.items()}
    message = Example()
    for key, value in values.items():
        if value is not None:
            kind = {bytes: "bytes_list", float: "float_list", int: "int64_list"}[type(value[0])]
            getattr(message.features.feature[key], kind).value.extend(value)
    return bytes(message.SerializeToString())


LONG = {
    name: f"image/object/{place}{name}"
    for place, names in {"bbox/": ("xmin", "ymin", "xmax", "ymax"), "class/": ("text", "label"), "": ("difficult", "truncated", "is_crowd",
    "group_of", "view", "mask")}.items()
    for name in names
}  # fmt: skip


def records(*examples: bytes) -> bytes:
    return b"".join(piece for data in examples for piece in framed([data]))


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes files by their names; label_map.pbtxt is there unless told otherwise."""

    def make(files: dict[str, bytes], *, label_map: str | None = MAP) -> Path:
        root = tmp_path / "source"
        for name, data in files.items() | ({("label_map.pbtxt", label_map.encode())} if label_map is not None else set()):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)
        return root

    return make


def opened(root: Path, *, processes: int = 1, **options: Any) -> tuple[Dataset, list[ImageRecord], Ledger]:
    ledger = Ledger()
    dataset = read(scan(root), ReadOptions(**options), Effort(processes))
    return dataset, list(dataset.stream(ledger)), ledger


def boxes(record: ImageRecord) -> list[tuple[Any, ...]]:
    return [(box.label, box.x, box.y, box.w, box.h) for box in record.annotations]


def test_a_record_becomes_an_image_whose_bytes_stay_where_they_are(folder: Callable[..., Path]) -> None:
    data = picture(shade=7)
    root = folder({"train.record": records(example(), example(encoded=[data], filename=[b"b c.jpg"], difficult=[1], group_of=[1]))})
    assert sniff(scan(root)).confidence == 0.95
    dataset, images, ledger = opened(root)
    assert (dataset.classes, dataset.splits, dataset.total, dataset.notes) == (("fish", "shark"), ("train",), 2, ())
    assert [image.name for image in images] == ["a.jpg", "b c.jpg"]
    assert boxes(images[0]) == [("fish", 16, 24, 32, 24)]
    assert images[1].annotations[0].flags == {Flag.DIFFICULT, Flag.CROWD}
    assert images[1].path == root / "train.record"
    assert images[1].span is not None
    assert image_bytes(images[1]) == data
    assert str(images[1].where(images[1].annotations[0])) == "train.record, annotation 1 of b c.jpg"
    assert ledger.left_out == ()


def test_coordinates_are_the_shortest_that_a_float32_stands_for() -> None:
    def stored(value: float, size: int) -> float:
        message = Example()
        message.features.feature["x"].float_list.value.append(value / size)
        return float(message.features.feature["x"].float_list.value[0])

    for size in (48, 64, 708, 1920, 4096):
        for value in (0.0, 1.0, 33.0, 7.1, 10.125, 41.333, size - 0.5, float(size)):
            assert pixels(stored(value, size), size) == value
    assert abs(pixels(stored(10.33333333, 640), 640) - 10.33333333) < 1e-6
    assert pixels(float("inf"), 640) == float("inf")
    assert pixels(float("nan"), 640) != pixels(float("nan"), 640)
    assert pixels(-0.25, 64) == -16


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("coco_train.record-00000-of-00002", "coco_train.record-00001-of-00002", "coco_val.record"), ("train", "val")),
        (("train/x.tfrecord", "valid/x.tfrecord", "test/x.tfrecord"), ("train", "val", "test")),
        (("data.tfrecords",), ()),
        (("eval-00000-of-00001",), ("val",)),
    ],
)
def test_names_tell_the_splits(folder: Callable[..., Path], names: tuple[str, ...], splits: tuple[str, ...]) -> None:
    root = folder({name: records(example(filename=[f"{number}.jpg".encode()])) for number, name in enumerate(names)})
    assert opened(root)[0].splits == splits


def test_compressed_files_are_read_from_a_file_without_a_name(folder: Callable[..., Path], tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    content = records(*(example(filename=[f"{number}.jpg".encode()]) for number in range(20)))
    other = records(example(filename=[b"c.jpg"]))
    root = folder({"test.record.gz": gzip.compress(other), "train.record.gz": gzip.compress(content), "val.record": records(example())})
    assert sniff(scan(root)).confidence == 0.95
    dataset = read(scan(root), ReadOptions(), Effort(2, scratch=scratch))
    assert list(scratch.iterdir()) == []
    images = list(dataset.stream(Ledger()))
    assert len(images) == 22
    assert {image_bytes(image) for image in images} == {picture()}
    handles = len(list(Path("/proc/self/fd").iterdir()))
    del dataset, images
    assert len(list(Path("/proc/self/fd").iterdir())) < handles


def test_images_without_a_name_or_with_one_name_twice_get_one_of_their_own(folder: Callable[..., Path]) -> None:
    root = folder(
        {
            "train.record": records(example(), example(), example(filename=None, encoded=[picture(kind="PNG")])),
            "val.record": records(*(example(filename=[name]) for name in (b"C:\\data\\c.JPG", b"../../d", b"sub/./e.jpg"))),
        }
    )
    dataset, images, _ = opened(root)
    assert [image.name for image in images] == ["a-000001.jpg", "a-000002.jpg", "train-000003.png", "c.JPG", "d.jpg", "sub/e.jpg"]
    assert dataset.notes == (
        "4 images had no name that can be a file's, and got another.",
        "1 file names stood for several images; these got the number of their record.",
    )


def test_the_text_of_a_class_beats_its_number_and_may_be_a_display_name(folder: Callable[..., Path]) -> None:
    two = {"xmin": [0.0, 0.0], "ymin": [0.0, 0.0], "xmax": [0.5, 0.5], "ymax": [0.5, 0.5]}
    root = folder({"a.record": records(example(text=[b"Big fish", b""], label=[2, 1], **two))})
    dataset, images, _ = opened(root)
    assert [box.label for box in images[0].annotations] == ["shark", "fish"]
    assert dataset.notes == ()


def test_numbers_from_0_are_noticed(folder: Callable[..., Path]) -> None:
    files = {"car_1.tfrecord": example(label=[0]), "train_2.tfrecord": example(text=[b"shark"], filename=[b"b.jpg"])}
    vott = folder({name: records(data) for name, data in files.items()}, label_map=None)
    (vott / "tf_label_map.pbtxt").write_text(MAP)
    dataset, images, _ = opened(vott)
    assert dataset.notes == (
        "The numbers of classes count from 0, those of tf_label_map.pbtxt from 1, as VoTT writes them; the texts decide.",
    )
    assert [box.label for image in images for box in image.annotations] == ["fish", "shark"]
    assert dataset.splits == ()

    bare = folder({"car_1.tfrecord": records(example(label=[0], text=None)), "train_2.tfrecord": records(example(label=[1], text=None))})
    (bare / "label_map.pbtxt").unlink()
    dataset, images, _ = opened(bare)
    assert [box.label for image in images for box in image.annotations] == ["fish", "shark"]
    assert "0 is taken for 'fish'" in dataset.notes[0]


def test_an_object_without_a_class_is_left_out_and_accounted_for(folder: Callable[..., Path]) -> None:
    root = folder({"a.record": records(example(), example(text=[b""], label=[0], filename=[b"b.jpg"]))})
    _, images, ledger = opened(root)
    assert [len(image.annotations) for image in images] == [1, 0]
    assert [(entry.reason, entry.count, entry.cases) for entry in ledger.left_out] == [
        ("has no class, so TensorFlow leaves it out, too", 1, ("a.record, annotation 1 of b.jpg",))
    ]


def test_classes_without_a_label_map_are_the_texts_in_alphabetical_order(folder: Callable[..., Path]) -> None:
    root = folder({"a.record": records(example(text=["ö".encode()]), example(filename=[b"b.jpg"]))}, label_map=None)
    assert opened(root)[0].classes == ("fish", "ö")


def test_what_is_not_read_is_said(folder: Callable[..., Path]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    root = folder({"a.record": records(example(view=[b"Frontal"], mask=[b"png"], encoded=[picture(exif=exif)]))})
    assert opened(root)[0].notes == (
        "1 images are to be turned as their EXIF data say, which TensorFlow does not do.",
        "image/object/mask of 1 images is not read.",
        "image/object/view of 1 images is not read.",
    )


def test_only_annotations_may_be_asked_for(folder: Callable[..., Path]) -> None:
    root = folder({"a.record": records(example(encoded=None))})
    _, images, _ = opened(root, images="absent")
    assert (images[0].path, images[0].span, images[0].width) == (None, None, 64)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"encoded": None}, "The record holds no image"),
        ({"encoded": [b"no picture"]}, "This is not a readable image"),
        ({"encoded": [picture(size=(48, 64))]}, "64 x 48 pixels, the image has 48 x 64: width and height are swapped"),
        ({"encoded": [picture(size=(30, 20))]}, "The annotation says 64 x 48 pixels, the image has 30 x 20."),
        ({"encoded": [picture()[:-40]]}, "The image is cut off before its end"),
        ({"encoded": [picture(kind="PNG")[:-12]]}, "The image is cut off before its end"),
        ({"ymax": [0.5, 0.6]}, "image/object/bbox/ymax has 2 values, image/object/bbox/xmin has 1."),
        ({"ymax": None}, "image/object/bbox/ymax has 0 values"),
        ({"xmin": [1]}, "image/object/bbox/xmin is a int64_list; it has to be a float_list."),
        ({"text": [b"fish", b"fish"]}, "image/object/class/text has 2 values"),
        ({"difficult": [1, 0]}, "image/object/difficult has 2 values"),
        ({"text": [b"whale"]}, "The class 'whale' is not in label_map.pbtxt"),
        ({"text": [b"\xff"]}, "is not UTF-8"),
        ({"text": None, "label": [3]}, "An object has the number 3 for its class, which is not in label_map.pbtxt."),
    ],
)
def test_a_defect_names_file_and_record(folder: Callable[..., Path], changed: dict[str, Any], says: str) -> None:
    root = folder({"train.record": records(example(), example(filename=[b"b.jpg"], **changed))})
    with pytest.raises(FormatError) as caught:
        opened(root)
    assert says in str(caught.value)
    assert "train.record, record 2" in str(caught.value)


def test_all_defects_are_named_in_one_pass(folder: Callable[..., Path]) -> None:
    root = folder(
        {
            "train.record": records(example(encoded=None), example(ymax=None), b"no example"),
            "val.record": records(example(difficult=[1, 1])),
        }
    )
    with pytest.raises(FormatError, match="4 defects") as caught:
        opened(root, processes=2)
    assert [str(defect.where) for defect in caught.value.defects] == [
        "train.record, record 1", "train.record, record 2", "train.record, record 3", "val.record, record 1",
    ]  # fmt: skip
    assert "is no tf.train.Example" in caught.value.defects[2].message


def test_numbers_without_a_label_map_are_refused(folder: Callable[..., Path]) -> None:
    root = folder({"a.record": records(example(text=None))}, label_map=None)
    with pytest.raises(FormatError, match=r"a\.record, record 1: An object has the number 1 for its class, and there is no label map"):
        opened(root)


def test_missing_shards_are_named(folder: Callable[..., Path]) -> None:
    root = folder({f"train.record-{number:05d}-of-00004": records(example()) for number in (0, 2)})
    with pytest.raises(FormatError, match=r"train.record: 2 of 4 shards are missing, the first of them number 1\."):
        opened(root)


def test_several_label_maps_must_be_the_same_or_one_is_named(folder: Callable[..., Path]) -> None:
    root = folder({"a.record": records(example()), "other.pbtxt": MAP.encode(), "graph.pbtxt": b"node { }"})
    assert opened(root)[0].classes == ("fish", "shark")
    (root / "other.pbtxt").write_text("item { id: 1 name: 'fish' }")
    with pytest.raises(FormatError, match=r"several label maps, and they differ: label_map\.pbtxt, other\.pbtxt"):
        opened(root)
    assert opened(root, label_map="other.pbtxt")[0].classes == ("fish",)
    with pytest.raises(FormatError, match="There is no such label map"):
        opened(root, label_map="third.pbtxt")


# Writing


def written(dataset: Dataset, target: Path, *, processes: int = 1, shards: int | None = None) -> dict[str, bytes]:
    target.mkdir()
    write(dataset, target, WriteOptions(shards=shards), Audience(Ledger()), Effort(processes))
    return {path.name: path.read_bytes() for path in sorted(target.iterdir())}


@pytest.fixture
def fishes(tmp_path: Path, draw: Callable[..., None], dataset_of: Callable[..., Dataset]) -> Dataset:
    made = []
    for number in range(12):
        path = tmp_path / "pictures" / f"{number}.{'png' if number == 5 else 'jpg'}"
        draw(path, shade=number * 10)
        flags = frozenset({Flag.TRUNCATED}) if number == 2 else frozenset()
        box = Annotation("shark", 16, 12, 32, 36, flags)
        made.append(ImageRecord(path.name, path, 64, 48, (box,) if number else (), split="val" if number % 4 == 3 else "train"))
    return dataset_of(made)


def test_a_written_record_has_what_the_object_detection_api_reads(fishes: Dataset, tmp_path: Path) -> None:
    files = written(fishes, tmp_path / "out")
    assert list(files) == ["label_map.pbtxt", "train.record", "val.record"]
    assert files["label_map.pbtxt"] == b'item {\n  name: "fish"\n  id: 1\n}\nitem {\n  name: "shark"\n  id: 2\n}\n'
    data = (tmp_path / "pictures" / "2.jpg").read_bytes()
    expected = example(
        encoded=[data], filename=[b"2.jpg"], source_id=[b"2.jpg"], format=[b"jpeg"], text=[b"shark"], label=[2], truncated=[1],
        difficult=[0], is_crowd=[0], xmin=[0.25], ymin=[0.25], xmax=[0.75], ymax=[1.0],
        **{"key/sha256": [hashlib.sha256(data).hexdigest().encode()]},
    )  # fmt: skip
    assert Example.FromString(expected).SerializeToString(deterministic=True) in files["train.record"]


def test_the_files_do_not_depend_on_the_number_of_processes(fishes: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = written(fishes, tmp_path / "one")
    assert written(fishes, tmp_path / "two", processes=2) == whole
    sharded = written(fishes, tmp_path / "three", shards=3)
    assert [name for name in sharded if name.startswith("train")] == [f"train.record-{number:05d}-of-00003" for number in range(3)]
    assert written(fishes, tmp_path / "four", shards=3, processes=2) == sharded
    assert b"".join(data for name, data in sharded.items() if name.startswith("train")) == whole["train.record"]
    monkeypatch.setattr(writing, "SHARD_BYTES", 2000)
    small = written(fishes, tmp_path / "five")
    assert len(small) > 4
    assert written(fishes, tmp_path / "six", processes=2) == small
    assert opened(tmp_path / "six")[0].total == 12


def test_what_was_written_is_read_back(fishes: Dataset, tmp_path: Path) -> None:
    written(fishes, tmp_path / "out", shards=2)
    dataset, images, _ = opened(tmp_path / "out")
    assert dataset.classes == fishes.classes
    by_name = {image.name: image for image in fishes.stream(Ledger())}
    for image in images:
        original = by_name.pop(image.name)
        assert (boxes(image), image.split) == (boxes(original), original.split)
        assert [box.flags for box in image.annotations] == [box.flags for box in original.annotations]
        assert image_bytes(image) == image_bytes(original)
    assert not by_name


@pytest.mark.parametrize(
    ("box", "says"),
    [
        ((-0.5, 0, 10, 10), "reaches over the border of its image (add clip to the recipe)"),
        ((60, 40, 4.01, 8), "reaches over the border"),
        ((20, 20, -5, 5), "is inverted"),
        ((float("nan"), 0, 5, 5), "is inverted"),
    ],
)
def test_a_box_that_tensorflow_would_stop_at_is_refused(
    tmp_path: Path, draw: Callable[..., None], dataset_of: Callable[..., Dataset], box: tuple[float, ...], says: str
) -> None:
    draw(tmp_path / "a.jpg")
    annotation = Annotation("fish", *box, origin=7)
    record = ImageRecord("a.jpg", tmp_path / "a.jpg", 64, 48, (annotation,), source_file="a.txt")
    with pytest.raises(FormatError) as caught:
        written(dataset_of([record]), tmp_path / "out")
    assert says in str(caught.value)
    assert "a.txt, line 7" in str(caught.value)


def test_a_box_that_is_over_the_border_by_rounding_alone_is_on_it(
    tmp_path: Path, draw: Callable[..., None], dataset_of: Callable[..., Dataset]
) -> None:
    draw(tmp_path / "a.jpg")
    record = ImageRecord("a.jpg", tmp_path / "a.jpg", 64, 48, (Annotation("fish", -1e-12, 0.1, 64 + 1e-9, 47.9),))
    written(dataset_of([record]), tmp_path / "out")
    assert boxes(opened(tmp_path / "out")[1][0]) == [("fish", 0, 0.1, 64, 47.9)]


def test_images_that_tensorflow_cannot_decode_or_that_are_not_here_are_refused(
    tmp_path: Path, dataset_of: Callable[..., Dataset]
) -> None:
    (tmp_path / "a.webp").write_bytes(picture(kind="WEBP"))
    made = [ImageRecord("a.webp", tmp_path / "a.webp", 64, 48), ImageRecord("b.jpg", None, 64, 48)]
    with pytest.raises(FormatError, match="2 defects") as caught:
        written(dataset_of(made), tmp_path / "out")
    assert [str(defect) for defect in caught.value.defects] == [
        "a.webp: The image is no JPEG, PNG or BMP; TensorFlow decodes no other.",
        "b.jpg: The image's file is not here, and a TFRecord holds the images themselves.",
    ]


def test_fewer_shards_than_were_asked_for_are_said(fishes: Dataset, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    ledger = Ledger()
    write(fishes, tmp_path / "out", WriteOptions(shards=50), Audience(ledger), Effort())
    assert ledger.notes == ("train, val: too few images for 50 shards, so there are fewer.",)
    assert opened(tmp_path / "out")[0].total == 12


def test_a_split_without_an_image_has_an_empty_file(fishes: Dataset, tmp_path: Path) -> None:
    files = written(Dataset(fishes.classes, fishes.draw, fishes.chunks, fishes.total, ("train", "val", "test")), tmp_path / "out")
    assert files["test.record"] == b""


def test_nothing_of_tensorflow_or_protobuf_is_loaded_before_it_is_needed() -> None:
    program = "import sys, recipes.formats as f; f.formats(); print([m for m in sys.modules if 'protobuf' in m or 'crc32c' in m])"
    assert subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout == "[]\n"


# Real files


def sample(name: str, *patterns: str, target: Path) -> Path:
    if not (SAMPLES / name).is_dir():
        pytest.skip("the samples are not here")
    target.mkdir()
    for pattern in patterns:
        for path in (SAMPLES / name).glob(pattern):
            (target / path.name).write_bytes(path.read_bytes())
    return target


def test_a_real_export_of_vott_is_read(tmp_path: Path) -> None:
    dataset, images, _ = opened(sample("vott_tfrecord", "*.tfrecord", "*.pbtxt", target=tmp_path / "vott"))
    assert (dataset.classes, dataset.splits) == (("car",), ())
    assert "as VoTT writes them" in dataset.notes[0]
    assert (images[0].name, images[0].width, images[0].height) == ("car_2.jpg", 708, 472)
    assert boxes(images[0])[0] == pytest.approx(("car", 0.20659185945987701 * 708, 0.5152118802070618 * 472, 145.6517, 114.1757), abs=1e-3)
    assert Image.open(io.BytesIO(image_bytes(images[0]))).size == (708, 472)


def test_real_records_of_datumaro_and_roboflow_are_read(tmp_path: Path) -> None:
    dataset, images, ledger = opened(sample("tfod_tfrecord", "tfdet*", target=tmp_path / "tfdet"))
    assert (dataset.splits, len(dataset.classes)) == (("train", "val", "test"), 10)
    assert {image.name: boxes(image) for image in images} == {
        "1.jpg": [("label_2", 0, 4, 4, 8), ("label_3", 0, 4, 4, 4)], "2.jpg": [("label_3", 1, 2, 4, 2)], "3.jpg": [],
    }  # fmt: skip
    assert [entry.count for entry in ledger.left_out] == [1]
    root = sample("tfod_tfrecord", "roboflow*", target=tmp_path / "roboflow")
    with pytest.raises(FormatError, match="2 defects"):
        opened(root)
    _, images, _ = opened(root, images="absent")
    assert [boxes(image) for image in images] == [[("label_0", 2, 1, 3, 1)], [("label_1", 0, 0, 2, 4)]]
