"""VIA's annotation files taken apart, image by image: JSON of VIA 1 and 2 (annotations or a whole project), and CSV.

Format: ox-vgg/via at aa9b87f, via.js: pack_via_metadata, project_save_confirmed. The regions are an object in VIA 1 and a list
in VIA 2; files exist that hold both. A line of CSV holds one region; the CSV of VIA 1 begins with ``#``.
"""

from __future__ import annotations

import csv
import io
import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

import orjson

from recipes.effort import Effort
from recipes.errors import Defects, FormatError, Where
from recipes.folder import Folder
from recipes.masks.regions import head, split_of
from recipes.names import unsafe_path
from recipes.streams.json_sections import members, sections
from recipes.streams.spooled_entries import SpooledEntries

HEADER = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
METADATA = "_via_img_metadata"
MARKS = (b'"_via_img_metadata"', b'"_via_settings"', b'"shape_attributes"', b'"file_attributes"', b'"base64_img_data"')
VIA_3 = (b'"vid_list"', b'"pid"')
FIRST_KEYS = ("filename", "fileref", "size", "regions", "file_attributes", "base64_img_data")
SNIFFED_FILES = 50
PROGRESS_STEP = 1000
LARGEST_CSV = 1 << 28
Region: TypeAlias = tuple[int, Mapping[str, Any], Mapping[str, Any]]
"""Its number in the image (or its line), shape_attributes, region_attributes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of a file; nothing but the outer form is checked. closed: polygons repeat their first point at the end."""

    file: str
    split: str | None
    is_csv: bool
    key: str
    filename: str
    size: object
    attributes: Mapping[str, Any]
    regions: list[Region]
    closed: bool

    def where(self, origin: int | None = None) -> Where:
        """The place of the image in the file, or of one region of it."""
        if origin is None:
            return Where(self.file, key=self.filename)
        return Where(self.file, origin) if self.is_csv else Where(self.file, key=f"region {origin} of {self.filename}")


@dataclass(slots=True)
class Document:
    """What the pass over a file has learned, besides its images.

    definitions are the region attributes of a project by name; seen counts the regions that have an attribute, texts those where
    it says something in words; names are hashes of the names of images that tell their places here.
    """

    name: str
    definitions: Mapping[str, Any] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    texts: Counter[str] = field(default_factory=Counter)
    regions: int = 0
    names: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def see(self, entry: Entry, defects: Defects) -> None:
        """Learn from an image."""
        names, own = file_names(entry.filename)
        if own and hash(names[0]) in self.names:
            defects.add("The image is annotated twice: another entry has the same filename.", Where(self.name, key=entry.key))
        if own:
            self.names.add(hash(names[0]))
        self.regions += len(entry.regions)
        for _, _, attributes in entry.regions:
            self.seen.update(attributes.keys())
            self.texts.update(key for key, value in attributes.items() if isinstance(value, str | dict) and said(value))


def said(value: object) -> list[str]:
    """What an attribute says: a text, a number, or the ticked options of a checkbox."""
    if isinstance(value, dict):
        return [option.strip() for option, ticked in value.items() if ticked is True and option.strip()]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return []
    return [text] if (text := str(value).strip()) else []


def file_names(filename: str) -> tuple[list[str], bool]:
    """The names under which the file may be here, likeliest first; and whether the first is as good for the dataset.

    It is not where filename is an address or leads to another machine's folders: then only its last parts count.
    """
    if "://" in filename:
        path = unquote(urlsplit(filename, allow_fragments=False).path)
    else:
        path = posixpath.normpath(filename.replace("\\", "/"))
        if not unsafe_path(path):
            return [path], True
    parts = [part for part in path.split("/") if part not in ("", "..", ".")]
    names = ["/".join(parts[-2:]), "/".join(parts[-1:])]
    return [name for name in dict.fromkeys(names) if not unsafe_path(name)], False


def document_names(folder: Folder, *, at_most: int | None = None) -> list[str]:
    """VIA's JSON files, or where there is none its CSV files; at most so many files are looked at."""
    for suffix, looks in ((".json", _looks_like_json), (".csv", _looks_like_csv)):
        found = [name for name in folder.with_suffix(suffix)[:at_most] if looks(head(folder.path(name)))]
        if found:
            return found
    return []


def _looks_like_json(data: bytes) -> bool:
    if not data.startswith(b"{"):
        return False
    return (b'"filename"' in data and b'"regions"' in data) or any(mark in data for mark in MARKS) or all(mark in data for mark in VIA_3)


def _looks_like_csv(data: bytes) -> bool:
    return data.lstrip(b"#").startswith(HEADER.encode())


def load(folder: Folder, name: str, entries: SpooledEntries[Entry], *, alone: bool, defects: Defects, effort: Effort) -> Document:
    """Add the images of a file, which may be the only one, to the entries. Images that have not the form go to defects.

    FormatError where the whole file has not.
    """
    document, split = Document(name), split_of(name, alone=alone)
    if name.lower().endswith(".csv"):
        found = _csv_entries(folder, document, split, defects)
    else:
        found = _json_entries(folder, document, split, defects)
    for entry in found:
        document.see(entry, defects)
        entries.add(tuple(getattr(entry, name) for name in Entry.__slots__))
        if len(entries) % PROGRESS_STEP == 0:
            effort.progress(len(entries), 0, "reading regions")
    return document


