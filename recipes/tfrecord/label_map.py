"""Label maps: which number stands for which class. Protocol buffer text, StringIntLabelMap of the Object Detection API.

An item's id counts from 1; 0 is the background (label_map_util.py refuses it for anything else). An object's text is looked up
by name and by display_name (tf_example_decoder.py).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format

from recipes.errors import Defects, FormatError, Where
from recipes.tfrecord.layout import LARGEST_PBTXT
from recipes.tfrecord.messages import LabelMap as Message

FILE_NAME = "label_map.pbtxt"
BACKGROUND = "background"


@dataclass(frozen=True, slots=True)
class LabelMap:
    """A checked label map: classes by id in ascending order; the classes by each text that may stand for them."""

    name: str
    classes: dict[int, str]
    by_text: dict[str, str]


def parse(path: Path, name: str) -> LabelMap:
    """Read a label map; FormatError names every defect by its line or item."""
    message = Message()
    try:
        data = _bytes(path, name).decode()
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # what Python says of a wrong escape sequence, where protobuf is silent
            text_format.Parse(data, message, allow_unknown_field=True)
    except DeprecationWarning as error:
        raise FormatError("This is no label map: a text holds a wrong escape sequence (backslash).", where=Where(name)) from error
    except text_format.ParseError as error:
        line = error.GetLine()
        raise FormatError(f"This is no label map: {_sentence(error)}", where=Where(name, line)) from error
    except UnicodeDecodeError as error:
        raise FormatError("The label map is not UTF-8.", where=Where(name)) from error
    except RecursionError as error:
        raise FormatError("The label map is nested too deeply.", where=Where(name)) from error
    return _checked(message.item, name)


def _bytes(path: Path, name: str) -> bytes:
    with path.open("rb") as file:
        data = file.read(LARGEST_PBTXT + 1)
    if len(data) > LARGEST_PBTXT:
        raise FormatError(f"A label map of more than {LARGEST_PBTXT:,} bytes is refused.", where=Where(name))
    return data.removeprefix(b"\xef\xbb\xbf")


def _sentence(error: text_format.ParseError) -> str:
    """What the parser says, without the place that it puts before it."""
    words = str(error).rpartition(" : ")[2] or str(error)
    return f"{words.rstrip('.')}."


def _checked(items: Sequence[Message], name: str) -> LabelMap:
    defects = Defects()
    classes: dict[int, str] = {}
    by_text: dict[str, str] = {}
    names: set[str] = set()
    for number, item in enumerate(items, start=1):
        where, label = Where(name, key=f"item {number}"), item.name or item.display_name
        if item.id == 0 and label.lower() == BACKGROUND:
            continue
        if not label:
            defects.add("The item has no name.", where)
        elif item.id < 1:
            defects.add(f"The id of {label!r} is {item.id}; ids count from 1.", where)
        elif item.id in classes:
            defects.add(f"{label!r} and {classes[item.id]!r} have the same id, {item.id}.", where)
        elif label in names:
            defects.add(f"The name {label!r} is there twice.", where)
        else:
            classes[item.id] = label
            names.add(label)
    ordered = dict(sorted(classes.items()))
    for item in items:
        if item.id in ordered:
            by_text.setdefault(item.display_name or ordered[item.id], ordered[item.id])
    by_text |= {label: label for label in ordered.values()}
    defects.raise_if_any("The label map")
    if not classes:
        raise FormatError("The label map has no item.", where=Where(name))
    return LabelMap(name, ordered, by_text)


def text(classes: Sequence[str]) -> str:
    """The label map of some classes, numbered from 1 in their order."""
    message = Message()
    for number, label in enumerate(classes, start=1):
        message.item.add(id=number, name=label)
    return text_format.MessageToString(message, as_utf8=True)
