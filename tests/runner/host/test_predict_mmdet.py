"""The parts of predicting with MMDetection that need no framework: what is read, how it is drawn, what is written."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import cv2
import numpy
import pytest

from runner.host.predict_mmdet.drawing import colour, drawn
from runner.host.predict_mmdet.files import JsonList, PickleList, VideoFile, category_ids, coco_entry, write_cityscapes
from runner.host.predict_mmdet.model import Detection
from runner.host.predict_mmdet.sources import Frame, Names, Source, Video, frames_of, is_video, sources_of, total_of

GREY = numpy.full((48, 64, 3), 90, numpy.uint8)
CLASSES = ["car", "person"]


def picture(path: Path) -> str:
    cv2.imwrite(str(path), GREY)
    return str(path)


def clip(path: Path, frames: int) -> str:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (64, 48))
    for _ in range(frames):
        writer.write(GREY)
    writer.release()
    return str(path)


def read(sources: list[Source]) -> tuple[list[Frame], dict[str, str]]:
    left_out: dict[str, str] = {}
    return list(frames_of(sources, cv2.imread, left_out.__setitem__)), left_out


def test_pictures_and_frames_are_counted_from_one_and_a_listing_keeps_its_ids(tmp_path: Path) -> None:
    image, video = picture(tmp_path / "a.png"), clip(tmp_path / "b.mp4", 3)
    given = [Source("a.png", image), Source("b.mp4", video)]
    frames, left_out = read(given)
    assert [(frame.name, frame.image_id, frame.number) for frame in frames] == [
        ("a.png", 1, 0), ("b.mp4", 2, 1), ("b.mp4", 3, 2), ("b.mp4", 4, 3),
    ]  # fmt: skip
    assert (left_out, total_of(given)) == ({}, 4)
    assert [frame.image_id for frame in read([Source("a.png", image, 77)])[0]] == [77]


def test_a_listing_names_its_pictures_below_its_folder(tmp_path: Path) -> None:
    listing = tmp_path / "val.json"
    listing.write_text(json.dumps({"images": [{"id": 5, "file_name": "deep/ü.png"}], "categories": []}))
    request = {"files": [], "listing": str(listing), "images": "data/images"}
    assert sources_of(request) == [Source("deep/ü.png", "data/images/deep/ü.png", 5)]


@pytest.mark.parametrize("content", [b"", b"hello", b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", b"ffconcat version 1.0\nfile /etc/passwd\n"])
def test_what_is_neither_picture_nor_video_is_left_out_by_name(tmp_path: Path, content: bytes) -> None:
    odd = tmp_path / "odd.mp4"
    odd.write_bytes(content)
    assert not is_video(str(odd))
    assert read([Source("odd.mp4", str(odd))]) == ([], {"odd.mp4": "it is neither a picture nor a video"})


def test_what_cannot_be_decoded_is_left_out_and_the_rest_is_read(tmp_path: Path) -> None:
    whole, half, video = picture(tmp_path / "a.png"), tmp_path / "half.png", tmp_path / "half.mp4"
    half.write_bytes(Path(whole).read_bytes()[:60])
    video.write_bytes(Path(clip(tmp_path / "b.mp4", 3)).read_bytes()[:40])
    sources = [Source("half.png", str(half)), Source("half.mp4", str(video)), Source("gone.png", "gone.png"), Source("a.png", whole)]
    frames, left_out = read(sources)
    assert [frame.name for frame in frames] == ["a.png"]
    assert list(left_out) == ["half.png", "half.mp4", "gone.png"]
    assert left_out["gone.png"] == "the file is not there"


def test_names_are_unique_and_safe() -> None:
    names, video = Names(), Video("clip", 25, 0)
    given = [Frame(name, 1, GREY) for name in ("a/1.jpg", "a/1.png", "../..", "b$`'.tar.gz")] + [Frame("x.mp4", 1, GREY, video, 7)]
    assert len(names.of(Frame("魚" * 300, 1, GREY)).encode()) == 150
    assert [names.of(frame) for frame in given] == ["a_1", "a_1_2", "_..", "b___.tar", "x_000007"]


def test_lists_are_written_an_item_at_a_time(tmp_path: Path) -> None:
    for items in ([], [{"a": "ü", "b": [1.5]}], [{"n": number, "t": ("x", "x")} for number in range(3)]):
        text, pickled = JsonList(str(tmp_path / "l.json")), PickleList(str(tmp_path / "l.pkl"))
        for item in items:
            text.add(item)
            pickled.add(item)
        text.close()
        pickled.close()
        assert json.loads((tmp_path / "l.json").read_text()) == json.loads(json.dumps(items))
        assert pickle.loads((tmp_path / "l.pkl").read_bytes()) == items


def test_pickled_arrays_that_share_what_they_are_made_of_come_back(tmp_path: Path) -> None:
    pickled, array = PickleList(str(tmp_path / "l.pkl")), numpy.arange(4.0)
    for _ in range(3):
        pickled.add({"boxes": array, "again": array})
    pickled.close()
    back = pickle.loads((tmp_path / "l.pkl").read_bytes())
    assert [numpy.array_equal(item["again"], array) and item["boxes"] is item["again"] for item in back] == [True] * 3


@pytest.mark.parametrize("size", [(1, 1), (31, 20), (640, 480), (20, 3000)])
def test_a_drawing_of_any_size_has_room_for_names(size: tuple[int, int]) -> None:
    pixels = numpy.zeros((size[1], size[0], 3), numpy.uint8)
    mask = numpy.ones((size[1], size[0]), bool)
    found = [Detection(index % 2, 0.9, (-5.0, -5.0, size[0] * 2.0, size[1] * 0.5), mask) for index in range(5)]
    found.append(Detection(0, 0.4, (size[0] * 0.9, size[1] * 0.9, size[0] * 0.1, 0.0)))
    made = drawn(pixels, found, CLASSES)
    assert max(made.shape[:2]) >= 640
    assert (made.shape[0] / size[1], made.shape[1] / size[0]) == (made.shape[0] // size[1], made.shape[1] // size[0])
    assert not pixels.any()


def test_each_of_twenty_classes_has_a_colour_of_its_own() -> None:
    assert len({colour(label) for label in range(20)}) == 20


def test_a_drawn_video_keeps_its_frames_and_takes_odd_sides(tmp_path: Path) -> None:
    file = VideoFile(str(tmp_path), "video.mp4", Video("in.mp4", 12.5, 3), (65, 49))
    for height in (49, 49, 20):
        file.add(numpy.zeros((height, 65, 3), numpy.uint8))
    file.close()
    capture = cv2.VideoCapture(str(tmp_path / "video.mp4"))
    assert [capture.get(key) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS)] == [64, 48, 12.5]
    count = 0
    while capture.read()[0]:
        count += 1
    assert count == 3


def test_coco_results_carry_the_ids_of_the_listing(tmp_path: Path) -> None:
    listing = tmp_path / "l.json"
    listing.write_text(json.dumps({"categories": [{"id": 9, "name": "person"}, {"id": 4, "name": "car"}]}))
    assert (category_ids(str(listing), CLASSES), category_ids(None, CLASSES)) == ([4, 9], [1, 2])
    assert category_ids(str(listing), ["car", "tree"]) == [1, 2]
    mask = numpy.zeros((48, 64), bool)
    mask[10:20, 5:9] = True
    entry = coco_entry(Frame("a.png", 3, GREY), Detection(1, 0.5, (5.0, 10.0, 9.0, 20.0), mask), [4, 9], with_mask=True)
    assert (entry["image_id"], entry["category_id"], entry["bbox"], entry["segmentation"]["size"]) == (3, 9, [5, 10, 4, 10], [48, 64])


def test_cityscapes_gets_a_line_and_a_mask_for_each_object(tmp_path: Path) -> None:
    mask = numpy.zeros((48, 64), bool)
    mask[:, :3] = True
    found = [Detection(0, 0.5, (0.0, 0.0, 3.0, 48.0), mask), Detection(1, 0.25, (0.0, 0.0, 3.0, 48.0), mask)]
    write_cityscapes(str(tmp_path), "munich_0", found, CLASSES, {"car": 26, "person": 24})
    assert (tmp_path / "munich_0_pred.txt").read_text() == "munich_0_0_car.png 26 0.5\nmunich_0_1_person.png 24 0.25\n"
    assert cv2.imread(str(tmp_path / "munich_0_1_person.png"), cv2.IMREAD_UNCHANGED).sum() == mask.sum()
