"""VATIC's JSON dump (turkic dump SLUG --json): one object, a track each, with its boxes by frame.

Format: cvondrick/vatic cli.py, dumpjson, at 7de990a: ``{"0": {"label": "face", "boxes": {"0": {"xtl", "ytl", "xbr", "ybr",
"outside", "occluded", "attributes": []}}}}``. All is in one line, so a place is told by track and frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recipes.errors import Defects, Where
from recipes.streams.json_sections import sections
from recipes.vatic.markup import LARGEST, PLACES, flag_bits
from recipes.vatic.rows import VaticRow

SNIFFED = 2048
BEGIN = re.compile(rb'\s*\{\s*"\d+"\s*:\s*\{\s*("label"\s*:\s*"|"boxes"\s*:\s*\{)')
WHOLE = re.compile(r"\d{1,8}")


def looks_like_tracks(path: Path) -> bool:
    """Whether a file begins like this format."""
    with path.open("rb") as file:
        head = file.read(SNIFFED)
    return BEGIN.match(head) is not None and b'"xtl"' in head


def read_tracks(path: Path, name: str, defects: Defects) -> Iterator[VaticRow]:
    """The rows of a file; broken ones go to defects. FormatError where it is no JSON."""
    for key, track in sections(path, name):
        where = Where(name, key=f"track {key[:40]}")
        if not WHOLE.fullmatch(key) or not isinstance(track, dict):
            defects.add("A track is an object with a whole number as its key.", where)
            continue
        label, boxes = track.get("label"), track.get("boxes")
        if not isinstance(label, str) or not label or not isinstance(boxes, dict):
            defects.add("A track needs a label and boxes.", where)
            continue
        for frame, box in boxes.items():
            row = _row(box, int(key), label)
            if not WHOLE.fullmatch(frame):
                row = "A frame is a whole number from 0."
            if isinstance(row, str):
                defects.add(row, Where(name, key=f"track {key}, frame {frame[:40]}"))
            else:
                yield int(frame), row


def _row(box: Any, track: int, label: str) -> tuple[int, str, float, float, float, float, int, dict[str, object] | None, int | None] | str:
    if not isinstance(box, dict):
        return "A box must be an object."
    for key in PLACES:
        if type(box.get(key)) not in {int, float} or abs(box[key]) >= LARGEST:
            return f"The box's {key} is {box.get(key)!r:.40}; it must be a number."
    for key in ("outside", "occluded"):
        if box.get(key) not in (0, 1):
            return f"The box's {key} is {box.get(key)!r:.40}; it must be 0 or 1."
    words = box.get("attributes") or []
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return "The box's attributes are no list of texts."
    left, top, right, bottom = (float(box[key]) for key in PLACES)
    bits = flag_bits(lost=box["outside"] == 1, occluded=box["occluded"] == 1)
    return track, label, left, top, right - left, bottom - top, bits, dict.fromkeys(words, True) if words else None, None
