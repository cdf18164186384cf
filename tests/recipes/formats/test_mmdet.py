"""MMDetection's pickles: what numpy itself reads and writes, and nothing that a pickle could do is done."""

from __future__ import annotations

import io
import pickle
import pickletools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipes.dataset import Annotation, Dataset, Flag, ImageRecord
from recipes.effort import ALONE, Effort
from recipes.errors import DatasetError, FormatError
from recipes.folder import scan
from recipes.formats.mmdet import MmdetOptions, MmdetOutput, read, sniff, write
from recipes.ledger import Ledger
from recipes.mmdet.unpickling import BrokenPickleError, Machine
from recipes.observing import Audience

DIFFICULT = frozenset({Flag.DIFFICULT})


def ann(*boxes: tuple[float, ...], labels: list[int] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "bboxes": np.array(boxes, dtype=np.float32).reshape(-1, 4),
        "labels": np.array([0] * len(boxes) if labels is None else labels, dtype=np.int64),
        **more,
    }


def entry(name: str = "a.jpg", *, width: object = 64, height: object = 48, **more: Any) -> dict[str, Any]:
    return {"filename": name, "width": width, "height": height, **more}


Put = Callable[..., Path]


@pytest.fixture
def put(tmp_path: Path, draw: Callable[..., None]) -> Put:
    """Writes train.pkl with what it is given (bytes as they are), two classes and two images of 64 x 48."""

    def write(content: object, *, protocol: int = 2, classes: str | None = "fish\nshark\n") -> Path:
        root = tmp_path / "source"
        for name in ("a.jpg", "b.jpg"):
            draw(root / "images" / name)
        (root / "annotations").mkdir(exist_ok=True)
        (root / "annotations/train.pkl").write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
        if classes is not None:
            (root / "classes.txt").write_text(classes)
        return root

    return write


def open_pickles(root: Path, **options: object) -> Dataset:
    return read(scan(root), MmdetOptions(**options), ALONE)


def images(root: Path, **options: object) -> list[ImageRecord]:
    return list(open_pickles(root, **options).stream(Ledger()))


def refusal(root: Path, **options: object) -> str:
    with pytest.raises(FormatError) as caught:
        open_pickles(root, **options)
    return str(caught.value)


@pytest.fixture
def some(dataset_of: Callable[..., Dataset], tmp_path: Path, draw: Callable[..., None]) -> Dataset:
    """Three images: one with a difficult box between others, one without a box, one in no split."""
    boxes = (
        Annotation("fish", 0, 0, 64, 48),
        Annotation("shark", 2, 3, 5, 6, flags=DIFFICULT),
        Annotation("shark", 1.5, 2, 10.25, 7, flags=frozenset({Flag.TRUNCATED})),
        Annotation("fish", 300.3, 2, 10.1, 7),
    )
    records = []
    for name, held, split in (("deep/a b.jpg", boxes, "train"), ("none.jpg", (), "train"), ("ü.jpg", boxes[1:3], None)):
        draw(tmp_path / "pictures" / name)
        records.append(ImageRecord(name, tmp_path / "pictures" / name, 64, 48, held, split=split))
    return dataset_of(records)


def written(dataset: Dataset, target: Path, effort: Effort = ALONE, **options: object) -> Ledger:
    ledger = Ledger()
    target.mkdir()
    write(dataset, target, MmdetOutput(**options), Audience(ledger), effort)
    return ledger


def test_numpy_loads_what_is_written_as_mmdetection_wants_it(some: Dataset, tmp_path: Path) -> None:
    ledger = written(some, tmp_path / "out")
    first, second = pickle.loads((tmp_path / "out/annotations/train.pkl").read_bytes())
    assert (first["filename"], first["width"], first["height"]) == ("deep/a b.jpg", 64, 48)
    found = first["ann"]
    assert list(found) == ["bboxes", "labels", "bboxes_ignore", "labels_ignore", "places_ignore"]
    assert [found[key].dtype for key in found] == [np.float32, np.int64, np.float32, np.int64, np.int64]
    assert found["bboxes"].tolist() == np.float32([[0, 0, 64, 48], [1.5, 2, 11.75, 9], [300.3, 2, 310.4, 9]]).tolist()
    assert found["labels"].tolist() == [0, 1, 0]
    assert (found["bboxes_ignore"].tolist(), found["labels_ignore"].tolist(), found["places_ignore"].tolist()) == ([[2, 3, 7, 9]], [1], [1])
    assert second["ann"]["bboxes"].shape == (0, 4)
    assert "places_ignore" not in second["ann"]
    assert ledger.notes == ("1 boxes were rounded to 32 bits, as MMDetection keeps them.",)
    assert len(pickle.loads((tmp_path / "out/annotations/all.pkl").read_bytes())) == 1
    assert (tmp_path / "out/classes.txt").read_text() == "fish\nshark\n"
    assert (tmp_path / "out/images/deep/a b.jpg").stat().st_nlink == 2


