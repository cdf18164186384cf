"""The entries of COCO annotation files, encoded chunk by chunk, numbered and joined at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Literal, TypeAlias

import orjson

from recipes.dataset import Annotation, Flag, ImageRecord, Polygons, RunLengths

EXTRA_FLAGS = (Flag.DIFFICULT, Flag.OCCLUDED, Flag.TRUNCATED, Flag.LOST, Flag.GENERATED)
Difficult: TypeAlias = Literal["keep", "ignore", "crowd"]
INFO = {"description": "Written by Signalbox"}


@dataclass(slots=True)
class Encoded:
    """The images of a chunk that go into one file: each without its brace and id, with its annotations likewise."""

    images: list[tuple[bytes, list[bytes]]] = field(default_factory=list)


def encode(records: Iterator[ImageRecord], category_ids: Mapping[str, int], difficult: Difficult) -> dict[str | None, Encoded]:
    """The entries of some images by split. Ids are given when all that comes before is known; difficult: see formats/coco.py."""
    files: dict[str | None, Encoded] = {}
    for record in records:
        if record.split not in files:
            files[record.split] = Encoded()
        # A class that the dataset does not list is 0 here, and refused by the check with all that has it.
        annotations = [_annotation(annotation, category_ids.get(annotation.label, 0), difficult) for annotation in record.annotations]
        files[record.split].images.append((_image(record), annotations))
    return files


def _image(record: ImageRecord) -> bytes:
    entry: dict[str, object] = {"file_name": record.name, "width": record.width, "height": record.height}
    if record.video is not None:
        entry["video"] = record.video
    if record.frame is not None:
        entry["frame"] = record.frame
    return orjson.dumps(entry)[1:]


def _annotation(annotation: Annotation, category_id: int, difficult: Difficult) -> bytes:
    box = [annotation.x, annotation.y, annotation.w, annotation.h]
    area, flags = annotation.area, annotation.flags
    entry: dict[str, object] = {
        "category_id": category_id,
        "bbox": box,
        "area": area,
        "iscrowd": 1 if flags and Flag.CROWD in flags else 0,
        "segmentation": [] if annotation.mask is None else _segmentation(annotation.mask),
    }
    if flags:
        entry |= {flag.value: 1 for flag in EXTRA_FLAGS if flag in flags}
        if difficult != "keep" and Flag.DIFFICULT in flags:
            entry["iscrowd" if difficult == "crowd" else "ignore"] = 1
    if annotation.track is not None:
        entry["track_id"] = annotation.track
    if annotation.attributes:
        entry["attributes"] = dict(annotation.attributes)
    return orjson.dumps(entry)[1:]


def _segmentation(mask: Polygons | RunLengths) -> object:
    match mask:
        case Polygons(parts):
            return parts
        case RunLengths(height, width, counts):
            return {"size": [height, width], "counts": counts}


class AnnotationFile:
    """Writes one annotation file: images and annotations grow in two nameless files that are joined at the end."""

    def __init__(self, target: Path, stack: ExitStack) -> None:
        self._target = target
        self._images: IO[bytes] = stack.enter_context(TemporaryFile(dir=target.parent))  # noqa: SIM115 - the stack closes it
        self._annotations: IO[bytes] = stack.enter_context(TemporaryFile(dir=target.parent))  # noqa: SIM115
        self._image_id = self._annotation_id = 0

    def add(self, encoded: Encoded) -> None:
        """Number the entries of a chunk, from 1 in each file, and write them."""
        images: list[bytes] = []
        annotations: list[bytes] = []
        image_id, annotation_id = self._image_id, self._annotation_id
        for image, boxes in encoded.images:
            image_id += 1
            images.append(b'{"id":%d,%b' % (image_id, image))
            for box in boxes:
                annotation_id += 1
                annotations.append(b'{"id":%d,"image_id":%d,%b' % (annotation_id, image_id, box))
        _extend(self._images, images, first=self._image_id == 0)
        _extend(self._annotations, annotations, first=self._annotation_id == 0)
        self._image_id, self._annotation_id = image_id, annotation_id

    def join(self, categories: list[dict[str, object]]) -> None:
        """Put the file together."""
        with self._target.open("wb") as out:
            out.write(b'{"info": ' + orjson.dumps(INFO) + b', "licenses": [],\n"images": [')
            _append(self._images, out)
            out.write(b'\n],\n"annotations": [')
            _append(self._annotations, out)
            out.write(b'\n],\n"categories": ' + orjson.dumps(categories) + b"}\n")


def _extend(file: IO[bytes], entries: list[bytes], *, first: bool) -> None:
    if entries:
        file.write((b"\n" if first else b",\n") + b",\n".join(entries))


def _append(source: IO[bytes], out: IO[bytes]) -> None:
    source.seek(0)
    while piece := source.read(1 << 20):
        out.write(piece)
