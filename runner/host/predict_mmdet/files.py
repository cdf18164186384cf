"""What a prediction leaves below ``results/``, written as it comes: nothing grows with the number of pictures."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy

from .model import Detection
from .sources import Frame, Video

JPEG_QUALITY = 90
# VP9 plays in every browser and takes OpenCV about a second for 6 megapixels on two cores: some ten minutes of it are borne.
PLAYABLE_PIXELS = 4_000_000_000
CODECS = ("vp09", "mp4v")


class JsonList:
    """A JSON array in a file, an item a line."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "w", encoding="utf-8")  # noqa: SIM115  closed by close()
        self._before = "[\n"

    def add(self, item: Mapping[str, Any]) -> None:
        self._file.write(self._before + json.dumps(item, ensure_ascii=False, allow_nan=False))
        self._before = ",\n"

    def close(self) -> None:
        self._file.write(("" if self._before.startswith(",") else "[") + "\n]\n")
        self._file.close()


class PickleList:
    """One pickled list, appended to item by item.

    Protocol 2 names its memo slots, so each item's pickle stands for itself: without its head (2 bytes) and its end (1) it can be
    put between those of a list (pickletools: PROTO, EMPTY_LIST, item APPEND…, STOP).
    """

    def __init__(self, path: str) -> None:
        self._file = open(path, "wb")  # noqa: SIM115  closed by close()
        self._file.write(b"\x80\x02]")

    def add(self, item: Any) -> None:
        self._file.write(pickle.dumps(item, protocol=2)[2:-1] + b"a")

    def close(self) -> None:
        self._file.write(b".")
        self._file.close()


class VideoFile:
    """A drawn video. ``name`` is its file's, below the folder."""

    def __init__(self, folder: str, name: str, video: Video, size: tuple[int, int]) -> None:
        self.name, self.video = name, video
        self._size = (size[0] // 2 * 2, size[1] // 2 * 2)  # an odd side is none for these codecs
        codecs = CODECS if video.frames * size[0] * size[1] <= PLAYABLE_PIXELS else CODECS[1:]
        path = os.path.join(folder, name)
        writers = (cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*codec), video.fps, self._size) for codec in codecs)
        writer = next((writer for writer in writers if writer.isOpened()), None)
        if writer is None:
            raise OSError("OpenCV of this environment can write no MP4 video")
        self._writer = writer

    def add(self, pixels: numpy.ndarray) -> None:
        frame = pixels[: self._size[1], : self._size[0]]
        # A video may change its size midway; the file cannot, and would leave such frames out in silence.
        frame = frame if frame.shape[1::-1] == self._size else cv2.resize(pixels, self._size)
        self._writer.write(numpy.ascontiguousarray(frame))

    def close(self) -> None:
        self._writer.release()


def write_jpeg(path: str, pixels: numpy.ndarray) -> None:
    """A picture that people look at."""
    done, content = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise OSError("%s cannot be written as a JPEG" % path)
    with open(path, "wb") as file:
        file.write(content.tobytes())


def box_entry(frame: Frame, item: Detection, classes: Sequence[str]) -> dict[str, Any]:
    """A line of predictions.json: a COCO result (x, y, width, height) with the names that people know."""
    x1, y1, x2, y2 = item.box
    entry = {
        "image_id": frame.image_id, "category_id": item.label + 1, "bbox": [round(side, 2) for side in (x1, y1, x2 - x1, y2 - y1)],
        "score": round(item.score, 4), "file_name": frame.name, "category": classes[item.label],
    }  # fmt: skip
    return dict(entry, frame=frame.number) if frame.video else entry


def coco_entry(frame: Frame, item: Detection, category_ids: Sequence[int], *, with_mask: bool) -> dict[str, Any]:
    """A COCO result as mmdet's CocoMetric writes it; masks as compressed run lengths."""
    x1, y1, x2, y2 = item.box
    entry = {
        "image_id": frame.image_id, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": item.score, "category_id": category_ids[item.label],
    }  # fmt: skip
    return dict(entry, segmentation=run_lengths(item.mask)) if with_mask else entry


def run_lengths(mask: numpy.ndarray) -> dict[str, Any]:
    """{size, counts} of a mask."""
    from pycocotools.mask import encode

    coded = encode(numpy.asfortranarray(mask.astype(numpy.uint8)))
    return {"size": [int(side) for side in coded["size"]], "counts": coded["counts"].decode()}


def category_ids(listing: str | None, classes: Sequence[str]) -> list[int]:
    """The ids of a listing's categories in the order of the model's classes; where it lacks one, counted from 1."""
    counted = list(range(1, len(classes) + 1))
    if not listing:
        return counted
    with open(listing, encoding="utf-8") as file:
        known = {item["name"]: item["id"] for item in json.load(file)["categories"]}
    return [known[name] for name in classes] if all(name in known for name in classes) else counted


def write_cityscapes(folder: str, name: str, found: Sequence[Detection], classes: Sequence[str], ids: Mapping[str, int]) -> None:
    """``<name>_pred.txt``, a line a mask (file, Cityscapes id, score), and the masks as PNG, as mmdet's CityScapesMetric writes them."""
    lines = []
    for number, item in enumerate(found):
        file_name = "%s_%d_%s.png" % (name, number, classes[item.label])
        _done, content = cv2.imencode(".png", item.mask.astype(numpy.uint8))
        with open(os.path.join(folder, file_name), "wb") as file:
            file.write(content.tobytes())
        lines.append("%s %d %s\n" % (file_name, ids[classes[item.label]], item.score))
    with open(os.path.join(folder, name + "_pred.txt"), "w", encoding="utf-8") as file:
        file.writelines(lines)