def test_old_numpy_finds_every_module_that_is_named(some: Dataset, tmp_path: Path) -> None:
    written(some, tmp_path / "out")
    data = (tmp_path / "out/annotations/train.pkl").read_bytes()
    named = {argument for opcode, argument, _ in pickletools.genops(data) if opcode.name == "GLOBAL"}
    assert named == {"numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype"}
    assert max(opcode.proto for opcode, _, _ in pickletools.genops(data)) == 3
    pickletools.dis(data, out=io.StringIO())  # checks the stack, too


def test_the_bytes_do_not_depend_on_the_processes(some: Dataset, tmp_path: Path) -> None:
    written(some, tmp_path / "one")
    written(some, tmp_path / "two", Effort(processes=2))
    for name in ("train", "all"):
        assert (tmp_path / f"one/annotations/{name}.pkl").read_bytes() == (tmp_path / f"two/annotations/{name}.pkl").read_bytes()


@pytest.mark.parametrize("legacy", [False, True])
def test_what_is_written_comes_back_in_its_order(some: Dataset, tmp_path: Path, legacy: bool) -> None:
    written(some, tmp_path / "out", legacy=legacy)
    again = open_pickles(tmp_path / "out", legacy=legacy)
    assert (again.classes, again.splits) == (("fish", "shark"), ("train",))
    back = {image.name: image for image in again.stream(Ledger())}
    for image in some.stream(Ledger()):
        boxes = back[image.name].annotations
        expected = sorted(image.annotations, key=lambda box: bool(box.flags & DIFFICULT)) if legacy else image.annotations
        assert [(box.label, bool(box.flags)) for box in boxes] == [(box.label, bool(box.flags & DIFFICULT)) for box in expected]
        for box, one in zip(boxes, expected, strict=True):
            assert (box.x, box.y, box.w, box.h) == pytest.approx((one.x, one.y, one.w, one.h), abs=1e-4)
        assert back[image.name].split == image.split


def test_a_crowd_is_told_from_a_difficult_box(dataset_of: Callable[..., Dataset], tmp_path: Path, draw: Callable[..., None]) -> None:
    draw(tmp_path / "a.jpg")
    flags = [frozenset({Flag.CROWD}), DIFFICULT, frozenset({Flag.CROWD, Flag.DIFFICULT})]
    boxes = tuple(Annotation("fish", 1, 1, 5, 5, flags=told) for told in flags)
    written(dataset_of([ImageRecord("a.jpg", tmp_path / "a.jpg", 64, 48, boxes, split="train")]), tmp_path / "out")
    (image,) = images(tmp_path / "out")
    assert [box.flags for box in image.annotations] == flags
    assert pickle.loads((tmp_path / "out/annotations/train.pkl").read_bytes())[0]["ann"]["flags_ignore"].tolist() == [2, 1, 3]


def test_legacy_is_what_the_old_script_wrote(some: Dataset, tmp_path: Path) -> None:
    written(some, tmp_path / "out", legacy=True)
    (first, _) = pickle.loads((tmp_path / "out/annotations/train.pkl").read_bytes())
    assert first["ann"]["bboxes"][0].tolist() == [0, 0, 63, 47]
    assert list(first["ann"]) == ["bboxes", "labels", "bboxes_ignore", "labels_ignore"]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_numpy_pickles_is_read_in_every_protocol(put: Put, protocol: int) -> None:
    boxes = [(float(place), 2.5, place + 10.0, 20.0) for place in range(100)]
    ignored = {"bboxes_ignore": np.zeros((0, 4), np.float32), "labels_ignore": np.array([], np.int64)}
    content = [entry(ann=ann(*boxes, **ignored)), entry("b.jpg", width=np.int64(64), ann=ann((1, 2, 3, 4), labels=[1]))]
    root = put(content, protocol=protocol)
    assert sniff(scan(root)).confidence == 0.9
    first, second = images(root)
    assert [(box.x, box.y, box.w, box.h) for box in first.annotations] == [(x, y, right - x, bottom - y) for x, y, right, bottom in boxes]
    assert (second.annotations[0].label, second.split, second.width) == ("shark", "train", 64)
    assert str(second.where(second.annotations[0])) == "annotations/train.pkl, annotation 0 of b.jpg"


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8", "<i4", "<u2", "<i8", "|u1"])
def test_arrays_of_any_numbers_are_read(put: Put, dtype: str) -> None:
    values = np.array([[1, 2, 3, 4], [5, 6, 70, 80]], dtype=dtype)
    (image,) = images(put([entry(ann={"bboxes": values, "labels": np.array([1, 0], dtype=">i4")})]))
    assert [(box.label, box.x, box.h) for box in image.annotations] == [("shark", 1, 2), ("fish", 5, 74)]


