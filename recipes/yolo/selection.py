"""Which images a YOLO dataset has, in which split, and what they are called in the dataset."""

from __future__ import annotations

import posixpath
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from operator import ne

from recipes.errors import Defects, Where
from recipes.folder import Folder
from recipes.yolo.config import OPTIONAL_SPLITS, SPLITS, Config, Entry

MOST_DEFECTS = 10_000
LONGEST_LINE = 4_096


@dataclass(slots=True)
class Part:
    """The images of a split by their places among the folder's images; base is the folder that they are named from."""

    split: str | None
    places: array[int] = field(default_factory=lambda: array("L"))
    base: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """Numbered images, part after part."""

    folder: Folder
    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return sum(len(part.places) for part in self.parts)

    def names(self) -> Iterator[tuple[Part, str]]:
        """Every image by its name in the folder, with its part."""
        images = self.folder.images
        return ((part, images[place]) for part in self.parts for place in part.places)

    def lookup(self) -> Numbered:
        """The images by their numbers, for random access."""
        return Numbered(self)


class Numbered:
    """Image number n of a selection."""

    def __init__(self, selection: Selection) -> None:
        self._parts = selection.parts
        self._images = selection.folder.images
        self._starts = list(accumulate((len(part.places) for part in selection.parts), initial=0))

    def __call__(self, number: int) -> tuple[Part, str]:
        """The part and the name in the folder."""
        part = bisect_right(self._starts, number) - 1
        return self._parts[part], self._images[self._parts[part].places[number - self._starts[part]]]


def select(folder: Folder, config: Config | None, defects: Defects) -> Selection:
    """The images that the data file names, or all of them where there is none (or it names none)."""
    notes: list[str] = []
    parts = _by_entries(folder, config, defects, notes) if config and config.entries else _by_folders(folder)
    parts = [part for part in parts if part.places]
    if not _distinct_names(folder, parts):
        for part in parts:
            part.base = ""
    return Selection(folder, tuple(parts), tuple(notes))


def _by_folders(folder: Folder) -> list[Part]:
    """Splits by the names of the folders: train/images, images/valid."""
    parts = {split: Part(split) for split in (*dict.fromkeys(SPLITS.values()), None)}
    for place, name in enumerate(folder.images):
        words = name.lower().split("/")[:-1]
        parts[next((SPLITS[word] for word in words if word in SPLITS), None)].places.append(place)
    for part in parts.values():
        part.base = _common_folder(folder, part.places)
    return list(parts.values())


def _by_entries(folder: Folder, config: Config, defects: Defects, notes: list[str]) -> list[Part]:
    taken = bytearray(len(folder.images))
    parts: dict[str, Part] = {}
    doubled = 0
    for split in dict.fromkeys(entry.split for entry in config.entries):
        entries = [entry for entry in config.entries if entry.split == split]
        part = parts[split] = Part(split)
        for entry in entries:
            for place in _places(folder, config, entry, defects, notes):
                if taken[place]:
                    doubled += 1
                    continue
                taken[place] = 1
                part.places.append(place)
        whole = config.paths.images_below(entries[0].written) if len(entries) == 1 else None
        part.base = (whole and whole[0]) or _common_folder(folder, part.places)
    if doubled:
        notes.append(f"{config.name} names {doubled:,} images twice: each is read once, in the split that comes first.")
    if unnamed := taken.count(0):
        notes.append(f"{unnamed:,} images that {config.name} does not name are left out, as {folder.images[taken.find(0)]}.")
    return list(parts.values())


def _places(folder: Folder, config: Config, entry: Entry, defects: Defects, notes: list[str]) -> Sequence[int]:
    written = entry.written
    if below := config.paths.images_below(written):
        return below[1]
    if (place := config.paths.image(written)) is not None:
        return [place]
    if (name := config.paths.file(written)) is not None:
        return _listed(folder, config, name, defects)
    sentence = f"There is no folder with images and no list {written[:200]!r} for the split {entry.split}."
    if entry.split in OPTIONAL_SPLITS:
        notes.append(f"{config.name}: {sentence}")
    else:
        defects.add(sentence, entry.where)
    return ()


def _listed(folder: Folder, config: Config, name: str, defects: Defects) -> array[int]:
    """The images of a list file, a path a line: from the file's own folder, or from wherever the data file's paths start."""
    places = array("L")
    home = posixpath.dirname(name)
    number = 0
    with folder.path(name).open("rb") as file:
        while line := file.readline(LONGEST_LINE):
            number += 1
            written = line.strip().decode(errors="replace").removeprefix("\ufeff")
            if not written:
                continue
            place = config.paths.image(written)
            if place is None and home:
                place = config.paths.image(posixpath.join(home, written))
            if place is not None:
                places.append(place)
                continue
            defects.add(f"The image {written[:200]!r} is not here.", Where(name, number))
            if defects.count >= MOST_DEFECTS:
                defects.add("Too much is missing: the list was read no further.", Where(name, number))
                break
    return places


def _common_folder(folder: Folder, places: Sequence[int]) -> str:
    if not places:
        return ""
    first, last = folder.images[min(places)], folder.images[max(places)]  # of names in order, the ends share what all share
    common = posixpath.commonpath([posixpath.dirname(first), posixpath.dirname(last)])
    return f"{common}/" if common else ""


def _distinct_names(folder: Folder, parts: Sequence[Part]) -> bool:
    """Whether no two images have the same name when each is named from its part's base."""
    if len(parts) < 2:
        return True
    names = sorted_hashes(folder.images[place][len(part.base) :] for part in parts for place in part.places)
    return all(map(ne, names, names[1:]))


def sorted_hashes(names: Iterable[str]) -> array[int]:
    """Eight bytes for each name, in ascending order: names are told apart by them (64 bits do not collide here)."""
    return array("q", sorted(map(hash, names)))
