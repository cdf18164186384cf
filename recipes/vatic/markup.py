"""VATIC's XML dump (turkic dump SLUG --xml): a track per object, a box per frame of it.

Format: cvondrick/vatic cli.py, dumpxml, at 7de990a: ``<annotations><track id label><box frame xtl ytl xbr ybr outside
occluded><attribute id>word</attribute></box></track></annotations>``. Nothing is escaped there, so a label with & or < makes a
file that is no XML. A DOCTYPE is refused before anything in it is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.parsers import expat

from recipes.dataset import Flag
from recipes.errors import Defects, FormatError, Where
from recipes.streams.spool import packed_flags
from recipes.vatic.rows import VaticRow

PIECE = 1 << 16
SNIFFED = 2048
PLACES = ("xtl", "ytl", "xbr", "ybr")
LARGEST = 10**9
DEEPEST = 4


def looks_like_markup(path: Path) -> bool:
    """Whether a file begins like this format; CVAT's XML, which looks alike, has a <meta> and a <version>."""
    with path.open("rb") as file:
        head = file.read(SNIFFED)
    return b"<annotations" in head and b"<track" in head and b"<meta" not in head and b"<version" not in head


def read_markup(path: Path, name: str, defects: Defects) -> Iterator[VaticRow]:
    """The rows of a file; broken ones go to defects, by their lines. FormatError where it is no XML."""
    reader = _Reader(name, defects)
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                reader.parser.Parse(piece, False)
                yield from reader.taken()
        reader.parser.Parse(b"", True)
    except expat.ExpatError as error:
        remedy = "VATIC does not escape & and < in labels and attributes: dump it as text (turkic dump SLUG -o fish.txt)."
        raise FormatError(f"This is not XML: {expat.ErrorString(error.code)}.", where=Where(name, error.lineno), remedy=remedy) from error
    yield from reader.taken()


class _Reader:
    """What is known while a file is read; rows are taken away as they are complete."""

    def __init__(self, name: str, defects: Defects) -> None:
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self._name, self._defects = name, defects
        self._rows: list[VaticRow] = []
        self._track: tuple[int, str] | None = None
        self._box: tuple[int, int, Mapping[str, str]] | None = None
        self._words: list[str] = []
        self._word: str | None = None
        self._depth = 0

    def taken(self) -> Iterator[VaticRow]:
        """The rows that are complete since the last time."""
        rows, self._rows = self._rows, []
        yield from rows

    def _refuse(self, *_: object) -> None:
        raise FormatError("A DOCTYPE is refused.", where=Where(self._name, self.parser.CurrentLineNumber), remedy="Take it out.")

    def _defect(self, message: str) -> None:
        self._defects.add(message, Where(self._name, self.parser.CurrentLineNumber))

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise FormatError("The elements are nested too deeply.", where=Where(self._name, self.parser.CurrentLineNumber))
        if tag == "track":
            self._track = None
            identity = _whole(attributes.get("id"))
            if identity is None or not attributes.get("label"):
                self._defect("A track needs a whole number as id, and a label.")
            else:
                self._track = identity, attributes["label"]
        elif tag == "box":
            frame = _whole(attributes.get("frame"))
            self._box, self._words = None, []
            if frame is None or frame < 0:
                self._defect(f"The box's frame is {attributes.get('frame')!r}; frames are whole numbers from 0.")
            else:
                self._box = frame, self.parser.CurrentLineNumber, attributes
        elif tag == "attribute":
            self._word = ""

    def _text(self, text: str) -> None:
        if self._word is not None:
            self._word += text

    def _end(self, tag: str) -> None:
        self._depth -= 1
        if tag == "attribute" and self._word is not None:
            self._words.append(self._word.strip())
            self._word = None
        elif tag == "box" and self._box and self._track:
            row = self._row(*self._box, *self._track)
            if isinstance(row, str):
                self._defect(row)
            else:
                self._rows.append(row)
        elif tag == "track":
            self._track = None

    def _row(self, frame: int, line: int, values: Mapping[str, str], track: int, label: str) -> VaticRow | str:
        places = [_whole(values.get(key)) for key in PLACES]
        if None in places:
            key = PLACES[places.index(None)]
            return f"The box's {key} is {values.get(key)!r}; it must be a whole number."
        for key in ("outside", "occluded"):
            if values.get(key) not in {"0", "1"}:
                return f"The box's {key} is {values.get(key)!r}; it must be 0 or 1."
        left, top, right, bottom = (float(place) for place in places if place is not None)
        bits = flag_bits(lost=values["outside"] == "1", occluded=values["occluded"] == "1")
        attributes: dict[str, Any] | None = dict.fromkeys(self._words, True) if self._words else None
        return frame, (track, label, left, top, right - left, bottom - top, bits, attributes, line)


def flag_bits(*, lost: bool, occluded: bool) -> int:
    """Flags as they are kept."""
    return packed_flags(frozenset({Flag.LOST} if lost else ()) | frozenset({Flag.OCCLUDED} if occluded else ()))


def _whole(text: str | None) -> int | None:
    """A whole number of a text, None where it is none or too large for a place."""
    try:
        number = int(text or "")
    except ValueError:
        return None
    return number if abs(number) < LARGEST else None
