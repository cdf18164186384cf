"""VoTT's Pascal VOC export: Annotations, JPEGImages, ImageSets/Main/<tag>_train.txt and <tag>_val.txt, pascal_label_map.pbtxt.

Format: microsoft/VoTT at 47f5e00, providers/export/pascalVOC.ts. It is VOC by its form alone: corners are floats and edges of
0-based pixels, unclipped; lists name files with their suffix, one list for each tag and none for all; texts are not escaped.
An image that a list of val names is in val. An image that no list names (nobody tagged it) is in no split.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from recipes.dataset import Annotation, Dataset, ImageRecord
from recipes.effort import Effort
from recipes.errors import Defects, FormatError, Where
from recipes.folder import Folder
from recipes.formats import NOT_MINE, Format, Sniff
from recipes.masks.regions import Pictures, head, home_of
from recipes.parameters import NoParameters
from recipes.streams.file_names import FileNames
from recipes.streams.spool import Reading, read_each
from recipes.voc.document import LARGEST_BYTES, Document, parse

ANNOTATIONS, IMAGES, LISTS, LABEL_MAP = "Annotations/", "JPEGImages/", "ImageSets/Main/", "pascal_label_map.pbtxt"
MARK = re.compile(rb'<annotation verified="yes">\s*<folder>Annotation</folder>.{,4096}?-PascalVOC-export/', re.DOTALL)
BARE_AMPERSAND = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9A-Fa-f]{1,6});)")
LABEL = re.compile(r"^ *name: '(.*)' *\r?$", re.MULTILINE)
LISTED = re.compile(r"(.+) (?:-1|1) *")
LARGEST_TEXT = 1 << 26


def sniff(folder: Folder) -> Sniff:
    """VOC with the label map or the paths that only VoTT writes."""
    for name in _annotations(folder)[:1]:
        if f"{_root(name)}{LABEL_MAP}" in folder.files or MARK.search(head(folder.path(name))):
            return Sniff(0.95, f"{name} is of VoTT's Pascal VOC export")
    return NOT_MINE


def read(folder: Folder, _: NoParameters, effort: Effort) -> Dataset:
    """Every annotation file with its image, by name; tags in the order of the label map. One FormatError with all defects."""
    names = _annotations(folder)
    roots = list(dict.fromkeys(map(_root, names)))
    if not roots:
        raise FormatError("There is no Pascal VOC export of VoTT here.", where=Where(str(folder.root)))
    defects = Defects()
    splits = {root: _splits(folder, root, defects) for root in roots}
    defects.raise_if_any("The set of lists")
    reader = _Reader(folder, Pictures.of(folder), splits)
    found = read_each(names, reader.record, effort, subject="The annotation", remedy="Export it again from VoTT, with its images.")
    maps = (f"{root}{LABEL_MAP}" for root in roots)
    tags = dict.fromkeys(tag for name in maps if name in folder.files for tag in LABEL.findall(_text(folder, name)))
    mended = found.counts["ampersand"]
    notes = [f"{mended:,} annotation files hold & where XML wants &amp;, as VoTT writes it; it is read as &."] if mended else []
    ordered = [split for split in ("train", "val") if split in found.splits]
    return found.dataset((*tags, *sorted(set(found.labels) - tags.keys())), splits=ordered, notes=notes)


def _annotations(folder: Folder) -> FileNames:
    return FileNames(name for name in folder.with_suffix(".xml") if f"/{name}".endswith(f"/{ANNOTATIONS}{name.rpartition('/')[2]}"))


def _root(name: str) -> str:
    """The folder that Annotations lies in, with '/'; empty for the whole."""
    return home_of(name).removesuffix(ANNOTATIONS)


def _text(folder: Folder, name: str) -> str:
    path = folder.path(name)
    if path.stat().st_size > LARGEST_TEXT:
        raise FormatError(f"The file has more than {LARGEST_TEXT:,} bytes, which is refused.", where=Where(name))
    return path.read_bytes().removeprefix(b"\xef\xbb\xbf").decode(errors="replace")


def _splits(folder: Folder, root: str, defects: Defects) -> dict[str, str]:
    """train or val of every image that a list names."""
    splits: dict[str, str] = {}
    for name in (folder.files[place] for place in folder.files.below(f"{root}{LISTS}")):
        split = next((split for split in ("train", "val") if name.endswith(f"_{split}.txt")), None)
        for line, text in enumerate(_text(folder, name).splitlines() if split else (), start=1):
            listed = LISTED.fullmatch(text)
            if listed is None:
                defects.add(f"A line must be a file and 1 or -1, not {text[:60]!r}.", Where(name, line))
            elif split == "val" or listed[1] not in splits:
                splits[listed[1]] = split or ""
    return splits


@dataclass(frozen=True)
class _Reader:
    """Reads one annotation file at a time; splits by root and file name."""

    folder: Folder
    pictures: Pictures
    splits: Mapping[str, Mapping[str, str]]

    def record(self, name: str, reading: Reading) -> ImageRecord | None:
        """The image of an annotation file; None where it has defects. FormatError where its image is not there."""
        path, where = self.folder.path(name), Where(name)
        if path.stat().st_size > LARGEST_BYTES:
            raise FormatError(f"The file has more than {LARGEST_BYTES:,} bytes, which is refused.", where=where)
        data, mended = BARE_AMPERSAND.subn(b"&amp;", path.read_bytes())
        reading.counts["ampersand"] += mended > 0
        document = parse(data, name, reading.defects)
        if document is None:
            return None
        if not document.filename:
            raise FormatError("The <filename> is missing.", where=where)
        root = _root(name)
        told = document.filename
        called, file = self.pictures.find(list(dict.fromkeys((told, unquote(told)))), beside=f"{root}{IMAGES}", split=None, where=where)
        width, height = self.pictures.size(file, said=document.size, where=where)
        own = f"{root}{called}" if len(self.splits) > 1 else called
        path = Path(self.pictures.path(file))
        return ImageRecord(own, path, width, height, tuple(_boxes(document)), self.splits[root].get(told), source_file=name)


def _boxes(document: Document) -> Iterator[Annotation]:
    for label, x1, y1, x2, y2, flags, attributes, line in document.objects:
        yield Annotation(label, x1, y1, x2 - x1, y2 - y1, flags, attributes=attributes, origin=line)


FORMAT = Format("vott_voc", "VoTT Pascal VOC exports", sniff=sniff, read=read)
