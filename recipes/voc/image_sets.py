"""ImageSets/Main: which image is in which split, and which classes there are.

Lists hold one id a line (train.txt, val.txt, trainval.txt, test.txt, or any name). Class lists (<class>_<set>.txt) hold an id and
1, -1 or 0; only their names are used. trainval is train and val together, so it says nothing about an image that is in one of
these. An id without an annotation file is an image that nobody has annotated, as in the devkit's test sets: not one without objects.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO

from recipes.errors import Defects, Where
from recipes.folder import is_image
from recipes.splitting.split_names import in_usual_order
from recipes.voc.layout import Layout, read_bounded

LARGEST_LIST = 64 * 2**20
CLASS_LIST = re.compile(r"(.+)_(?:train|val|trainval|test)")
CLASS_LINE = re.compile(rb"\S.*\s(?:-1|0|1)\s*")
STRAY_FOLDER = "data/"  # the M2Det pipeline of VATIC users puts it before every id of test.txt
MOST_SPLITS = 250


@dataclass(slots=True)
class ImageSets:
    """split_of gives for every annotation file the place of its split in names, plus one; 0 for none.

    unannotated are the images that are listed but have no annotation file, by name, with the list they are in.
    """

    split_of: bytearray
    names: list[str] = field(default_factory=list)
    classes: set[str] = field(default_factory=set)
    unannotated: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def split(self, number: int) -> str | None:
        """The split of a numbered annotation file."""
        place = self.split_of[number]
        return self.names[place - 1] if place else None

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have an image, the usual ones first."""
        return in_usual_order(self.names[place - 1] for place in set(self.split_of) if place)


@dataclass(frozen=True, slots=True)
class _List:
    """A list of one root: its file, the split it stands for, and the folder of the annotation files."""

    path: str
    split: str
    home: str


def read_image_sets(layout: Layout, *, wanted: Collection[str] | None, refuse_unannotated: bool, defects: Defects) -> ImageSets:
    """The lists of every root. wanted names those to use (None: all); ids that contradict each other or name nothing are defects."""
    sets = ImageSets(bytearray(len(layout.files)))
    lists: list[_List] = []
    present: dict[str, None] = {}
    for root, home in layout.roots.items():
        for place in layout.folder.files.below(f"{root}ImageSets/Main/"):
            path = layout.folder.files[place]
            name = path.rpartition("/")[2].removesuffix(".txt")
            if not path.endswith(".txt"):
                continue
            if (told := CLASS_LIST.fullmatch(name)) and _is_class_list(layout, path):
                sets.classes.add(told[1])
            else:
                present[name] = None
                lists.append(_List(path, name, home))
    for name in wanted or ():
        if name not in present:
            defects.add(f"There is no list {name}.txt; there are: {', '.join(present) or 'none'}.", Where("ImageSets/Main"))
    lists = [entry for entry in lists if wanted is None or entry.split in wanted]
    sets.names += dict.fromkeys(entry.split for entry in lists)
    if len(sets.names) > MOST_SPLITS:
        defects.add(f"There are {len(sets.names)} lists; a dataset has at most {MOST_SPLITS} splits.", Where(lists[0].path))
        return sets
    for entry in sorted(lists, key=lambda entry: entry.split == "trainval"):
        _read_list(layout, entry, sets, strict=refuse_unannotated and entry.split != "test", defects=defects)
    return sets


def _read_list(layout: Layout, entry: _List, sets: ImageSets, *, strict: bool, defects: Defects) -> None:
    """Put the images of a list into its split. Line numbers are only looked for where there is something to tell."""
    odd = repeated = 0
    last = ""
    problems: dict[str, str | None] = {}
    for found, name in _places(layout, entry.home, sorted(f"{words}.xml" for words in _ids(layout, entry.path, defects) if words)):
        identifier, place = name.removesuffix(".xml"), found
        if place is None and (place := _otherwise(layout, entry.home, identifier)) is not None:
            odd += 1
        if name == last:
            repeated += 1
        elif place is not None:
            other = _mark(sets, place, entry.split)
            if other is not None:
                problems[identifier] = other
        elif strict:
            problems[identifier] = None
        else:
            sets.unannotated.append((identifier, entry.path))
        last = name
    if problems:
        _tell(layout, entry, problems, defects)
    if odd:
        sets.notes.append(f"{entry.path} names {odd:,} images with a folder or a suffix, which was taken off.")
    if repeated:
        sets.notes.append(f"{entry.path} names {repeated:,} images twice; each is taken once.")


def _tell(layout: Layout, entry: _List, problems: Mapping[str, str | None], defects: Defects) -> None:
    """A defect for every id that is in another list, too (it is named), or has no annotation file (None)."""
    for line, identifier in enumerate(_ids(layout, entry.path, defects), start=1):
        if identifier not in problems:
            continue
        other = problems[identifier]
        if other is None:
            message = f"{identifier} is listed, but there is no annotation file {entry.home}{identifier}.xml."
        else:
            message = f"{identifier} is in {other}, too: an image has one split. The option splits names the lists to use."
        defects.add(message, Where(entry.path, line))


def _ids(layout: Layout, path: str, defects: Defects) -> Iterator[str]:
    """What stands on each line of a list; nothing where it is refused."""
    data = read_bounded(layout.folder, path, LARGEST_LIST)
    if data is None:
        defects.add(f"The list is larger than {LARGEST_LIST:,} bytes, which is refused.", Where(path))
        return
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        defects.add("The list is not UTF-8 text.", Where(path, data.count(b"\n", 0, error.start) + 1))
        return
    yield from (line.strip() for line in StringIO(text, newline="\n"))


def _places(layout: Layout, home: str, wanted: Iterable[str]) -> Iterator[tuple[int | None, str]]:
    """Each wanted name with its place among the annotation files, or None: both are in order, so one walk finds all."""
    places = layout.files.below(home)
    place, end, cut = places.start, places.stop, len(home)
    here = layout.files[place][cut:] if place < end else ""
    for name in wanted:
        while place < end and here < name:
            place += 1
            here = layout.files[place][cut:] if place < end else ""
        yield (place if place < end and here == name else None), name


def _otherwise(layout: Layout, home: str, identifier: str) -> int | None:
    """The place of an id that stands in its list with an image's suffix, or with the folder that the M2Det pipeline puts before it."""
    bare = identifier.removeprefix(STRAY_FOLDER)
    for name in (bare, bare.rpartition(".")[0] if is_image(bare) else bare):
        place = layout.files.find(f"{home}{name}.xml")
        if place is not None:
            return place
    return None


def _mark(sets: ImageSets, place: int, split: str) -> str | None:
    """Put an image into a split; the split that it is in already, where that contradicts."""
    number, other = sets.names.index(split) + 1, sets.split_of[place]
    if not other:
        sets.split_of[place] = number
        return None
    taken = sets.names[other - 1]
    return None if other == number or (split == "trainval" and taken in {"train", "val"}) else taken


def _is_class_list(layout: Layout, path: str) -> bool:
    with layout.folder.path(path).open("rb") as file:
        lines = [line for line in file.read(4096).split(b"\n") if line.strip()][:3]
    return bool(lines) and all(map(CLASS_LINE.fullmatch, lines))
