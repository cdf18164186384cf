"""Writes the pickles of MMDetection's custom datasets, opcode by opcode, so that any Python 3 with any numpy loads them.

numpy 2 names its modules numpy._core, and numpy 1 cannot load what names them; numpy.core is known to both. Written by hand the
bytes depend on no installed version, images are appended as they come, and numpy need not be there.
Source: CPython's pickletools.py (protocol 3); what numpy.ndarray.__reduce__ gives.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

APPEND, BUILD, DICT, END, LIST, MARK, POP, REDUCE, SETITEMS = b"a", b"b", b"}", b".", b"]", b"(", b"0", b"R", b"u"
KEYS = ("filename", "width", "height", "ann", "bboxes", "labels", "bboxes_ignore", "labels_ignore", "places_ignore", "flags_ignore")


def _text(words: str) -> bytes:
    data = words.encode()
    return b"X" + len(data).to_bytes(4, "little") + data


def _number(value: int) -> bytes:
    return b"K" + bytes((value,)) if 0 <= value < 256 else b"J" + value.to_bytes(4, "little", signed=True)


def _kept(number: int, made: bytes) -> bytes:
    """What is made is kept under a number of the memo, and taken off the stack."""
    return made + b"q" + bytes((number,)) + POP


def _dtype(code: str) -> bytes:
    """numpy.dtype(code, False, True), little-endian."""
    state = MARK + _number(3) + _text("<") + b"NNN" + _number(-1) * 2 + _number(0) + b"t"
    return b"cnumpy\ndtype\n" + _text(code) + b"\x89\x88\x87" + REDUCE + state + BUILD


_KEY = {key: b"h" + bytes((number,)) for number, key in enumerate(KEYS)}
_RECONSTRUCT, _BLANK, _FLOAT32, _INT64 = (b"h" + bytes((len(KEYS) + number,)) for number in range(4))
START = (
    b"\x80\x03" + LIST
    + b"".join(_kept(number, _text(key)) for number, key in enumerate(KEYS))
    + _kept(_RECONSTRUCT[1], b"cnumpy.core.multiarray\n_reconstruct\n")
    + _kept(_BLANK[1], b"cnumpy\nndarray\n" + _number(0) + b"\x85" + b"C\x01b" + b"\x87")
    + _kept(_FLOAT32[1], _dtype("f4"))
    + _kept(_INT64[1], _dtype("i8"))
)  # fmt: skip
"""The beginning of a file: the outer list, and what every entry refers to. END ends it."""


Parted: TypeAlias = tuple[Sequence[float], Sequence[float]]
"""What is to be learned, and what is to be ignored."""


def entry(
    filename: str, width: int, height: int, boxes: Parted, labels: tuple[Sequence[int], Sequence[int]], more: Mapping[str, Sequence[int]]
) -> bytes:
    """One image, appended to the list. boxes are x1, y1, x2, y2 in a row.

    more are arrays that MMDetection does not look at; one without numbers is left out.
    """
    arrays = [
        _KEY["bboxes"], _floats(boxes[0]), _KEY["labels"], _integers(labels[0]),
        _KEY["bboxes_ignore"], _floats(boxes[1]), _KEY["labels_ignore"], _integers(labels[1]),
    ]  # fmt: skip
    for key, numbers in more.items():
        if numbers:
            arrays += [_KEY[key], _integers(numbers)]
    head = (_KEY["filename"], _text(filename), _KEY["width"], _number(width), _KEY["height"], _number(height), _KEY["ann"])
    return b"".join((DICT, MARK, *head, DICT, MARK, *arrays, SETITEMS, SETITEMS, APPEND))


def _floats(values: Iterable[float]) -> bytes:
    data = array("f", values)
    return _array(data, _number(len(data) // 4) + _number(4) + b"\x86", _FLOAT32)


def _integers(values: Iterable[int]) -> bytes:
    data = array("q", values)
    return _array(data, _number(len(data)) + b"\x85", _INT64)


def _array(values: array[float] | array[int], shape: bytes, dtype: bytes) -> bytes:
    if sys.byteorder == "big":
        values.byteswap()
    data = values.tobytes()
    raw = b"C" + bytes((len(data),)) + data if len(data) < 256 else b"B" + len(data).to_bytes(4, "little") + data
    return _RECONSTRUCT + _BLANK + REDUCE + MARK + _number(1) + shape + dtype + b"\x89" + raw + b"t" + BUILD