def _json_entries(folder: Folder, document: Document, split: str | None, defects: Defects) -> Iterator[Entry]:
    for batch in _batches(folder, document):
        for key, raw in batch.items():
            entry = _entry(document.name, split, key, raw, defects)
            if entry is not None:
                yield entry


def _batches(folder: Folder, document: Document) -> Iterator[dict[str, Any]]:
    """The images of a JSON file by their keys; the definitions of a project go to the document."""
    path, name = folder.path(document.name), document.name
    beginning = head(path)
    if all(mark in beginning for mark in VIA_3):
        remedy = "Open it in VIA 3 and export it as COCO, or annotate images with VIA 2."
        raise FormatError("This is a project of VIA 3, which is another format.", where=Where(name), remedy=remedy)
    if b'"_via_' not in beginning:
        yield from members(path, name, FIRST_KEYS)
        return
    found = False
    for key, value in sections(path, name, objects={METADATA: FIRST_KEYS}):
        if key == METADATA:
            if not isinstance(value, dict):
                raise FormatError(f"{METADATA} is no object.", where=Where(name))
            found = True
            yield value
        elif key == "_via_attributes" and isinstance(value, dict) and isinstance(value.get("region"), dict):
            document.definitions = value["region"]
            document.seen.update(dict.fromkeys(document.definitions, 0))
    if not found:
        raise FormatError(f"The project has no {METADATA}.", where=Where(name))


def _entry(file: str, split: str | None, key: str, raw: Any, defects: Defects) -> Entry | None:
    where = Where(file, key=key[:200])
    if not isinstance(raw, dict) or not isinstance(raw.get("filename"), str) or not raw["filename"]:
        defects.add("An image must be an object with a filename.", where)
        return None
    regions, attributes = raw.get("regions"), raw.get("file_attributes") or {}
    if not isinstance(regions, dict | list) or not isinstance(attributes, dict) or not _is_shallow(attributes):
        defects.add("An image needs regions (an object or a list), and file_attributes must be an object.", where)
        return None
    closed = isinstance(regions, dict)
    numbered = regions.items() if isinstance(regions, dict) else enumerate(regions)
    found: list[Region] = []
    for place, (number, region) in enumerate(numbered):
        shape = region.get("shape_attributes") if isinstance(region, dict) else None
        own = (region.get("region_attributes") or {}) if isinstance(region, dict) else None
        if not isinstance(shape, dict) or not isinstance(own, dict) or not _is_shallow(own):
            where = Where(file, key=f"region {place} of {key}")
            defects.add("A region must be an object with shape_attributes and region_attributes.", where)
            continue
        found.append((int(number) if str(number).isdecimal() and len(str(number)) < 10 else place, shape, own))
    return Entry(file, split, False, key, raw["filename"], raw.get("size"), attributes, found, closed)


def _csv_entries(folder: Folder, document: Document, split: str | None, defects: Defects) -> Iterator[Entry]:
    """The images of a CSV file, which holds few enough to be held at once; rows of one image may lie apart."""
    name, path = document.name, folder.path(document.name)
    if path.stat().st_size > LARGEST_CSV:
        raise FormatError(f"The file has more than {LARGEST_CSV:,} bytes.", where=Where(name), remedy="Export it from VIA as JSON.")
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise FormatError("The file is not UTF-8.", where=Where(name, line), remedy="Save it as UTF-8.") from error
    images: dict[str, tuple[int, list[str], list[Region]]] = {}
    for line, row in _rows(text, name):
        region = _csv_region(row, Where(name, line), defects)
        if region is not None:
            _, _, regions = images.setdefault(row[0], (line, row, []))
            regions += [(line, *region)] if region[0] else []
    for filename, (line, row, regions) in images.items():
        attributes = _object(row[2])
        if attributes is None:
            defects.add("file_attributes is no JSON object.", Where(name, line))
            continue
        if row[3].strip() != str(len(regions)):
            document.notes.append(f"{name}: {filename} should have {row[3][:20]} regions and has {len(regions)}; lines may be missing.")
        yield Entry(name, split, True, f"line {line}", filename, row[1], attributes, regions, text.startswith("#"))


def _rows(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """(line, fields) of every row below the header."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for number, row in enumerate(reader):
            if number and row:
                yield reader.line_num, row
    except csv.Error as error:
        raise FormatError(f"This is not CSV: {error}.", where=Where(name, reader.line_num)) from error


def _csv_region(row: list[str], where: Where, defects: Defects) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    columns = HEADER.count(",") + 1
    if len(row) != columns or not row[0]:
        defects.add(f"A row needs a filename and {columns} fields, not {len(row)}.", where)
        return None
    shape, own = _object(row[5]), _object(row[6])
    if shape is None or own is None:
        defects.add("region_shape_attributes and region_attributes must be JSON objects.", where)
        return None
    return shape, own


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) and _is_shallow(value) else None


def _is_shallow(value: object, allowed: int = 8) -> bool:
    """Whether no value is nested deeper than attributes ever are, and writers can follow."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return allowed > 0 and all(_is_shallow(one, allowed - 1) for one in inner if isinstance(one, dict | list))
