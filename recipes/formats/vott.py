"""VoTT 2: a project with its asset files, or the JSON export; images beside them or wherever their names lead.

Format: microsoft/VoTT at 47f5e00. Boxes are 0-based continuous pixels and may cross the border. Names are encoded as in
addresses (%20); a frame is called ``v.mp4#t=5.066667``, and its exported file .jpg besides. Assets that nobody has looked at are
no images without objects: they are left out, as VoTT's own exports do. Written: the JSON export.
"""

from __future__ import annotations

import colorsys
import hashlib
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import orjson

from recipes.dataset import Annotation, Dataset, Feature, ImageRecord, Polygons
from recipes.effort import Effort
from recipes.folder import Folder, suffix
from recipes.formats import NOT_MINE, Format, Sniff
from recipes.masks.regions import Pictures
from recipes.observing import Audience
from recipes.parameters import Parameters
from recipes.streams.spool import Spooled, read_each
from recipes.vott.assets import IMAGE, VISITED, AssetReader, States, sentences
from recipes.vott.documents import FRAME_RATE, SNIFFED_FILES, TAGGED, Documents, find_files, load
from recipes.vott.exports import Form, write_exports

VERSION = "2.2.0"
HOLDS = frozenset({Feature.POLYGONS, Feature.SPLIT, Feature.BOXLESS, Feature.UNUSED_CLASS})
GOLDEN = 0.618034


class VottOptions(Parameters):
    """assets: which are read: those that were visited, only the tagged, or all. images: whether the files must be there."""

    assets: States = "visited"
    images: Literal["required", "absent"] = "required"


class VottWriteOptions(Parameters):
    """project: the name that the export is called after."""

    project: str = "signalbox"


def sniff(folder: Folder) -> Sniff:
    """An asset file or a JSON file in the form of an export; a project alone has no regions, so another export of it is surer."""
    projects, assets, exports = find_files(folder, at_most=SNIFFED_FILES)
    names = (*assets[:1], *exports[:1], *projects[:1])
    return Sniff(0.97 if assets or exports else 0.5, f"{names[0]} is a file of VoTT") if names else NOT_MINE


def read(folder: Folder, options: VottOptions, effort: Effort) -> Dataset:
    """Every asset; tags in the project's order. FormatError names defects by file, asset and region."""
    documents = load(folder, effort)
    pictures = Pictures.of(folder) if options.images == "required" else None
    frame_rates = {project.home: project.frame_rate for project in documents.projects}
    reader = AssetReader(folder, pictures, options.assets, documents, frame_rates)
    remedy = "Export it again from VoTT, with its images."
    found = read_each(documents.assets, reader.record, effort, subject="The annotation", remedy=remedy)
    tags = dict.fromkeys(tag for project in documents.projects for tag in project.tags)
    others = sorted(set(found.labels) - tags.keys())
    return found.dataset((*tags, *others), notes=_notes(documents, found, others))


def _notes(documents: Documents, found: Spooled, others: list[str]) -> list[str]:
    notes = [*documents.notes, *sentences(found.counts)]
    if others and documents.projects:
        notes.append(f"These tags are not in the project's list: {', '.join(map(repr, others))}.")
    return notes


def write(dataset: Dataset, destination: Path, options: VottWriteOptions, audience: Audience, effort: Effort) -> None:
    """vott-json-export/<project>-export.json with its images beside it, in a folder for each split."""
    project = {
        "name": options.project,
        "videoSettings": {"frameExtractionRate": int(FRAME_RATE)},
        "tags": [{"name": name, "color": _color(number)} for number, name in enumerate(dataset.classes)],
        "id": _identity(options.project),
        "activeLearningSettings": {"autoDetect": False, "predictTag": True, "modelPathType": "coco"},
        "version": VERSION,
    }
    start = orjson.dumps(project)[:-1] + b',"assets":{\n'
    form = Form(f"vott-json-export/{options.project}-export.json", start, b",\n", b"\n}}")
    lost = write_exports(dataset, destination, form, _asset, audience, effort)
    if lost:
        audience.ledger.note(f"{lost:,} masks have several outlines, and a region of VoTT has one: they are written as rectangles.")


def _asset(record: ImageRecord) -> tuple[bytes, int]:
    """The asset, and how many of its masks have more outlines than a region."""
    identity = _identity(record.name)
    asset = {
        "format": suffix(record.name)[1:],
        "id": identity,
        "name": record.name,
        "path": f"file:{quote(record.name)}",
        "size": {"width": record.width, "height": record.height},
        "state": TAGGED if record.annotations else VISITED,
        "type": IMAGE,
    }
    regions = [_region(f"{identity[:8]}-{number}", annotation) for number, annotation in enumerate(record.annotations)]
    lost = sum(isinstance(box.mask, Polygons) and len(box.mask.parts) > 1 for box in record.annotations)
    return orjson.dumps(identity) + b":" + orjson.dumps({"asset": asset, "regions": regions, "version": VERSION}), lost


def _region(identity: str, annotation: Annotation) -> dict[str, Any]:
    x, y, w, h = annotation.x, annotation.y, annotation.w, annotation.h
    outline = annotation.mask.parts[0] if isinstance(annotation.mask, Polygons) and len(annotation.mask.parts) == 1 else None
    corners = outline or (x, y, x + w, y, x + w, y + h, x, y + h)
    return {
        "id": identity,
        "type": "POLYGON" if outline else "RECTANGLE",
        "tags": [annotation.label],
        "boundingBox": {"height": h, "width": w, "left": x, "top": y},
        "points": [{"x": px, "y": py} for px, py in zip(corners[::2], corners[1::2], strict=True)],
    }


def _identity(text: str) -> str:
    """VoTT's ids are MD5 sums of paths."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _color(number: int) -> str:
    red, green, blue = colorsys.hsv_to_rgb(number * GOLDEN % 1, 0.8, 0.8)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


FORMAT = Format(
    "vott",
    "VoTT projects and JSON exports",
    sniff=sniff,
    read=read,
    read_options=VottOptions,
    write=write,
    write_options=VottWriteOptions,
    holds=HOLDS,
    usual_splits_only=True,
)
