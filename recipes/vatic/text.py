"""VATIC's text dump (turkic dump SLUG): one row per track and frame.

Format: cvondrick/vatic cli.py, dumptext, at 7de990a: ``id xmin ymin xmax ymax frame lost occluded generated "label"
["attribute" …]`` with single blanks. Labels and attributes are not escaped and may hold blanks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from recipes.dataset import Flag
from recipes.errors import Defects, Where
from recipes.streams.spool import packed_flags
from recipes.vatic.rows import VaticRow

ROW = re.compile(
    rb"(-?\d{1,9}) (-?\d{1,9}(?:\.\d{1,12})?) (-?\d{1,9}(?:\.\d{1,12})?) (-?\d{1,9}(?:\.\d{1,12})?) "
    rb'(-?\d{1,9}(?:\.\d{1,12})?) (\d{1,8}) ([01] [01] [01]) "([^\r\n]+)"[ \t]*\r?\n?'
)
NUMBER = re.compile(rb"-?\d{1,9}(?:\.\d{1,12})?")
COLUMNS = ("track id", "xmin", "ymin", "xmax", "ymax", "frame", "lost", "occluded", "generated")
SHAPE = 'id xmin ymin xmax ymax frame lost occluded generated "label"'
MAX_LINE = 65_536
SNIFFED_LINES = 20
FLAGS: dict[bytes, int] = {
    b"%d %d %d" % bits: packed_flags(
        frozenset(flag for flag, bit in zip((Flag.LOST, Flag.OCCLUDED, Flag.GENERATED), bits, strict=True) if bit)
    )
    for bits in product((0, 1), repeat=3)
}


def looks_like_text(path: Path) -> bool:
    """Whether the first lines are mostly rows of this format (a broken one may be among them)."""
    with path.open("rb") as file:
        lines = [line for line in (file.readline(MAX_LINE) for _ in range(SNIFFED_LINES)) if line.strip()]
    matching = sum(ROW.fullmatch(line) is not None for line in lines)
    return matching > 0 and 2 * matching >= len(lines)


def read_text(path: Path, name: str, defects: Defects) -> Iterator[VaticRow]:
    """The rows of a file; broken ones go to defects, by their lines."""
    words: dict[bytes, tuple[str, dict[str, object] | None]] = {}  # few are different, so each is taken apart once
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE), b""), start=1):
            match = ROW.fullmatch(line)
            if match is None:
                problem = _diagnosis(line)
                if problem:
                    defects.add(problem, Where(name, number))
                continue
            track, left, top, right, bottom, frame, flags, quoted = match.groups()
            if quoted not in words:
                words[quoted] = _words(quoted, Where(name, number), defects)
            x, y = float(left), float(top)
            label, attributes = words[quoted]
            yield int(frame), (int(track), label, x, y, float(right) - x, float(bottom) - y, FLAGS[flags], attributes, number)


def _words(quoted: bytes, where: Where, defects: Defects) -> tuple[str, dict[str, object] | None]:
    """VATIC's attributes are words that hold for the box: each becomes a true one of that name."""
    try:
        quoted.decode()
    except UnicodeDecodeError:
        defects.add(f"The label or an attribute is not UTF-8 text: {_shown(quoted)}.", where)
    label, *attributes = (text.decode(errors="replace") for text in quoted.split(b'" "'))
    return label, dict.fromkeys(attributes, True) if attributes else None


def _diagnosis(line: bytes) -> str:
    """Why a line is no row, in a sentence; empty for an empty line."""
    if not line.strip():
        return ""
    if len(line) >= MAX_LINE:
        return f"The line is longer than {MAX_LINE:,} bytes."
    head, quote, _ = line.partition(b'"')
    columns = head.split()
    if len(columns) < len(COLUMNS):
        return f"The row has {len(columns)} of the {len(COLUMNS)} numbers that come before the label."
    for title, value in zip(COLUMNS, columns, strict=False):
        if not NUMBER.fullmatch(value):
            return f"The {title} is {_shown(value)}, which is no number."
        if title in {"lost", "occluded", "generated"} and value not in {b"0", b"1"}:
            return f"The {title} flag is {_shown(value)}; it must be 0 or 1."
        if title in {"track id", "frame"} and not value.lstrip(b"-").isdigit():
            return f"The {title} is {_shown(value)}; it must be a whole number."
        if title == "frame" and value.startswith(b"-"):
            return f"The frame is {_shown(value)}; frames count from 0."
    if len(columns) > len(COLUMNS) or not quote:
        return "The label is not in double quotes."
    return f"The row is not of the shape {SHAPE} with single blanks."


def _shown(value: bytes) -> str:
    return repr(value[:40].decode(errors="replace"))
