"""COCO detection JSON: annotations/instances_<split>.json beside images/.

Format: cocodataset.org, "Data format"; pycocotools/coco.py 2.0. Boxes are (x, y, w, h), 0-based and continuous. What
COCO has no word for stays as extra keys, which pycocotools and mmdet ignore and this reader understands: on an
annotation difficult, occluded, truncated, lost, generated (1), track_id and attributes; on an image video and frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from recipes.coco.layout import annotation_files
from recipes.coco.placed import place_images
from recipes.coco.reading import read_document
from recipes.coco.writing import AnnotationFile, Encoded, encode
from recipes.dataset import Dataset, ImageRecord
from recipes.effort import Effort
from recipes.errors import Defects, FormatError, Where
from recipes.folder import Folder
from recipes.formats import NOT_MINE, Format, Sniff
from recipes.ledger import Ledger
from recipes.observing import Audience
from recipes.parameters import Parameters
from recipes.pictures.image_index import ImageIndex
from recipes.placing import placed

IMAGES = "images"


class CocoOptions(Parameters):
    """images: whether the image files must be there, or only the annotations are read."""

    images: Literal["required", "absent"] = "required"


class CocoOutput(Parameters):
    """difficult: what becomes of difficult boxes, for which COCO has no word. keep: they have an extra key. ignore: mmdet leaves them out.
    crowd: pycocotools ignores them, and matches them as crowds."""

    difficult: Literal["keep", "ignore", "crowd"] = "keep"


def sniff(folder: Folder) -> Sniff:
    """A JSON file that speaks of images and of annotations or categories."""
    files = annotation_files(folder)
    if not files:
        return NOT_MINE
    return Sniff(0.9, f"{files[0].name} has COCO's images and annotations")


def read(folder: Folder, options: CocoOptions, effort: Effort) -> Dataset:
    """Every image of every annotation file; images and boxes in the file's order. FormatError names defects by their ids."""
    files = annotation_files(folder)
    if not files:
        raise FormatError("There is no COCO annotation file here.", where=Where(str(folder.root)))
    defects = Defects()
    documents = [read_document(folder.path(file.name), file, effort, defects) for file in files]
    defects.raise_if_any("The annotation")
    index = ImageIndex(folder) if options.images == "required" else None
    images = place_images(folder, documents, index, effort, defects)
    defects.raise_if_any("The set of images", remedy="Send the images together with the annotations.")
    chunks = [(document, chunk) for document in documents for chunk in range(document.chunks)]

    def draw(number: int, _: Ledger) -> Iterator[ImageRecord]:
        document, chunk = chunks[number]
        for image, boxes in zip(images.chunk(number), document.annotations_of(chunk), strict=True):
            name, path, width, height, video, frame = image
            yield ImageRecord(name, Path(path) if path else None, width, height, boxes, document.split, video, frame, document.name, False)

    classes = tuple(dict.fromkeys(name for document in documents for name in document.classes.values()))
    splits = tuple(dict.fromkeys(document.split for document in documents if document.split))
    notes = tuple(dict.fromkeys(note for document in documents for note in document.notes))
    return Dataset(classes, draw, len(chunks), sum(document.total for document in documents), splits, notes)


def write(dataset: Dataset, destination: Path, options: CocoOutput, audience: Audience, effort: Effort) -> None:
    """One annotation file for each split, images linked under images/. Ids count from 1 in each file."""
    categories: list[dict[str, object]] = [
        {"id": number, "name": name, "supercategory": ""} for number, name in enumerate(dataset.classes, start=1)
    ]
    category_ids = {name: number for number, name in enumerate(dataset.classes, start=1)}
    images = f"{destination / IMAGES}/"
    annotations = destination / "annotations"
    annotations.mkdir()

    def work(records: Iterator[ImageRecord], _: Ledger) -> dict[str | None, Encoded]:
        return encode(placed(records, images), category_ids, options.difficult)

    with ExitStack() as stack:
        files: dict[str | None, AnnotationFile] = {}
        for expected in dataset.splits:  # a split that gets no image has its file, too
            files[expected] = AnnotationFile(annotations / f"instances_{expected}.json", stack)
        for encoded in audience.results(dataset, work, effort, phase="writing coco"):
            for split, entries in encoded.items():
                if split not in files:
                    files[split] = AnnotationFile(annotations / (f"instances_{split}.json" if split else "instances.json"), stack)
                files[split].add(entries)
        for file in files.values():
            file.join(categories)


FORMAT = Format("coco", "COCO detection JSON", sniff=sniff, read=read, read_options=CocoOptions, write=write, write_options=CocoOutput)
