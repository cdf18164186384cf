"""Annotation files of any shape, by the XML parser, with the line of every element and all defects of the file.

Children are found by name, never by position: their order differs between years and tools, and an object's <part> has a name
and a box of its own. Document types and entities are refused, depth and number of elements are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

import orjson

from recipes.dataset import NO_FLAGS, Attributes, Flags
from recipes.errors import Defects, Where
from recipes.voc.canonical import FLAG_TAGS, NO_POSE
from recipes.voc.document import Document, VocObject

DEEPEST = 32
MOST_ELEMENTS = 200_000
CORNERS = ("xmin", "ymin", "xmax", "ymax")
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?|[+-]?(?:nan|inf|infinity)", re.ASCII | re.IGNORECASE)
TRUE, FALSE = frozenset({"1", "true", "yes"}), frozenset({"", "0", "false", "no", "unspecified"})


class _RefusedError(Exception):
    """Why the XML is not read any further."""


@dataclass(slots=True)
class Element:
    """An element with its text (that of its children not included) and the line it begins in."""

    tag: str
    line: int
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, tag: str) -> Iterator[Element]:
        """The children of that name."""
        return (child for child in self.children if child.tag == tag)

    def first(self, *path: str) -> Element | None:
        """The first element at the end of a path of names; every element on the way may be the parent."""
        level = [self]
        for tag in path:
            level = [child for parent in level for child in parent.all(tag)]
        return level[0] if level else None

    def words(self, *path: str) -> str:
        """The text of first(path) without blanks around it; empty where there is none."""
        found = self.first(*path)
        return found.text.strip() if found else ""


def parse(data: bytes, name: str, defects: Defects) -> Document | None:
    """The document; None where it has defects, each of which is told with its line."""
    root = _tree(data, name, defects)
    if root is None:
        return None
    if root.tag != "annotation":
        defects.add(f"The root element is <{root.tag[:40]}>, not <annotation>.", Where(name, root.line))
        return None
    before = defects.count
    size = _size(root, name, defects)
    objects = [read for number, element in enumerate(root.all("object"), start=1) if (read := _object(element, number, name, defects))]
    parts = sum(1 for element in root.all("object") for _ in element.all("part"))
    actions = sum(1 for element in root.all("object") for _ in element.all("actions"))
    if defects.count > before:
        return None
    return Document(root.words("filename"), size, root.words("source", "database"), objects, parts, actions)


def _tree(data: bytes, name: str, defects: Defects) -> Element | None:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    top = Element("", 0)
    stack, count = [top], 0

    def start(tag: str, _: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if len(stack) > DEEPEST or count > MOST_ELEMENTS:
            raise _RefusedError(f"The XML is nested deeper than {DEEPEST} elements, or has more than {MOST_ELEMENTS:,}, which is refused.")
        element = Element(tag, parser.CurrentLineNumber)
        stack[-1].children.append(element)
        stack.append(element)

    def end(_: str) -> None:
        stack.pop()

    def text(words: str) -> None:
        stack[-1].text += words

    def refuse(*_: object) -> None:
        raise _RefusedError("The XML has a document type, which is refused: annotations need none.")

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        defects.add(f"The XML is broken: {expat.ErrorString(error.code)}.", Where(name, error.lineno))
    except _RefusedError as error:
        defects.add(str(error), Where(name, parser.CurrentLineNumber))
    except (ValueError, LookupError) as error:
        defects.add(f"The XML's encoding cannot be read: {error}.", Where(name, 1))
    else:
        return top.children[0]
    return None


def _size(root: Element, name: str, defects: Defects) -> tuple[int, int] | None:
    """What <size> says; None where there is none, or half of one."""
    found: list[int] = []
    for tag in ("width", "height"):
        element = root.first("size", tag)
        if element is None or not element.text.strip():
            return None
        value = _number(element.text)
        if value is None or not 0 <= value < 10_000_000 or value != int(value):
            defects.add(f"The {tag} of the image is {_shown(element.text)}; it must be a whole number.", Where(name, element.line))
            return None
        found.append(int(value))
    return found[0], found[1]


def _object(element: Element, number: int, name: str, defects: Defects) -> VocObject | None:
    label = element.words("name")
    called = f"object {number} ({label[:40]})" if label else f"object {number}"
    if not label:
        defects.add(f"Of {called} the name is missing.", Where(name, element.line))
    flags = _flags(element, called, name, defects)
    box = element.first("bndbox")
    if box is None:
        defects.add(f"Of {called} the <bndbox> is missing.", Where(name, element.line))
        return None
    corners: list[float] = []
    for tag in CORNERS:
        corner = box.first(tag)
        if corner is None:
            defects.add(f"Of {called} the {tag} is missing.", Where(name, box.line))
            continue
        value = _number(corner.text)
        if value is None:
            defects.add(f"The {tag} of {called} is {_shown(corner.text)}, which is no number.", Where(name, corner.line))
            continue
        corners.append(value)
    if len(corners) < len(CORNERS) or not label:
        return None
    return label, corners[0], corners[1], corners[2], corners[3], flags, _attributes(element), element.line


def _flags(element: Element, called: str, name: str, defects: Defects) -> Flags:
    flags = set()
    for tag, flag in FLAG_TAGS.items():
        found = element.first(tag)
        word = found.text.strip().lower() if found else ""
        if word in TRUE:
            flags.add(flag)
        elif word not in FALSE:
            assert found
            defects.add(f"The {tag} of {called} is {_shown(found.text)}; it must be 0 or 1.", Where(name, found.line))
    return frozenset(flags) or NO_FLAGS


def _attributes(element: Element) -> Attributes | None:
    """The pose, and CVAT's <attributes>: their values are words, or JSON where they can be read as that."""
    found: dict[str, object] = {}
    pose = element.words("pose")
    if pose not in NO_POSE:
        found["pose"] = pose
    for attributes in element.all("attributes"):
        for attribute in attributes.all("attribute"):
            found[attribute.words("name")] = _value(attribute.words("value"))
    return found or None


def _value(words: str) -> object:
    try:
        value: object = orjson.loads(words)
    except orjson.JSONDecodeError:
        return words
    return value


def _number(words: str) -> float | None:
    words = words.strip()
    return float(words) if NUMBER.fullmatch(words) else None


def _shown(words: str) -> str:
    return repr(words.strip()[:40])
