"""The classes of a YOLO dataset: ``names`` of a data.yaml (a list, or a mapping from ids), or a text file with a name a line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from recipes.errors import Defects, FormatError, Where
from recipes.folder import Folder
from recipes.yaml_lines import YamlDocument

LARGEST_BYTES = 1_000_000


def read_text(folder: Folder, name: str, largest_bytes: int = LARGEST_BYTES) -> str:
    """A small UTF-8 file (with or without a byte order mark); FormatError names it where it is not that."""
    with folder.path(name).open("rb") as file:
        data = file.read(largest_bytes + 1)
    if len(data) > largest_bytes:
        raise FormatError(f"The file is larger than {largest_bytes:,} bytes.", where=Where(name))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError("The file is not UTF-8 text.", where=Where(name), remedy="Save it as UTF-8.") from error


def classes_of_file(folder: Folder, name: str, defects: Defects) -> tuple[str, ...]:
    """The names in a file with one a line; blank lines at its end do not count."""
    lines = read_text(folder, name).rstrip().split("\n")
    entries = [(line.strip(), Where(name, number)) for number, line in enumerate(lines, start=1)]
    return _distinct([] if lines == [""] else entries, Where(name), defects)


def classes_of_document(document: YamlDocument, defects: Defects) -> tuple[str, ...] | None:
    """The names in a data.yaml by ascending id, None where it has none; ids must be 0, 1, 2, …, and nc, if there, how many."""
    data = document.data
    assert isinstance(data, dict)
    names = data.get("names")
    if names is None:
        return None
    if isinstance(names, dict):
        entries = _by_id(names, document, defects)
    elif isinstance(names, list):
        entries = [(value, document.where("names", number)) for number, value in enumerate(names)]
    else:
        defects.add("The names of the classes must be a list, or a mapping from ids.", document.where("names"))
        return ()
    texts = [(_text(value, where, defects), where) for value, where in entries]
    count = data.get("nc")
    if count is not None and count != len(texts):
        defects.add(f"nc says {_shown(count)} classes, and there are {len(texts)} names.", document.where("nc"))
    return _distinct(texts, document.where("names"), defects)


def _by_id(names: dict[str, object], document: YamlDocument, defects: Defects) -> list[tuple[object, Where]]:
    if set(names) != {str(number) for number in range(len(names))}:
        odd = next(iter(sorted(set(names) - {str(number) for number in range(len(names))})))
        sentence = f"The ids of {len(names)} classes must be 0 to {len(names) - 1}; {_shown(odd)} is not."
        defects.add(sentence, replace(document.where("names", odd), key="names"))
        return []
    return [(names[str(number)], document.where("names", str(number))) for number in range(len(names))]


def _text(value: object, where: Where, defects: Defects) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    defects.add(f"YAML reads this name as {_shown(value)}: write it in quotes.", where)
    return repr(value)


def _distinct(entries: Sequence[tuple[str, Where]], where: Where, defects: Defects) -> tuple[str, ...]:
    first: dict[str, int] = {}
    if not entries:
        defects.add("There is no class in this list.", where)
    for number, (name, place) in enumerate(entries):
        if not name:
            defects.add(f"Class {number} has no name.", place)
        elif any(ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in name):
            defects.add(f"The name {_shown(name)} holds control characters or is no text.", place)
        elif name in first:
            defects.add(f"The class {_shown(name)} is in the list twice, as {first[name]} and as {number}.", place)
        first.setdefault(name, number)
    return tuple(name for name, _ in entries)


def require_alike(lists: Iterable[tuple[str, tuple[str, ...]]], defects: Defects) -> tuple[str, ...] | None:
    """The classes that several files agree on, None without a file."""
    first: tuple[str, tuple[str, ...]] | None = None
    for name, classes in lists:
        if first and first[1] != classes:
            defects.add(f"The classes here differ from those in {first[0]}.", Where(name))
        first = first or (name, classes)
    return first and first[1]


def _shown(value: object) -> str:
    return repr(value)[:60]
