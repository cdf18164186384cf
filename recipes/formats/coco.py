"""COCO detection JSON: annotations/instances_<split>.json beside images/.

Format: cocodataset.org, "Data format"; pycocotools/coco.py 2.0. Boxes are (x, y, w, h), 0-based and continuous. What
COCO has no word for stays as extra keys, which pycocotools and mmdet ignore and this reader understands: on an
annotation difficult, occluded, truncated, lost, generated (1), track_id and attributes; on an image video and frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Literal

import orjson

from recipes.coco.document import CocoDocument, ImageEntry, load
from recipes.coco.images import ImageIndex
from recipes.coco.layout import annotation_files
from recipes.dataset import Annotation, Dataset, Flag, ImageRecord, Polygons, RunLengths
from recipes.errors import Defects, FormatError, Where
from recipes.folder import Folder
from recipes.formats import NOT_MINE, Format, Sniff
from recipes.image_header import read_size
from recipes.ledger import Ledger
from recipes.parameters import NoParameters, Parameters
from recipes.placing import Folders, place
from recipes.progress import Progress

IMAGES = "images"
EXTRA_FLAGS = (Flag.DIFFICULT, Flag.OCCLUDED, Flag.TRUNCATED, Flag.LOST, Flag.GENERATED)
INFO = {"description": "Written by Signalbox"}


class CocoOptions(Parameters):
    """images: whether the image files must be there, or only the annotations are read."""

    images: Literal["required", "absent"] = "required"


@dataclass(frozen=True, slots=True)
class Placed:
    """An image of a document with the name it has in the dataset, its file, and its size."""

    entry: ImageEntry
    name: str
    path: Path | None
    width: int
    height: int


def sniff(folder: Folder) -> Sniff:
    """A JSON file that speaks of images and of annotations or categories."""
    files = annotation_files(folder)
    if not files:
        return NOT_MINE
    return Sniff(0.9, f"{files[0].name} has COCO's images and annotations")


def read(folder: Folder, options: CocoOptions, progress: Progress) -> Dataset:
    """Every image of every annotation file; images and boxes in the file's order. FormatError names defects by their ids."""
    files = annotation_files(folder)
    if not files:
        raise FormatError("There is no COCO annotation file here.", where=Where(str(folder.root)))
    defects = Defects()
    documents = [load(folder.path(file.name), file.name, file.split, defects) for file in files]
    defects.raise_if_any("The annotation")
    index = ImageIndex(folder) if options.images == "required" else None
    placed = _place_images(documents, index, defects, progress)
    defects.raise_if_any("The set of images", remedy="Send the images together with the annotations.")

    def stream(_: Ledger) -> Iterator[ImageRecord]:
        for document, images in zip(documents, placed, strict=True):
            for image in images:
                yield ImageRecord(
                    image.name,
                    image.path,
                    image.width,
                    image.height,
                    document.annotations_of(image.entry.id),
                    split=document.split,
                    video=image.entry.video,
                    frame=image.entry.frame,
                    source_file=document.name,
                    origin_is_line=False,
                )

    classes = tuple(dict.fromkeys(name for document in documents for name in document.classes.values()))
    splits = tuple(dict.fromkeys(document.split for document in documents if document.split))
    notes = tuple(dict.fromkeys(note for document in documents for note in document.notes))
    return Dataset(classes, stream, sum(map(len, placed)), splits, notes)


def _place_images(documents: list[CocoDocument], index: ImageIndex | None, defects: Defects, progress: Progress) -> list[list[Placed]]:
    total = sum(len(document.images) for document in documents)
    done = 0
    taken: set[str] = set()
    result: list[list[Placed]] = []
    for document in documents:
        images: list[Placed] = []
        for entry in document.images:
            placed = _place_image(document, entry, index, defects)
            if placed:
                if placed.name in taken:  # train/1.jpg and val/1.jpg, each called 1.jpg in its own file
                    placed = replace(placed, name=f"{document.split or document.name}/{placed.name}")
                taken.add(placed.name)
                images.append(placed)
            done += 1
            progress(done, total, "reading images")
        result.append(images)
    return result


def _place_image(document: CocoDocument, entry: ImageEntry, index: ImageIndex | None, defects: Defects) -> Placed | None:
    where = Where(document.name, key=f"image {entry.id} ({entry.file_name})")
    path = None
    size = (entry.width, entry.height)
    if index is not None:
        found = index.find(entry.file_name, beside=document.name, split=document.split)
        if isinstance(found, str):
            defects.add(found, where)
            return None
        path = found
        try:
            size = read_size(path, name=entry.file_name)
        except FormatError as error:
            defects.add(error.message, error.where)
            return None
        if entry.width and (entry.width, entry.height) != size:
            said = f"{entry.width} x {entry.height}"
            defects.add(f"The annotation says {said} pixels, the image has {size[0]} x {size[1]}.", where)
    elif not entry.width:
        defects.add("The image has no width and height.", where)
        return None
    return Placed(entry, entry.file_name, path, *size)


