"""Images without annotations, named by list files: one name on each line, a list for each split (train.txt, val.txt, test.txt)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from recipes.dataset import Dataset, ImageRecord
from recipes.effort import Effort
from recipes.errors import Defects, FormatError, Where
from recipes.folder import Folder, is_image
from recipes.formats import NOT_MINE, Format, Sniff
from recipes.parameters import Parameters
from recipes.pictures.image_header import read_size
from recipes.pictures.image_index import ImageIndex
from recipes.splitting.split_names import split_in
from recipes.streams.spool import Reading, read_each

MAX_LINE = 4096
SNIFFED_FILES, SNIFFED_LINES = 20, 20


class ImageListOptions(Parameters):
    """lists: the list files to read; all that are there where none is named."""

    lists: tuple[str, ...] = ()


def sniff(folder: Folder) -> Sniff:
    """A text file whose first lines are all names of images."""
    names = _lists(folder, SNIFFED_FILES)
    return Sniff(0.3, f"{names[0]} is a list of images") if names and folder.images else NOT_MINE


def _lists(folder: Folder, most: int | None = None) -> list[str]:
    return [name for name in folder.with_suffix(".txt", ".lst")[:most] if _names_images(folder.path(name))]


def _names_images(path: Path) -> bool:
    with path.open("rb") as file:
        lines = [line for line in (file.readline(MAX_LINE).strip() for _ in range(SNIFFED_LINES)) if line]
    return bool(lines) and all(is_image(line.decode(errors="replace")) for line in lines)


def read(folder: Folder, options: ImageListOptions, effort: Effort) -> Dataset:
    """Every listed image in the order of the lists; FormatError names by file and line each that is not here, unreadable or twice there."""
    names = options.lists or tuple(_lists(folder))
    unknown = [name for name in names if name not in folder.files]
    if unknown or not names:
        raise FormatError("There is no such list of images.", where=Where(unknown[0] if unknown else str(folder.root)))
    index, defects = ImageIndex(folder), Defects()
    lines = [entry for name in names for entry in _entries(folder, name, index, defects)]
    _find_twice(lines, defects)
    defects.raise_if_any("The list", remedy="Send the missing images, or take these lines out.")

    def parse(entry: tuple[str, str, int], _: Reading) -> ImageRecord:
        image, name, _line = entry
        return ImageRecord(image, folder.path(image), *read_size(folder.path(image), name=image), split=_split(name), source_file=name)

    subject = f"The set of {len(lines):,} images"
    read = read_each(lines, parse, effort, subject=subject, remedy="Send them again or take them off the list.")
    return read.dataset(())


def _entries(folder: Folder, name: str, index: ImageIndex, defects: Defects) -> Iterator[tuple[str, str, int]]:
    """(image, list, line) of each line. A path of another machine is found by its last part."""
    with folder.path(name).open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE), b""), start=1):
            text = line.decode(errors="replace").strip().replace("\\", "/").removeprefix("./")
            if text:
                found, problem = (text, "") if text in folder.images else index.find(text, beside=name, split=_split(name))
                if problem:
                    defects.add(f"{text[:200]}: {problem}", Where(name, number))
                else:
                    yield found, name, number


def _find_twice(lines: list[tuple[str, str, int]], defects: Defects) -> None:
    first: dict[str, tuple[str, int]] = {}
    for image, name, number in lines:
        if first.setdefault(image, (name, number)) != (name, number):
            defects.add(f"{image} is listed twice, first in {Where(*first[image])}.", Where(name, number))


def _split(name: str) -> str | None:
    return split_in([PurePosixPath(name).stem])


FORMAT = Format("image_list", "images named by list files, without annotations", sniff=sniff, read=read, read_options=ImageListOptions)