def test_plain_lists_are_read(put: Put) -> None:
    (image,) = images(put([entry(ann={"bboxes": [[1, 2.5, 3, 4]], "labels": [1]})], protocol=4))
    assert (image.annotations[0].label, image.annotations[0].y) == ("shark", 2.5)


def test_an_image_without_ann_is_left_out_and_told(put: Put) -> None:
    ledger = Ledger()
    assert list(open_pickles(put([entry()])).stream(ledger)) == []
    assert [(left.unit, left.count, left.cases) for left in ledger.left_out] == [("images", 1, ("a.jpg",))]


def test_labels_need_names(put: Put) -> None:
    root = put([entry(ann=ann((1, 2, 3, 4)))], classes=None)
    assert "There is no classes.txt: the pickle knows classes by number only." in refusal(root)
    assert open_pickles(root, classes=["x"]).classes == ("x",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([entry(ann=ann((1, 2, 3, 4), labels=[2]))], "train.pkl, image 0 (a.jpg): The label 2 is not one of the 2 classes"),
        ([entry(ann=ann((1, 2, 3, 4), labels=[-1]))], "The label -1 is not one of"),
        ([entry(ann=ann((1, 2, 3, 4), labels=[]))], "There are 4 numbers in bboxes for 0 labels; a box has four."),
        ([entry(ann={"bboxes": np.array([[1, 2, 3, object()]], dtype=object), "labels": [0]})], "asks for"),
        ([entry(ann={"bboxes": np.array([["a"]]), "labels": []})], "An array is of the type 'U1', not of numbers."),
        ([entry(ann={"bboxes": [["x", 2, 3, 4]], "labels": [0]})], "The bboxes are not numbers."),
        ([entry(ann={"bboxes": "x", "labels": [0]})], "The bboxes are not an array."),
        ([entry(ann={"labels": [0]})], "The ann is not a dict with bboxes and labels."),
        ([entry(ann={"bboxes": np.asfortranarray(np.ones((2, 4))), "labels": [0, 0]})], "column by column"),
        ([entry(ann=ann((1, 2, 3, 4), bboxes_ignore=[[1, 2, 3, 4]], labels_ignore=[0], places_ignore=[7]))], "The places_ignore are not"),
        ([entry(ann=ann(bboxes_ignore=[[1, 2, 3, 4]], labels_ignore=[0], flags_ignore=[4]))], "The flags_ignore are not 1, 2 or 3"),
        ([entry(width=None, ann=ann())], "The width or height is missing"),
        ([entry(width=640, ann=ann())], "The annotation says 640 x 48 pixels, the image has 64 x 48."),
        ([entry(width=48, height=64, ann=ann())], "width and height are swapped"),
        ([entry("../a.jpg", ann=ann())], "The filename is refused: the path leads out of its folder."),
        ([entry("gone.jpg", ann=ann())], "train.pkl, gone.jpg: The image is not here."),
        (["a.jpg"], "train.pkl, image 0: The entry is not a dict with a filename."),
        ({"a": 1}, "The pickle is not a list of images."),
        ([{(1, 2): 3}], "The pickle is broken at byte"),
        ([entry(ann=ann((1, 2, 3, 4)))] * 2000, "The pickle repeats its"),
        (pickle.dumps([entry()])[:-20], "The pickle"),
    ],
)  # fmt: skip
def test_every_defect_names_pickle_and_image(put: Put, content: object, message: str) -> None:
    assert message in refusal(put(content))


