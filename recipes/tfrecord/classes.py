"""Which class each object has: by its text, else by its number in the label map.

tf_example_decoder.py looks up the text and falls back to the number; an object with neither is dropped there. VoTT 2 writes numbers
from 0 beside a label map from 1 (tensorFlowRecords.ts), which only the texts make good.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeAlias

from recipes.errors import FormatError
from recipes.tfrecord.label_map import LabelMap

Key: TypeAlias = tuple[bytes, int | None]
"""Text (empty where there is none) and number (None where there is none) of an object."""

MOST = 100_000
"""Keys; more are no classes that anybody trains on."""


@dataclass(frozen=True, slots=True)
class Classes:
    """names: the dataset's classes in their order. of: the class of every key; None where it stands for none. notes: sentences."""

    names: tuple[str, ...]
    of: dict[Key, str | None]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unresolved:
    """Keys that no class can be found for, and why."""

    reasons: dict[Key, str]


def resolve(keys: AbstractSet[Key], label_map: LabelMap | None) -> Classes | Unresolved:
    """Find the class of every key that occurs in a dataset."""
    ordered = sorted(keys, key=lambda key: (key[0], -1 if key[1] is None else key[1]))
    from_zero, notes = _base(ordered, label_map)
    of: dict[Key, str | None] = {}
    reasons: dict[Key, str] = {}
    for key in ordered:
        try:
            of[key] = _class(key, label_map, from_zero=from_zero)
        except FormatError as error:
            reasons[key] = error.message
    if reasons:
        return Unresolved(reasons)
    names = label_map.classes.values() if label_map else sorted({name for name in of.values() if name is not None})
    return Classes(tuple(names), of, notes)


def _class(key: Key, label_map: LabelMap | None, *, from_zero: bool) -> str | None:
    raw, number = key
    if raw:
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            raise FormatError(f"The class {raw!r} is not UTF-8.") from error
        if label_map is None:
            return text
        if text not in label_map.by_text:
            raise FormatError(f"The class {text!r} is not in {label_map.name}; TensorFlow would leave its objects out.")
        return label_map.by_text[text]
    if number is None or number < (0 if from_zero else 1):
        return None
    if label_map is None:
        raise FormatError(f"An object has the number {number} for its class, and there is no label map that names it.")
    if number + from_zero not in label_map.classes:
        raise FormatError(f"An object has the number {number} for its class, which is not in {label_map.name}.")
    return label_map.classes[number + from_zero]


def _base(keys: list[Key], label_map: LabelMap | None) -> tuple[bool, tuple[str, ...]]:
    """Whether numbers count from 0 though the label map counts from 1; what to say about it."""
    if label_map is None:
        return False, ()
    ids = {label: number for number, label in label_map.classes.items()}
    texts = [(label_map.by_text.get(raw.decode(errors="replace")), number) for raw, number in keys if raw and number is not None]
    known = [(ids[label], number) for label, number in texts if label is not None]
    plain = sum(wanted == number for wanted, number in known)
    shifted = sum(wanted == number + 1 for wanted, number in known)
    if plain and shifted:
        note = f"Some numbers of classes count from 0 and some from 1, as {label_map.name} does; the texts decide."
        return shifted > plain, (note,)
    bare = {number for raw, number in keys if not raw and number is not None and number >= 0}
    if shifted or (not known and 0 in bare and all(number + 1 in label_map.classes for number in bare)):
        by = "the texts decide" if shifted else f"0 is taken for {label_map.classes[1]!r}"
        return True, (f"The numbers of classes count from 0, those of {label_map.name} from 1, as VoTT writes them; {by}.",)
    if len(known) > plain:
        return False, (f"Some numbers of classes are others than {label_map.name} has for their texts; the texts decide.",)
    return False, ()
