"""Writes the devkit's layout: VOC<name>/Annotations, JPEGImages (linked) and ImageSets/Main.

Corners are whole pixels from 1 with both inside, rounded outwards and cut at the image, as every reader of VOC expects; or exact.
labelmap.txt (CVAT's) keeps the order of the classes and those without a box. <attributes> are CVAT's.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil
from os.path import splitext
from pathlib import Path
from typing import Literal, TypeAlias

import orjson
from pydantic import Field

from recipes.dataset import Annotation, Dataset, Flag, Flags, ImageRecord
from recipes.effort import Effort
from recipes.errors import Defects, Where
from recipes.ledger import Ledger
from recipes.observing import Audience
from recipes.parameters import Parameters
from recipes.placing import Folders, place_image
from recipes.voc.canonical import FILENAME
from recipes.voc.layout import LABEL_MAP

DATABASE = "Signalbox"
STEP = "write voc"
OUTSIDE = "box outside the image"
NOISE = 0.01
"""Pixels: what formats with rounded shares of the width leave of a whole number. It is not rounded outwards."""
EXACT = 1e-6
TAGS = (("truncated", Flag.TRUNCATED), ("occluded", Flag.OCCLUDED), ("difficult", Flag.DIFFICULT))
NOTES = {
    "rounded": "{count} boxes were rounded outwards to whole pixels (coordinates=exact keeps fractions).",
    "cut": "{count} boxes were cut at the border of their image (coordinates=exact keeps them).",
    "other_suffix": "{count} images are not called .jpg; programs that look for JPEGImages/<id>.jpg do not find them.",
}
NOT_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
NO_ATTRIBUTES = ("Unspecified", "")
MOST_HEADS = 4096
Corners: TypeAlias = tuple[float, float, float, float]


class VocOutput(Parameters):
    """name: the folder is VOC<name>; MMDetection tells the metric by 2007 and 2012. coordinates: whole pixels, or exact with fractions."""

    name: str = Field(default="2007", pattern=r"^[A-Za-z0-9_.-]{1,60}$")
    coordinates: Literal["integers", "exact"] = "integers"


@dataclass(slots=True)
class _Written:
    """What came of a chunk: the lines of each list, counts for notes, defects, and (annotation file, image) that found it taken."""

    lists: dict[str, list[str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    defects: Defects = field(default_factory=Defects)
    taken: list[tuple[str, str]] = field(default_factory=list)


def write(dataset: Dataset, destination: Path, options: VocOutput, audience: Audience, effort: Effort) -> None:
    """One annotation file for each image. FormatError names what XML, a list or the file system cannot tell apart."""
    root = destination / f"VOC{options.name}"
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    defects = Defects()
    _require_names(dataset, defects)
    writer = _Writer(str(root), options, {})
    lists: dict[str, list[str]] = {split: [] for split in dataset.splits}
    counts: Counter[str] = Counter()
    taken: list[tuple[str, str]] = []
    for written in audience.results(dataset, writer.chunk, effort, phase="writing voc"):
        for split, lines in written.lists.items():
            lists.setdefault(split, []).append("".join(lines))
        counts.update(written.counts)
        defects.merge(written.defects)
        taken += written.taken
    for annotation, image in taken:
        names = sorted((_owner(f"{root}/Annotations/{annotation}"), image.rpartition("/")[2]))
        defects.add(f"{names[0]} and {names[1]} would share this annotation file.", Where(f"Annotations/{annotation}"))
    defects.raise_if_any("What would be written", remedy="Rename what is named here.")
    _write_lists(root, lists)
    _write_label_map(root, dataset.classes, audience.ledger)
    for note, words in NOTES.items():
        if counts[note]:
            audience.ledger.note(words.format(count=f"{counts[note]:,}"))


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes the images of a chunk below root. heads is how an object begins, by its label, pose and flags: few are different."""

    root: str
    options: VocOutput
    heads: dict[tuple[str, str, Flags], str]

    def chunk(self, records: Iterator[ImageRecord], ledger: Ledger) -> _Written:
        """Place each image, write its annotation file and put it on its list."""
        written, folders = _Written(), Folders()
        for record in records:
            stem, suffix = splitext(record.name)  # noqa: PTH122 - once per image
            target = f"{self.root}/Annotations/{stem}.xml"
            if not record.name.isprintable() or stem != stem.strip():
                problem = _name_problem(record.name, stem)
                if problem:
                    written.defects.add(problem, Where(record.name))
                    continue
            try:
                if "/" in record.name:
                    folders.make_parent(f"{self.root}/JPEGImages/{record.name}")
                    folders.make_parent(target)
                if record.path is not None:
                    place_image(record, f"{self.root}/JPEGImages/{record.name}")
            except (FileExistsError, NotADirectoryError):
                written.defects.add("Another image has this name, or its folder's.", Where(record.name))
                continue
            document = self._document(record, written.counts, ledger)
            try:
                _create(target, document.encode())
            except FileExistsError:
                written.taken.append((f"{stem}.xml", record.name))
            if record.split is not None:
                written.lists.setdefault(record.split, []).append(f"{stem}\n")
            written.counts["other_suffix"] += suffix != ".jpg"
        return written

    def _document(self, record: ImageRecord, counts: Counter[str], ledger: Ledger) -> str:
        heads, width, height = self.heads, record.width, record.height
        fitted = _exact if self.options.coordinates == "exact" else _whole
        parts = [
            f"<annotation>\n\t<folder>VOC{self.options.name}</folder>\n\t<filename>{escape(record.name.rpartition('/')[2])}</filename>\n"
            f"\t<source>\n\t\t<database>{DATABASE}</database>\n\t</source>\n"
            f"\t<size>\n\t\t<width>{record.width}</width>\n\t\t<height>{record.height}</height>\n\t\t<depth>3</depth>\n\t</size>\n"
            "\t<segmented>0</segmented>\n"
        ]
        for annotation in record.annotations:
            x, y = annotation.x, annotation.y
            end_x, end_y = x + annotation.w, y + annotation.h
            if (
                0 <= x < end_x <= width and 0 <= y < end_y <= height
                and x == (left := int(x)) and y == (top := int(y)) and end_x == (right := int(end_x)) and end_y == (bottom := int(end_y))
            ):  # as nearly all are: whole pixels inside the image
                corners: Corners = left + 1, top + 1, right, bottom
            elif (fit := fitted(annotation, width, height, counts)) is not None:
                corners = fit
            else:
                ledger.drop_box(STEP, OUTSIDE, record, annotation)
                continue
            pose, more = _attributes(annotation.attributes) if annotation.attributes else NO_ATTRIBUTES
            key = annotation.label, pose, annotation.flags
            head = heads.get(key) or _learn(heads, key)
            parts.append(
                f"{head}{corners[0]}</xmin>\n\t\t\t<ymin>{corners[1]}</ymin>\n\t\t\t<xmax>{corners[2]}</xmax>\n"
                f"\t\t\t<ymax>{corners[3]}</ymax>\n\t\t</bndbox>\n{more}\t</object>\n"
            )
        parts.append("</annotation>\n")
        return "".join(parts)


