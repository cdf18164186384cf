"""VIA's annotation files taken apart, image by image: JSON of VIA 1 and 2 (annotations or a whole project), and CSV.

Format: ox-vgg/via at aa9b87f, via.js: pack_via_metadata, project_save_confirmed. The regions are an object in VIA 1 and a list
in VIA 2; files exist that hold both. A line of CSV holds one region; the CSV of VIA 1 begins with ``#``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from recipes.errors import Defects, FormatError, Where
from recipes.folder import Folder
from recipes.regions import LARGEST_FILE, head, split_of

HEADER = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
METADATA = "_via_img_metadata"
MARKS = (b'"_via_img_metadata"', b'"_via_settings"', b'"shape_attributes"', b'"file_attributes"', b'"base64_img_data"')
VIA_3 = (b'"vid_list"', b'"pid"')
SNIFFED_FILES = 50
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
    regions: tuple[Region, ...]
    closed: bool

    def where(self, origin: int | None = None) -> Where:
        """The place of the image in the file, or of one region of it."""
        if origin is None:
            return Where(self.file, key=self.filename)
        return Where(self.file, origin) if self.is_csv else Where(self.file, key=f"region {origin} of {self.filename}")


@dataclass(frozen=True, slots=True)
class Document:
    """A file with its images; definitions are the region attributes of a project, by name."""

    name: str
    entries: tuple[Entry, ...]
    definitions: Mapping[str, Any]
    notes: tuple[str, ...] = ()


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


def load(folder: Folder, name: str, *, alone: bool, defects: Defects) -> Document:
    """Read one file, which may be the only one; images that have not the form go to defects. FormatError where the whole file has not."""
    path = folder.path(name)
    if path.stat().st_size > LARGEST_FILE:
        raise FormatError(f"The file has more than {LARGEST_FILE:,} bytes.", where=Where(name), remedy="Send it in parts.")
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    split = split_of(name, alone=alone)
    return _load_csv(data, name, split, defects) if name.lower().endswith(".csv") else _load_json(data, name, split, defects)


def _load_json(data: bytes, name: str, split: str | None, defects: Defects) -> Document:
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise FormatError(f"This is not JSON: {error.msg}.", where=Where(name, error.lineno)) from error
    if not isinstance(document, dict):
        raise FormatError("The file holds no JSON object.", where=Where(name))
    if "metadata" in document and "config" in document:
        remedy = "Open it in VIA 3 and export it as COCO, or annotate images with VIA 2."
        raise FormatError("This is a project of VIA 3, which is another format.", where=Where(name), remedy=remedy)
    images = document.get(METADATA, document)
    if not isinstance(images, dict):
        raise FormatError(f"{METADATA} is no object.", where=Where(name))
    entries = tuple(entry for key, raw in images.items() if (entry := _entry(name, split, key, raw, defects)))
    definitions = document.get("_via_attributes")
    of_regions = definitions.get("region") if isinstance(definitions, dict) else None
    return Document(name, entries, of_regions if isinstance(of_regions, dict) else {})


def _entry(file: str, split: str | None, key: str, raw: Any, defects: Defects) -> Entry | None:
    where = Where(file, key=key[:200])
    if not isinstance(raw, dict) or not isinstance(raw.get("filename"), str) or not raw["filename"]:
        defects.add("An image must be an object with a filename.", where)
        return None
    regions, attributes = raw.get("regions"), raw.get("file_attributes") or {}
    if not isinstance(regions, dict | list) or not isinstance(attributes, dict):
        defects.add("An image needs regions (an object or a list), and file_attributes must be an object.", where)
        return None
    closed = isinstance(regions, dict)
    numbered = regions.items() if isinstance(regions, dict) else enumerate(regions)
    found: list[Region] = []
    for place, (number, region) in enumerate(numbered):
        shape = region.get("shape_attributes") if isinstance(region, dict) else None
        own = (region.get("region_attributes") or {}) if isinstance(region, dict) else None
        if not isinstance(shape, dict) or not isinstance(own, dict):
            where = Where(file, key=f"region {place} of {key}")
            defects.add("A region must be an object with shape_attributes and region_attributes.", where)
            continue
        found.append((int(number) if str(number).isdecimal() and len(str(number)) < 10 else place, shape, own))
    return Entry(file, split, False, key, raw["filename"], raw.get("size"), attributes, tuple(found), closed)


def _load_csv(data: bytes, name: str, split: str | None, defects: Defects) -> Document:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise FormatError("The file is not UTF-8.", where=Where(name, line), remedy="Save it as UTF-8.") from error
    closed = text.startswith("#")
    images: dict[str, tuple[int, list[str], list[Region]]] = {}
    for line, row in _rows(text, name):
        region = _csv_region(row, Where(name, line), defects)
        if region is not None:
            _, _, regions = images.setdefault(row[0], (line, row, []))
            regions += [(line, *region)] if region[0] else []
    entries: list[Entry] = []
    notes: list[str] = []
    for filename, (line, row, regions) in images.items():
        attributes = _object(row[2])
        if attributes is None:
            defects.add("file_attributes is no JSON object.", Where(name, line))
            continue
        if row[3].strip() != str(len(regions)):
            notes.append(f"{name}: {filename} should have {row[3][:20]} regions and has {len(regions)}; lines may be missing.")
        entries.append(Entry(name, split, True, f"line {line}", filename, row[1], attributes, tuple(regions), closed))
    return Document(name, tuple(entries), {}, tuple(notes))


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
    return value if isinstance(value, dict) else None