class _SplitFile:
    """Writes one annotation file as a stream: images and annotations grow in two files that are joined at the end."""

    def __init__(self, target: Path, images: IO[bytes], annotations: IO[bytes]) -> None:
        self.target = target
        self._images = images
        self._annotations = annotations
        self._image_comma = self._annotation_comma = b"\n"
        self._image_id = self._annotation_id = 0

    def add(self, record: ImageRecord, category_ids: Mapping[str, int]) -> None:
        self._image_id += 1
        self._images.write(self._image_comma + orjson.dumps(_image(self._image_id, record)))
        self._image_comma = b",\n"
        for annotation in record.annotations:
            self._annotation_id += 1
            category_id = category_ids[annotation.label]
            entry = _annotation(self._annotation_id, self._image_id, category_id, annotation)
            self._annotations.write(self._annotation_comma + orjson.dumps(entry))
            self._annotation_comma = b",\n"

    def join(self, categories: list[dict[str, object]]) -> None:
        with self.target.open("wb") as out:
            out.write(b'{"info": ' + orjson.dumps(INFO) + b', "licenses": [],\n"images": [')
            _append(self._images, out)
            out.write(b'\n],\n"annotations": [')
            _append(self._annotations, out)
            out.write(b'\n],\n"categories": ' + orjson.dumps(categories) + b"}\n")


def _append(source: IO[bytes], out: IO[bytes]) -> None:
    source.seek(0)
    while piece := source.read(1 << 20):
        out.write(piece)


def write(dataset: Dataset, destination: Path, _: NoParameters, ledger: Ledger, progress: Progress) -> None:
    """One annotation file for each split, images linked under images/. Ids count from 1 in each file."""
    categories: list[dict[str, object]] = [
        {"id": number, "name": name, "supercategory": ""} for number, name in enumerate(dataset.classes, start=1)
    ]
    category_ids = {name: number for number, name in enumerate(dataset.classes, start=1)}
    images = f"{destination / IMAGES}/"
    (destination / "annotations").mkdir()
    folders = Folders()
    files: dict[str | None, _SplitFile] = {}
    with ExitStack() as stack:
        for split in dataset.splits:  # a split that gets no image has its file, too
            files[split] = _open(split, destination, stack)
        for done, record in enumerate(dataset.stream(ledger), start=1):
            if record.split not in files:
                files[record.split] = _open(record.split, destination, stack)
            file = files[record.split]
            file.add(record, category_ids)
            if record.path is not None:
                target = images + record.name
                folders.make_parent(target)
                place(record.path, target)
            progress(done, dataset.total, "writing coco")
        for file in files.values():
            file.join(categories)


def _open(split: str | None, destination: Path, stack: ExitStack) -> _SplitFile:
    name = f"instances_{split}.json" if split else "instances.json"
    images = stack.enter_context(TemporaryFile(dir=destination))  # noqa: SIM115 - the stack closes it
    annotations = stack.enter_context(TemporaryFile(dir=destination))  # noqa: SIM115 - the stack closes it
    return _SplitFile(destination / "annotations" / name, images, annotations)


def _image(image_id: int, record: ImageRecord) -> dict[str, object]:
    entry: dict[str, object] = {
        "id": image_id,
        "file_name": record.name,
        "width": record.width,
        "height": record.height,
    }
    if record.video is not None:
        entry["video"] = record.video
    if record.frame is not None:
        entry["frame"] = record.frame
    return entry


def _annotation(annotation_id: int, image_id: int, category_id: int, annotation: Annotation) -> dict[str, object]:
    entry: dict[str, object] = {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": [annotation.x, annotation.y, annotation.w, annotation.h],
        "area": annotation.area,
        "iscrowd": int(Flag.CROWD in annotation.flags),
        "segmentation": _segmentation(annotation),
    }
    if annotation.flags:
        entry |= {flag.value: 1 for flag in EXTRA_FLAGS if flag in annotation.flags}
    if annotation.track is not None:
        entry["track_id"] = annotation.track
    if annotation.attributes:
        entry["attributes"] = dict(annotation.attributes)
    return entry


def _segmentation(annotation: Annotation) -> object:
    match annotation.mask:
        case Polygons(parts):
            return parts
        case RunLengths(height, width, counts):
            return {"size": [height, width], "counts": counts}
    return []


FORMAT = Format("coco", "COCO detection JSON", sniff=sniff, read=read, read_options=CocoOptions, write=write)
