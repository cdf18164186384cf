"""The rows of VoTT's CSV exports, checked and brought together by image.

Format: microsoft/VoTT at 47f5e00, providers/export/csv.ts, written by json2csv: texts quoted, quotes doubled, numbers bare.
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise
from urllib.parse import unquote

from recipes.errors import Defects, FormatError, Where
from recipes.folder import Folder
from recipes.masks.regions import head, home_of
from recipes.pictures.image_index import ImageIndex
from recipes.streams.file_names import FileNames
from recipes.streams.grouping import Grouping

COLUMNS = ["image", "xmin", "ymin", "xmax", "ymax", "label"]
HEADERS = (",".join(COLUMNS).encode(), ",".join(f'"{column}"' for column in COLUMNS).encode())
SUBJECT = "The annotation"


def csv_files(folder: Folder, *, at_most: int | None = None) -> list[str]:
    """The CSV files with VoTT's columns; at most so many are looked into."""
    return [name for name in folder.with_suffix(".csv")[:at_most] if head(folder.path(name)).startswith(HEADERS)]


class Rows:
    """The boxes of each image of a folder by its number: (label, x, y, w, h, file, line), labels and files by number."""

    def __init__(self, folder: Folder, files: Sequence[str], boxes: Grouping) -> None:
        self._folder, self.files, self._boxes = folder, files, boxes
        self._index = ImageIndex(folder)
        self._labels: dict[str, int] = {}
        self._defects = Defects()
        self._last: tuple[str, int | None] = ("", None)

    @property
    def labels(self) -> list[str]:
        """Every label, by its number."""
        return list(self._labels)

    def read(self) -> None:
        """Read all files. FormatError with every defect, each with file and line."""
        for number, name in enumerate(self.files):
            self._last = ("", None)
            for line, row in self._rows(name):
                self._add(number, Where(name, line), row)
        self._boxes.settle()
        self._defects.raise_if_any(SUBJECT, remedy="Export it again from VoTT, with its images.")

    def _rows(self, name: str) -> Iterator[tuple[int, list[str]]]:
        # Bytes that are not UTF-8 pass as surrogates, so that their row can be named.
        with self._folder.path(name).open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.reader(file, strict=True)
            try:
                for number, row in enumerate(reader):
                    if number and row:
                        yield reader.line_num, row
            except csv.Error as error:
                self._defects.add(f"From here on this is no CSV: {error}.", Where(name, reader.line_num))

    def _add(self, file: int, where: Where, row: list[str]) -> None:
        if len(row) != len(COLUMNS):
            self._defects.add(f"A row has {len(COLUMNS)} fields ({', '.join(COLUMNS)}), not {len(row)}.", where)
            return
        if any("\udc80" <= letter <= "\udcff" for text in row if not text.isascii() for letter in text):
            self._defects.add("The row is not UTF-8.", where)
            return
        name, *corners, label = row
        numbers = [_number(corner) for corner in corners]
        columns = zip(COLUMNS[1:], corners, numbers, strict=False)
        wrong = [f"{column} is {corner[:40]!r}" for column, corner, value in columns if value is None]
        x1, y1, x2, y2 = (number or 0.0 for number in numbers)
        if wrong:
            self._defects.add(f"{' and '.join(wrong)}; it must be a number of pixels.", where)
        elif not label.strip():
            self._defects.add("The label is empty.", where)
        elif (image := self._image(name, where)) is not None:
            number = self._labels.setdefault(label, len(self._labels))
            self._boxes.add(image, (number, x1, y1, x2 - x1, y2 - y1, file, where.line))

    def _image(self, name: str, where: Where) -> int | None:
        """The number of an image, which as a rule is that of the row before."""
        if name != self._last[0]:
            try:
                self._last = (name, self._find(name, where))
            except FormatError as error:
                self._defects.add_error(error)
                self._last = (name, None)
                return None
        elif self._last[1] is None:
            self._defects.add(f"The image {name[:200]!r} is not here.", where)
        return self._last[1]

    def _find(self, name: str, where: Where) -> int | None:
        images, home = self._folder.images, home_of(where.file)
        names = dict.fromkeys((name, unquote(name)))
        for called in names:
            place = images.find(home + called)
            if place is not None:
                return place
        problem = ""
        for called in names:
            found, problem = self._index.find(called, beside=where.file, split=None)
            if found:
                return images.find(found)
        raise FormatError(problem.replace("The image is", f"The image {name[:200]!r} is"), where=where)


def _number(text: str) -> float | None:
    """What json2csv writes for a number, NaN included: whoever checks the boxes shall see it."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def dataset_names(images: FileNames, homes: Sequence[str]) -> tuple[array[int], bool]:
    """For each image how many letters of its name are the folder of its file (the first home it is in); whether names then differ."""
    cuts = array("H", (next((len(home) for home in homes if name.startswith(home)), 0) for name in images))
    hashes = array("q", sorted(hash(name[cut:]) for name, cut in zip(images, cuts, strict=True)))
    return cuts, all(one != other for one, other in pairwise(hashes))
