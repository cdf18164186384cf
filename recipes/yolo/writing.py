"""Writes Ultralytics' layout: data.yaml, images/<split>/… (links) and labels/<split>/….txt, one label file for each image.

Source: ultralytics/data/utils.py, check_det_dataset, img2label_paths and verify_image_label. Paths in data.yaml are relative to it,
so the folder may be moved. An image without objects has an empty file.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field

from recipes.dataset import Annotation, Dataset, Feature, ImageRecord, Polygons
from recipes.effort import Effort
from recipes.errors import FormatError, Where
from recipes.ledger import Ledger
from recipes.names import unsafe_path
from recipes.observing import Audience
from recipes.parameters import Parameters
from recipes.placing import place_image
from recipes.yolo.labels import label_names

NO_SPLIT = "unassigned"
TRAIN = "train"
UNLISTED = -1
"""A class that the dataset does not list: the check refuses what has one."""
NOTES = {
    "pathless": "{count} images have no file: only their labels are written.",
    "outlines": "{count} boxes are written as the outlines they have, and are what bounds these.",
    "joined": "{count} outlines of several parts are written as one line that goes from part to part.",
    "corners": "{count} boxes beside outlines are written as their four corners: a file has outlines only, or boxes only.",
    "unsplit": "{count} images are in no split: data.yaml names them as {home}.",
}


class YoloWriteOptions(Parameters):
    """decimals of each number: 10 keep a millionth of a pixel up to 13,000 pixels (6, as usual, a hundredth); segments: outlines, too."""

    decimals: Annotated[int, Field(ge=3, le=16)] = 10
    segments: Literal["auto", "never"] = "never"

    def also_holds(self) -> frozenset[Feature]:
        return frozenset({Feature.POLYGONS} if self.segments == "auto" else ())


@dataclass(frozen=True, slots=True)
class _Home:
    """A folder of images and the one of their label files, each with its '/', below the destination."""

    images: str
    labels: str


class _LabelWriter:
    """Writes the images of a chunk with their label files; counts what is to be said of it."""

    def __init__(self, dataset: Dataset, destination: Path, options: YoloWriteOptions) -> None:
        self._ids = {name: number for number, name in enumerate(dataset.classes)}
        self._root = f"{destination}/"
        self._number = f" %.{options.decimals}f"
        self._box = "%d" + 4 * self._number + "\n"
        self._segments = options.segments == "auto"
        self._unsplit = unsplit_home(dataset)

    def __call__(self, records: Iterator[ImageRecord], _: Ledger) -> tuple[Counter[str], set[str]]:
        counts: Counter[str] = Counter()
        homes: dict[tuple[str | None, str], _Home] = {}
        for record in records:
            folder, _slash, name = record.name.rpartition("/")
            home = homes.get((record.split, folder))
            if home is None:
                home = homes[record.split, folder] = self._home(record.split, folder)
            if record.split is None:
                counts["unsplit"] += 1
            if record.path is None:
                counts["pathless"] += 1
            label = f"{home.labels}{os.path.splitext(name)[0]}.txt"  # noqa: PTH122 - once per image
            try:
                if record.path is not None:
                    place_image(record, f"{self._root}{home.images}{name}")
                _write_fresh(self._root + label, self._lines(record, counts).encode())
            except (FileExistsError, IsADirectoryError):
                raise self._collision(home.images, name, label) from None
        return counts, {split or self._unsplit for split, _folder in homes}

    def _home(self, split: str | None, folder: str) -> _Home:
        """The folders of images that are in one folder of a split, made."""
        images = f"images/{split or self._unsplit}/{folder}/".replace("//", "/")
        labels = label_names(f"{images}x")[0].removesuffix("x.txt")
        for made in (images, labels):
            try:
                os.makedirs(self._root + made, exist_ok=True)  # noqa: PTH103 - text, as all names here
            except (FileExistsError, NotADirectoryError):
                raise FormatError("A file is called as the folder of another one.", where=Where(made), remedy="Rename it.") from None
        return _Home(images, labels)

    def _collision(self, home: str, name: str, label: str) -> FormatError:
        stem = os.path.splitext(name)[0]  # noqa: PTH122 - a name, not a path
        with os.scandir(self._root + home) as entries:
            alike = sorted(home + entry.name for entry in entries if os.path.splitext(entry.name)[0] == stem)  # noqa: PTH122
        if len(alike) < 2:
            return FormatError("There are two images of this name.", where=Where(home + name), remedy="Rename one of them.")
        return FormatError(
            f"{' and '.join(alike)} would have the same label file.",
            where=Where(label),
            remedy="Rename one of them: YOLO finds labels by the image's name without its suffix.",
        )

    def _lines(self, record: ImageRecord, counts: Counter[str]) -> str:
        boxes = record.annotations
        if self._segments and any(isinstance(box.mask, Polygons) for box in boxes):
            return "".join(self._outline(record, box, counts) for box in boxes)
        width, height, number, form = record.width, record.height, self._ids.get, self._box
        return "".join(
            [
                form % (number(a.label, UNLISTED), (a.x + a.w / 2) / width, (a.y + a.h / 2) / height, a.w / width, a.h / height)
                for a in boxes
            ]
        )

    def _outline(self, record: ImageRecord, annotation: Annotation, counts: Counter[str]) -> str:
        if isinstance(annotation.mask, Polygons):
            counts["outlines"] += 1
            counts["joined"] += len(annotation.mask.parts) > 1
            points = one_outline(annotation.mask.parts)
        else:
            counts["corners"] += 1
            left, top, right, bottom = annotation.x, annotation.y, annotation.x + annotation.w, annotation.y + annotation.h
            points = (left, top, right, top, right, bottom, left, bottom)
        size = (record.width, record.height)
        numbers = [self._number % (value / size[place % 2]) for place, value in enumerate(points)]
        return f"{self._ids.get(annotation.label, UNLISTED)}{''.join(numbers)}\n"


def _write_fresh(path: str, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        if os.write(handle, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    finally:
        os.close(handle)


def unsplit_home(dataset: Dataset) -> str:
    """The split that images in no split are written as: train where there are no splits at all."""
    return NO_SPLIT if dataset.splits else TRAIN


def one_outline(parts: tuple[tuple[float, ...], ...]) -> tuple[float, ...]:
    """Several outlines as one: out to the first point of each further part, around it, and back, so the area stays the same."""
    first, *others = parts
    start = first[:2]
    return first + tuple(value for part in others for value in (*start, *part, *part[:2])) + (start if others else ())


def write(dataset: Dataset, destination: Path, options: YoloWriteOptions, audience: Audience, effort: Effort) -> None:
    """Images linked, label files, and data.yaml. FormatError where two images would share a label file, naming both."""
    counts: Counter[str] = Counter()
    splits: dict[str, None] = dict.fromkeys(dataset.splits)
    for split in splits:
        if unsafe_path(split) or "/" in split:
            raise FormatError(f"The split {split[:60]!r} cannot be the name of a folder.", remedy="Rename it.")
        for kind in ("images", "labels"):
            (destination / kind / split).mkdir(parents=True)
    writer = _LabelWriter(dataset, destination, options)
    for chunk_counts, chunk_splits in audience.results(dataset, writer, effort, phase="writing yolo"):
        counts.update(chunk_counts)
        splits |= dict.fromkeys(sorted(chunk_splits))
    (destination / "data.yaml").write_text(data_yaml(dataset.classes, splits), encoding="utf-8")
    for kind, sentence in NOTES.items():
        if counts[kind]:
            audience.ledger.note(sentence.format(count=f"{counts[kind]:,}", home=unsplit_home(dataset)))


def data_yaml(classes: tuple[str, ...], splits: Mapping[str, None]) -> str:
    """Ultralytics' data file: a folder of images for each split, and the names of the classes by id."""
    content: dict[str, object] = {split: f"images/{split}" for split in splits}
    content["names"] = dict(enumerate(classes))
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=10_000)
