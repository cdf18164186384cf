"""Reads pickles of lists, dicts, texts, numbers and numpy arrays by a machine of its own that can do nothing else.

pickle.Unpickler, even with find_class restricted, can be made to hash a tuple of tuples for ever or to overflow C's stack. Here only texts
and integers are keys, no callable is ever looked up, and an array is what its bytes say: shape and type must agree with them.
Source: CPython's pickletools.py, protocols 2 to 5; numpy.ndarray.__reduce__ and __reduce_ex__(5).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, NoReturn

FORMATS = {"f4": "f", "f8": "d", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q"}
SMALLEST_ITEM = 24
"""Bytes: an image takes more than that, so a short file cannot hold very many by repeating one."""
SMALLEST_CONTAINER, FREE_CONTAINERS = 4, 1_000
"""Bytes: a list, dict or tuple with something in it takes more than that; empty ones could fill the memory at one byte each."""


class BrokenPickleError(Exception):
    """Why a pickle is not read any further, as a sentence."""


@dataclass(frozen=True, slots=True)
class _Global:
    """The name of something that a real unpickler would import."""

    name: str


@dataclass(frozen=True, slots=True)
class _Latin1:
    """Bytes as protocol 2 writes them: a text to be encoded."""

    text: str


@dataclass(slots=True)
class _Dtype:
    code: str
    order: str = "<"


@dataclass(slots=True)
class Array:
    """A numpy array that is still bytes."""

    shape: tuple[int, ...] = ()
    dtype: _Dtype | None = None
    data: bytes | _Latin1 = b""

    def values(self) -> list[float] | list[int]:
        """All its numbers in a row. BrokenPickleError where they are no numbers, or shape and bytes disagree."""
        data = self.data.text.encode("latin-1", errors="replace") if isinstance(self.data, _Latin1) else self.data
        if self.dtype is None or self.dtype.code not in FORMATS:
            raise BrokenPickleError(f"An array is of the type {self.dtype and self.dtype.code!r}, not of numbers.")
        count = prod(self.shape)
        if any(side < 0 for side in self.shape) or count * int(self.dtype.code[1]) != len(data):
            raise BrokenPickleError(f"An array of the shape {self.shape} has {len(data):,} bytes.")
        return list(struct.unpack(f"{'>' if self.dtype.order == '>' else '<'}{count}{FORMATS[self.dtype.code]}", data))


class Machine:
    """Takes a pickle apart; items() gives what is appended to its outermost list, one by one, and does not keep it."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: list[Any] = []  # numbers count up from 0, or from 1 in Python 2
        self._containers = 0
        self._root: list[Any] | None = None
        self._ready: list[Any] = []

    def items(self) -> Iterator[Any]:
        """The items of the list that the pickle is. BrokenPickleError where it is none, or holds what no list of images needs."""
        count = 0
        try:
            while (opcode := self._take(1)) != b".":
                step = STEPS.get(opcode)
                if step is None:
                    raise BrokenPickleError(f"The pickle holds the instruction {opcode!r}, which no list of images needs.")
                step(self)
                if self._ready:
                    count += len(self._ready)
                    yield from self._ready
                    self._ready.clear()
        except (IndexError, KeyError, ValueError, TypeError, struct.error) as error:
            raise BrokenPickleError(f"The pickle is broken at byte {self._position:,}.") from error
        if self._root is None or len(self._stack) != 1 or self._stack[0] is not self._root:
            raise BrokenPickleError("The pickle is not a list of images.")
        if count * SMALLEST_ITEM > len(self._data):
            raise BrokenPickleError("The pickle repeats its images.")

    def _take(self, count: int) -> bytes:
        end = self._position + count
        piece = self._data[self._position : end]
        if len(piece) != count:
            raise BrokenPickleError("The pickle ends too early.")
        self._position = end
        return piece

    def _unsigned(self, size: int) -> int:
        return int.from_bytes(self._take(size), "little")

    def _line(self) -> str:
        end = self._data.index(b"\n", self._position)
        piece = self._take(end - self._position)
        self._position += 1
        return piece.decode()

    def _popped(self) -> list[Any]:
        """What is above the last mark."""
        mark = self._marks.pop()
        items = self._stack[mark:]
        del self._stack[mark:]
        return items

    def mark(self) -> None:
        self._marks.append(len(self._stack))

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def new_list(self) -> None:
        made: list[Any] = []
        if self._root is None and not self._stack:
            self._root = made
        self.push_container(made)

    def append(self) -> None:
        self._extend([self._stack.pop()])

    def appends(self) -> None:
        self._extend(self._popped())

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if target is self._root:
            self._ready += items
        elif type(target) is list:
            target += items
        else:
            raise TypeError

    def set_item(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._set([key, value])

    def set_items(self) -> None:
        self._set(self._popped())

    def _set(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not dict:
            raise TypeError
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in {str, int}:
                raise TypeError
            target[key] = value

    def tuple_of(self, count: int) -> None:
        """A tuple of the topmost items."""
        if len(self._stack) < count:
            raise IndexError
        items = tuple(self._stack[-count:])
        del self._stack[-count:]
        self.push_container(items)

    def push_container(self, made: object) -> None:
        self._containers += 1
        if (self._containers - FREE_CONTAINERS) * SMALLEST_CONTAINER > len(self._data):
            raise BrokenPickleError("The pickle holds more lists or tuples than a list of images needs.")
        self._stack.append(made)

    def put(self, number: int) -> None:
        if number == 1 and not self._memo:
            self._memo.append(None)
        if number < len(self._memo):
            self._memo[number] = self._stack[-1]
        elif number == len(self._memo):
            self._memo.append(self._stack[-1])
        else:
            raise KeyError

    def name(self, module: object, name: object) -> None:
        if type(module) is not str or type(name) is not str:
            raise TypeError
        self._stack.append(_Global(f"{module.replace('numpy._core', 'numpy.core')}.{name}"))

    def stack_global(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self.name(module, name)

    def call(self) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        if type(function) is not _Global or function.name not in CALLS:
            refuse(function)
        self._stack.append(CALLS[function.name](*arguments))

    def build(self) -> None:
        """Give an array or a type its state."""
        state, made = self._stack.pop(), self._stack[-1]
        if type(made) is Array:
            _, made.shape, made.dtype, by_columns, made.data = state
            _require_array(made, by_columns)
        elif type(made) is _Dtype:
            made.order = state[1]
        else:
            refuse(made)


def refuse(made: object) -> NoReturn:
    name = made.name if isinstance(made, _Global) else type(made).__name__
    raise BrokenPickleError(f"The pickle asks for {name[:80]}, which is refused: only plain values and numpy arrays are read.")


def _require_array(made: Array, by_columns: object) -> Array:
    shape_is_good = type(made.shape) is tuple and all(type(side) is int for side in made.shape) and len(made.shape) <= 2
    if not shape_is_good or type(made.dtype) is not _Dtype or not isinstance(made.data, bytes | _Latin1):
        raise TypeError
    if by_columns and len(made.shape) > 1:
        raise BrokenPickleError("An array is stored column by column, which is not read.")
    return made


def _reconstruct(_kind: object, _shape: object, _code: object) -> Array:
    return Array()


def _from_buffer(data: bytes, dtype: _Dtype, shape: tuple[int, ...], order: str) -> Array:
    return _require_array(Array(shape, dtype, data), order != "C")


def _dtype(code: str, *_: object) -> _Dtype:
    if type(code) is not str:
        raise TypeError
    return _Dtype(code)


def _scalar(dtype: _Dtype, data: bytes | _Latin1) -> float | int:
    return _require_array(Array((1,), dtype, data), False).values()[0]


def _encoded(text: str, encoding: str) -> _Latin1:
    if type(text) is not str or encoding not in {"latin1", "latin-1"}:
        raise TypeError
    return _Latin1(text)


def _no_bytes(*arguments: object) -> bytes:
    if arguments:
        raise TypeError
    return b""


CALLS: dict[str, Callable[..., object]] = {
    "numpy.core.multiarray._reconstruct": _reconstruct,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _from_buffer,
    "numpy.dtype": _dtype,
    "_codecs.encode": _encoded,
    "__builtin__.bytes": _no_bytes,
    "builtins.bytes": _no_bytes,
}
"""What may be called: stand-ins that import nothing."""

STEPS: dict[bytes, Callable[[Machine], object]] = {
    b"\x80": lambda m: m._take(1),  # PROTO
    b"\x95": lambda m: m._take(8),  # FRAME
    b"(": Machine.mark,
    b"0": lambda m: m._stack.pop(),
    b"N": lambda m: m.push(None),
    b"\x88": lambda m: m.push(True),
    b"\x89": lambda m: m.push(False),
    b"J": lambda m: m.push(int.from_bytes(m._take(4), "little", signed=True)),
    b"K": lambda m: m.push(m._take(1)[0]),
    b"M": lambda m: m.push(m._unsigned(2)),
    b"\x8a": lambda m: m.push(int.from_bytes(m._take(m._unsigned(1)), "little", signed=True)),  # LONG1
    b"G": lambda m: m.push(struct.unpack(">d", m._take(8))[0]),
    b"X": lambda m: m.push(m._take(m._unsigned(4)).decode()),
    b"\x8c": lambda m: m.push(m._take(m._unsigned(1)).decode()),
    b"\x8d": lambda m: m.push(m._take(m._unsigned(8)).decode()),
    b"B": lambda m: m.push(m._take(m._unsigned(4))),
    b"C": lambda m: m.push(m._take(m._unsigned(1))),
    b"\x8e": lambda m: m.push(m._take(m._unsigned(8))),
    b"\x96": lambda m: m.push(m._take(m._unsigned(8))),  # BYTEARRAY8
    b"]": Machine.new_list,
    b"}": lambda m: m.push_container({}),
    b")": lambda m: m.push(()),
    b"t": lambda m: m.push_container(tuple(m._popped())),
    b"\x85": lambda m: m.tuple_of(1),
    b"\x86": lambda m: m.tuple_of(2),
    b"\x87": lambda m: m.tuple_of(3),
    b"a": Machine.append,
    b"e": Machine.appends,
    b"s": Machine.set_item,
    b"u": Machine.set_items,
    b"q": lambda m: m.put(m._unsigned(1)),
    b"r": lambda m: m.put(m._unsigned(4)),
    b"\x94": lambda m: m.put(len(m._memo)),  # MEMOIZE
    b"h": lambda m: m.push(m._memo[m._unsigned(1)]),
    b"j": lambda m: m.push(m._memo[m._unsigned(4)]),
    b"c": lambda m: m.name(m._line(), m._line()),
    b"\x93": Machine.stack_global,
    b"R": Machine.call,
    b"\x81": lambda m: refuse(m._stack[-2]),  # NEWOBJ
    b"\x92": lambda m: refuse(m._stack[-3]),  # NEWOBJ_EX
    b"b": Machine.build,
}
"""Opcodes of protocols 2 to 5, as far as data needs them."""