def _whole(box: Annotation, width: int, height: int, counts: Counter[str]) -> Corners | None:
    """Corners as whole pixels that cover the box, cut at the image; None for a box that has no pixel in it."""
    x, y = box.x, box.y
    end_x, end_y = x + box.w, y + box.h
    if not (x < width and y < height and end_x > 0 and end_y > 0):
        return None
    left = min(int(x + NOISE) + 1, width) if x > 0 else 1
    top = min(int(y + NOISE) + 1, height) if y > 0 else 1
    right = max(ceil(end_x - NOISE), left) if end_x < width else width
    bottom = max(ceil(end_y - NOISE), top) if end_y < height else height
    if x < 0 or y < 0 or end_x > width or end_y > height:
        counts["cut"] += 1
    elif max(abs(left - 1 - x), abs(right - end_x), abs(top - 1 - y), abs(bottom - end_y)) > EXACT:
        counts["rounded"] += 1
    return left, top, right, bottom


def _exact(box: Annotation, width: int, height: int, counts: Counter[str]) -> Corners | None:  # noqa: ARG001 - as _whole
    return _number(box.x + 1), _number(box.y + 1), _number(box.x + box.w), _number(box.y + box.h)


def _number(value: float) -> float:
    return int(value) if value == value // 1 and abs(value) < 2**53 else value


