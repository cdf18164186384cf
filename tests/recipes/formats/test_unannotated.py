"""Images that come without annotations: a folder, a list, a video."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from recipes.dataset import ImageRecord
from recipes.effort import Effort
from recipes.errors import FormatError
from recipes.folder import scan
from recipes.formats import image_list, images, video
from recipes.ledger import Ledger
from recipes.parameters import NoParameters
from recipes.pictures.image_header import read_size
from recipes.recipe import load_recipe
from recipes.running import run
from recipes.sources import sniff

FRAMES = 25


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video whose frame n is n * 10 bright."""
    import cv2
    import numpy as np

    path = tmp_path_factory.mktemp("film") / "my film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for number in range(FRAMES):
        writer.write(np.full((48, 64, 3), number * 10, np.uint8))
    writer.release()
    return path.parent


def drawn(dataset: object) -> list[ImageRecord]:
    return list(dataset.stream(Ledger()))  # type: ignore[attr-defined]


def test_a_folder_of_images_is_read_by_name(tmp_path: Path, draw: Callable[..., None]) -> None:
    for name in ("b/2.png", "a.jpg", "b/10.JPEG"):
        draw(tmp_path / name, size=(30, 20))
    found = drawn(images.read(scan(tmp_path), NoParameters(), Effort(2)))
    assert [(image.name, image.width, image.height) for image in found] == [("a.jpg", 30, 20), ("b/10.JPEG", 30, 20), ("b/2.png", 30, 20)]


def test_lists_name_images_in_their_order_and_split(tmp_path: Path, draw: Callable[..., None]) -> None:
    for name in ("images/1.jpg", "images/2 3.jpg", "images/4.jpg"):
        draw(tmp_path / name)
    (tmp_path / "val.txt").write_text("/home/somebody/data/images/4.jpg\r\n")
    (tmp_path / "train.txt").write_text("./images/2 3.jpg\n\nimages/1.jpg\n")
    folder = scan(tmp_path)
    assert sniff(folder)[0].name == "image_list"
    found = drawn(image_list.read(folder, image_list.ImageListOptions(), Effort()))
    assert [(image.name, image.split) for image in found] == [
        ("images/2 3.jpg", "train"),
        ("images/1.jpg", "train"),
        ("images/4.jpg", "val"),
    ]


def test_a_list_that_is_wrong_is_named_by_its_lines(tmp_path: Path, draw: Callable[..., None]) -> None:
    draw(tmp_path / "1.jpg")
    (tmp_path / "train.txt").write_text("1.jpg\ngone.jpg\n1.jpg\n")
    with pytest.raises(FormatError) as caught:
        image_list.read(scan(tmp_path), image_list.ImageListOptions(), Effort())
    assert [str(defect) for defect in caught.value.defects] == [
        "train.txt, line 2: gone.jpg: The image is not here.",
        "train.txt, line 3: 1.jpg is listed twice, first in train.txt, line 1.",
    ]
    with pytest.raises(FormatError, match="There is no such list"):
        image_list.read(scan(tmp_path), image_list.ImageListOptions(lists=("val.txt",)), Effort())


def test_frames_of_a_video_become_images(film: Path, tmp_path: Path) -> None:
    assert sniff(scan(film))[0].name == "video"
    dataset = video.read(scan(film), video.VideoOptions(every=10, first=2), Effort())
    assert [(image.name, image.frame, image.width, image.height) for image in drawn(dataset)] == [
        ("my film.avi/000002.jpg", 2, 64, 48),
        ("my film.avi/000012.jpg", 12, 64, 48),
        ("my film.avi/000022.jpg", 22, 64, 48),
    ]
    assert dataset.notes == (f"my film.avi: 3 of {FRAMES} frames are taken, one in 10.",)
    summary = run(load_recipe("video:coco", ["every=5", "last=11"]), film, tmp_path / "out", effort=Effort(2))
    assert summary.images == 3
    written = tmp_path / "out/images/my film.avi/000010.jpg"
    assert read_size(written) == (64, 48)
    from PIL import Image

    with Image.open(written) as picture:
        assert abs(picture.convert("L").getpixel((30, 20)) - 100) < 5  # type: ignore[operator]


def test_what_is_no_video_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n")
    (tmp_path / "b.mp4").write_bytes(bytes(500))
    with pytest.raises(FormatError) as caught:
        video.read(scan(tmp_path), video.VideoOptions(), Effort())
    assert [str(defect) for defect in caught.value.defects] == [
        "a.mp4: No frame of the video can be taken (0 can be decoded).",
        "b.mp4: No frame of the video can be taken (0 can be decoded).",
    ]