def test_all_defects_are_told_in_one_pass(put: Put) -> None:
    root = put([entry("gone.jpg", ann=ann()), entry(width="x"), entry("b.jpg", ann=ann((1, 2, 3, 4), labels=[9]))])
    with pytest.raises(FormatError) as caught:
        open_pickles(root)
    assert len(caught.value.defects) == 3


class Evil:
    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call[0], self.call[1:]


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    ("evil", "named"),
    [
        (Evil(eval, "1/0"), "eval"),
        (Evil(__import__("os").system, "false"), "system"),
        (Evil(bytearray, 10**12), "bytearray"),
        (Evil(getattr, (), "x"), "getattr"),
        (Evil(np.zeros, 10**12), "zeros"),
        (Ledger(), "Ledger"),
    ],
)
def test_a_pickle_that_wants_anything_done_is_refused_by_name(put: Put, evil: object, named: str, protocol: int) -> None:
    said = refusal(put([entry(ann=evil)], protocol=protocol))
    assert named in said
    assert "which is refused" in said


def test_bytes_are_never_made_to_order(put: Put) -> None:
    assert "The pickle is broken" in refusal(put(b"\x80\x02]c__builtin__\nbytes\nJ\xff\xff\xff\x7f\x85Ra."))


def test_a_shape_larger_than_its_bytes_is_refused(put: Put) -> None:
    data = pickle.dumps([entry(ann={"bboxes": np.ones((3, 4), np.float32), "labels": [0, 0, 0]})], 2)
    assert data.count(b"K\x03K\x04\x86") == 1
    data = data.replace(b"K\x03K\x04\x86", b"J\xff\xff\xff\x7fK\x04\x86")
    assert "An array of the shape (2147483647, 4) has 48 bytes." in refusal(put(data))


def test_tuples_of_tuples_cost_nothing(put: Put) -> None:
    """Their hash would take 2**60 steps, or all of C's stack: they are no keys here."""
    wide = b"\x80\x02]}" + b")" + b"q\x00h\x00\x86" * 60 + b"K\x01sa."
    deep = b"\x80\x02]}" + b")" + b"\x85" * 1_000_000 + b"K\x01sa."
    started = time.monotonic()
    assert "The pickle is broken" in refusal(put(wide))
    assert "more lists or tuples than a list of images needs" in refusal(put(deep))
    assert time.monotonic() - started < 10


def test_an_array_that_many_images_share_is_refused(put: Put) -> None:
    one = ann(*[(1, 2, 3, 4)] * 500)
    assert "The pickle repeats its arrays." in refusal(put([entry(ann=one) for _ in range(50)]))


def test_names_that_the_files_cannot_hold_are_refused(dataset_of: Callable[..., Dataset], tmp_path: Path) -> None:
    records = [ImageRecord("a.jpg", None, 64, 48, split="all")]
    with pytest.raises(FormatError) as caught:
        written(dataset_of(records, classes=["a\nb", ""]), tmp_path / "out")
    assert len(caught.value.defects) == 3


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([2, 4, 5]),
    st.lists(st.tuples(st.sampled_from(["cut", "flip", "double", "insert"]), st.integers(0, 2000), st.integers(0, 255)), max_size=4),
)
def test_any_pickle_is_read_or_refused(put: Put, protocol: int, changes: list[tuple[str, int, int]]) -> None:
    data = pickle.dumps([entry(ann=ann((1, 2, 3, 4))), entry("b.jpg", ann=ann())], protocol)
    for what, place, value in changes:
        at = place % (len(data) + 1)
        match what:
            case "cut":
                data = data[:at]
            case "flip":
                data = data[:at] + bytes((value,)) + data[at + 1 :]
            case "double":
                data = data[:at] + data[max(0, at - value) :]
            case _:
                data = data[:at] + bytes((value,)) * 3 + data[at:]
    try:
        dataset = open_pickles(put(data))
    except DatasetError as error:
        assert str(error)
        return
    assert all(image.width == 64 for image in dataset.stream(Ledger()))


def test_memos_that_count_from_one_as_python_2_does() -> None:
    text = "a" * 60
    assert list(Machine(b"\x80\x02]q\x01(X\x3c\x00\x00\x00" + text.encode() + b"q\x02h\x02e.").items()) == [text, text]
    with pytest.raises(BrokenPickleError):
        list(Machine(b"\x80\x02]r\xff\xff\xff\x7f.").items())