def _learn(heads: dict[tuple[str, str, Flags], str], key: tuple[str, str, Flags]) -> str:
    label, pose, flags = key
    words = "".join(f"\t\t<{tag}>{int(flag in flags)}</{tag}>\n" for tag, flag in TAGS)
    if len(heads) >= MOST_HEADS:
        heads.clear()
    heads[key] = f"\t<object>\n\t\t<name>{escape(label)}</name>\n\t\t<pose>{pose}</pose>\n{words}\t\t<bndbox>\n\t\t\t<xmin>"
    return heads[key]


def _attributes(attributes: Mapping[str, object]) -> tuple[str, str]:
    """The pose, and CVAT's <attributes>: texts as they are where no JSON has that form, all else as JSON."""
    pose = attributes.get("pose")
    told = {name: value for name, value in attributes.items() if name != "pose" or not isinstance(value, str)}
    entries = "".join(
        f"\t\t\t<attribute>\n\t\t\t\t<name>{_clean(name)}</name>\n\t\t\t\t<value>{_clean(_words(value))}</value>\n\t\t\t</attribute>\n"
        for name, value in told.items()
    )
    shown = _clean(pose) if isinstance(pose, str) else "Unspecified"
    return shown, f"\t\t<attributes>\n{entries}\t\t</attributes>\n" if entries else ""


def _words(value: object) -> str:
    if isinstance(value, str) and value == value.strip():
        try:
            orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return json.dumps(value, default=str, ensure_ascii=False)


def _clean(words: str) -> str:
    """Text for XML; a character that XML does not have becomes U+FFFD."""
    return escape(NOT_XML.sub("\ufffd", words))


def _create(path: str, data: bytes) -> None:
    """Write a file that must not be there yet; a third faster than open(), and this is most of what writing costs."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        while data:
            data = data[os.write(handle, data) :]
    finally:
        os.close(handle)


def _name_problem(name: str, stem: str) -> str:
    if NOT_XML.search(name) or "\n" in name or "\r" in name:
        return "The name has characters that XML or a list of images cannot hold."
    return "The name begins or ends with a blank, which a list of images cannot hold." if stem != stem.strip() else ""


def _require_names(dataset: Dataset, defects: Defects) -> None:
    for label in dataset.classes:
        if NOT_XML.search(label) or label != label.strip():
            defects.add("The class has blanks around its name, or characters that XML cannot hold.", Where(key=repr(label)))
    for split in dataset.splits:
        if "/" in split or split.startswith(".") or not split.isprintable():
            defects.add("The split cannot be the name of a file.", Where(key=repr(split)))


def _owner(path: str) -> str:
    """The image that an annotation file of ours names."""
    found = FILENAME.search(Path(path).read_bytes())
    return unescape(found[1].decode()) if found else ""


def _write_lists(root: Path, lists: Mapping[str, list[str]]) -> None:
    """A list for each split, and trainval where there are train and val, as in the devkit."""
    joined = dict(lists)
    if {"train", "val"} <= lists.keys():
        joined["trainval"] = [*lists["train"], *lists["val"], *lists.get("trainval", ())]
    for split, lines in joined.items():
        (root / f"ImageSets/Main/{split}.txt").write_text("".join(lines), encoding="utf-8", newline="\n")


def _write_label_map(root: Path, classes: tuple[str, ...], ledger: Ledger) -> None:
    if any(name.startswith("# ") or "\n" in name or "\r" in name for name in classes):
        ledger.note("labelmap.txt was not written, for it cannot hold a class that begins with '# ' or has a line break.")
        return
    lines = ["# label:color_rgb:parts:actions", *(f"{name}:::" for name in classes)]
    (root / LABEL_MAP).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def escape(text: str) -> str:
    """Text as XML has it. The standard library's own would load the whole of urllib."""
    return text.replace("&", "&amp;").replace(">", "&gt;").replace("<", "&lt;")


def unescape(text: str) -> str:
    """The other way round."""
    return text.replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&")
