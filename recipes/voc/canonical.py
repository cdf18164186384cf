"""Annotation files written like the devkit's own, taken apart by regular expressions.

The expressions cover a whole file: known elements without XML attributes, comments, entities or unknown children, in the orders
that VOC2007 to VOC2012, labelImg and VATIC write. A file they do not cover is not theirs to judge. What they cover
must come out as it does from the XML parser; a test holds them to that.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from recipes.dataset import NO_FLAGS, Attributes, Flag, Flags

Found: TypeAlias = tuple[str, tuple[int, int] | None, str, list[tuple[str, float, float, float, float, Flags, Attributes | None, int]]]
Words: TypeAlias = dict[bytes, tuple[Flags, Attributes | None]]

FLAG_TAGS = {"difficult": Flag.DIFFICULT, "truncated": Flag.TRUNCATED, "occluded": Flag.OCCLUDED}
NO_POSE = frozenset({"", "Unspecified"})
MOST_WORDS = 4096

_S = rb"[ \t\r\n]*+"
_T = rb"[^<>&\x00-\x08\x0b\x0c\x0e-\x1f]*+"
_N = rb"(-?[0-9]{1,9}(?:\.[0-9]{1,17})?)"


def _leaves(*tags: bytes, text: bytes = _T) -> bytes:
    return b"|".join(tag + b">" + text + b"</" + tag for tag in tags)


def _corners(*tags: bytes) -> bytes:
    return _S.join(b"<" + tag + b">" + _N + b"</" + tag + b">" for tag in tags)


_SOURCE = b"(?:<(?:" + _leaves(b"database", b"annotation", b"image", b"flickrid") + b")>" + _S + b")*+"
_OWNER = b"(?:<(?:" + _leaves(b"flickrid", b"name") + b")>" + _S + b")*+"
_SIZE = b"(?:<(?:" + _leaves(b"width", b"height", text=rb"[0-9]{1,7}") + b"|" + _leaves(b"depth") + b")>" + _S + b")*+"
_ITEMS = (
    b"(?:<(?:" + _leaves(b"folder", b"filename", b"path", b"segmented")
    + b"|source>" + _S + _SOURCE + b"</source|owner>" + _S + _OWNER + b"</owner|size>" + _S + _SIZE + b"</size)>" + _S + b")*+"
)  # fmt: skip
_WORDS = b"((?:<(?:" + _leaves(b"truncated", b"difficult", b"occluded", text=rb"[01]") + b"|" + _leaves(b"pose") + b")>" + _S + b")*+)"
HEAD = re.compile(rb'(?:<\?xml version="1\.0"(?: encoding="[Uu][Tt][Ff]-8")?\?>)?' + _S + b"<annotation>" + _S + _ITEMS)
OBJECT = re.compile(
    b"<object>" + _S + b"<name>(" + _T + b")</name>" + _S + _WORDS + b"<bndbox>" + _S
    + b"(?:" + _corners(b"xmin", b"ymin", b"xmax", b"ymax") + b"|" + _corners(b"xmax", b"xmin", b"ymax", b"ymin") + b")"
    + _S + b"</bndbox>" + _S + _WORDS + b"</object>" + _S
)  # fmt: skip
TAIL = re.compile(_ITEMS + b"</annotation>" + _S)
FILENAME = re.compile(rb"<filename>([^<]*)")
DATABASE = re.compile(rb"<database>([^<]*)")
WIDTH = re.compile(rb"<width>([0-9]+)")
HEIGHT = re.compile(rb"<height>([0-9]+)")
WORD = re.compile(rb"<([a-z]+)>([^<]*)")
_words: Words = {}


def match(data: bytes) -> Found | None:
    """File name, size, database and objects of a file in the canonical form; None for any other."""
    if not data.isascii() and not _is_plain_utf8(data):
        return None
    if b"\r" in data:  # XML has line feeds only, whatever a file has
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    head = HEAD.match(data)
    if head is None:
        return None
    objects = []
    position, counted, line = head.end(), 0, 1
    match_object = OBJECT.match
    while found := match_object(data, position):
        name, before, x1, y1, x2, y2, v2, v1, w2, w1, after = found.groups()
        label = name.decode().strip()
        if not label:
            return None
        if x1 is None:
            x1, y1, x2, y2 = v1, w1, v2, w2
        words = before + after
        flags, attributes = _words.get(words) or _learn(words)
        line += data.count(b"\n", counted, position)
        counted = position
        position = found.end()
        objects.append((label, float(x1), float(y1), float(x2), float(y2), flags, attributes, line))
    if TAIL.fullmatch(data, position) is None:
        return None
    return _first(FILENAME, data), _size(data), _first(DATABASE, data), objects


def _learn(words: bytes) -> tuple[Flags, Attributes | None]:
    """Flags and attributes by the text they stand in: few are different, so each is taken apart once."""
    if len(_words) >= MOST_WORDS:
        _words.clear()
    texts: dict[str, str] = {}
    for tag, text in WORD.findall(words):
        texts.setdefault(tag.decode(), text.decode().strip())
    flags = frozenset(flag for tag, flag in FLAG_TAGS.items() if texts.get(tag) == "1") or NO_FLAGS
    pose = texts.get("pose", "")
    result: tuple[Flags, Attributes | None] = flags, None if pose in NO_POSE else {"pose": pose}
    _words[words] = result
    return result


def _size(data: bytes) -> tuple[int, int] | None:
    width, height = WIDTH.search(data), HEIGHT.search(data)
    return (int(width[1]), int(height[1])) if width and height else None


def _first(pattern: re.Pattern[bytes], data: bytes) -> str:
    found = pattern.search(data)
    return found[1].decode().strip() if found else ""


def _is_plain_utf8(data: bytes) -> bool:
    """UTF-8 without what XML 1.0 leaves out of it (U+FFFE, U+FFFF) and without a byte order mark."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return not (b"\xef\xbf\xbe" in data or b"\xef\xbf\xbf" in data or data.startswith(b"\xef\xbb\xbf"))
