"""The file that says what belongs to a YOLO dataset: Ultralytics' data.yaml or darknet's obj.data.

Sources: ultralytics/data/utils.py, check_det_dataset (path, train, val, test, names, nc, kpt_shape); darknet's
src/option_list.c, read_data_cfg (key = value, lines with # and ; are comments).
"""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass

from recipes.errors import Defects, FormatError, Where
from recipes.folder import Folder
from recipes.yaml_lines import YamlDocument, parse_yaml
from recipes.yolo.classes import classes_of_document, classes_of_file, read_text
from recipes.yolo.paths import Paths

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
OPTIONAL_SPLITS = frozenset({"test"})
SNIFFED_BYTES = 65_536
LARGEST_YAML = 400_000  # thirteen thousand classes; reading a longer one takes seconds and hundreds of megabytes
MOST_CANDIDATES = 50
YAML_NAMES = re.compile(rb"^names\s*:", re.MULTILINE)
YAML_OTHERS = re.compile(rb"^(train|val|valid|test|nc|path)\s*:", re.MULTILINE)
DARKNET_KEYS = re.compile(rb"^\s*(names|train|valid)\s*=", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Entry:
    """A split's images as they are written: a folder, a list file or an image; and where."""

    split: str
    written: str
    where: Where


@dataclass(frozen=True, slots=True)
class Config:
    """What a data file says. classes is None where it names none; keypoint_columns follow the box on each line (pose)."""

    name: str
    classes: tuple[str, ...] | None
    entries: tuple[Entry, ...]
    paths: Paths
    keypoint_columns: int = 0


def config_file(folder: Folder) -> str | None:
    """The data file of a folder: one called data.yaml before others, the nearest to the root first; darknet's where there is no YAML."""
    for suffixes, is_one in (((".yaml", ".yml"), _is_data_yaml), ((".data",), _is_darknet)):
        names = sorted(folder.with_suffix(*suffixes), key=lambda name: (posixpath.basename(name) != "data.yaml", name.count("/"), name))
        for name in names[:MOST_CANDIDATES]:
            if is_one(_head(folder, name)):
                return name
    return None


def _head(folder: Folder, name: str) -> bytes:
    with folder.path(name).open("rb") as file:
        return file.read(SNIFFED_BYTES)


def _is_data_yaml(head: bytes) -> bool:
    return bool(YAML_NAMES.search(head) and YAML_OTHERS.search(head))


def _is_darknet(head: bytes) -> bool:
    return len(set(DARKNET_KEYS.findall(head))) > 1


def read_config(folder: Folder, name: str, defects: Defects) -> Config:
    """The data file of that name; FormatError or DocumentError where it cannot be read at all."""
    return _read_darknet(folder, name, defects) if name.endswith(".data") else _read_yaml(folder, name, defects)


def _read_yaml(folder: Folder, name: str, defects: Defects) -> Config:
    document = parse_yaml(read_text(folder, name, LARGEST_YAML), file=name)
    if not isinstance(document.data, dict):
        raise FormatError("This is not a data file: its keys should be names, train and val.", where=Where(name))
    home = posixpath.dirname(name)
    root = document.data.get("path") or ""
    if not isinstance(root, str):
        defects.add("path must be the name of a folder.", document.where("path"))
        root = ""
    paths = Paths(folder, (posixpath.join(home, root).lstrip("/"), home, ""))
    entries = tuple(entry for key, value in document.data.items() for entry in _yaml_entries(document, key, value, defects))
    return Config(name, classes_of_document(document, defects), entries, paths, _keypoint_columns(document, defects))


def _yaml_entries(document: YamlDocument, key: str, value: object, defects: Defects) -> Sequence[Entry]:
    """Ultralytics knows train, val and test; another split is known by having the folder that Signalbox gives it."""
    if value is None or (key not in SPLITS and not (key.isprintable() and value == f"images/{key}")):
        return ()
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in values):
        defects.add(f"{key} must be a folder, a list file, or a list of them.", document.where(key))
        return ()
    places = [document.where(key, number) if isinstance(value, list) else document.where(key) for number in range(len(values))]
    return [Entry(SPLITS.get(key, key), item, where) for item, where in zip(values, places, strict=True)]


def _keypoint_columns(document: YamlDocument, defects: Defects) -> int:
    assert isinstance(document.data, dict)
    shape = document.data.get("kpt_shape")
    if shape is None:
        return 0
    if not isinstance(shape, list) or len(shape) != 2 or not all(type(size) is int and 0 < size < 10_000 for size in shape):
        defects.add("kpt_shape must be two numbers: how many key points, and how many values each.", document.where("kpt_shape"))
        return 0
    return math.prod(shape)


def _read_darknet(folder: Folder, name: str, defects: Defects) -> Config:
    values: dict[str, tuple[str, Where]] = {}
    for number, line in enumerate(read_text(folder, name).split("\n"), start=1):
        key, equals, value = (part.strip() for part in line.partition("="))
        if not key or key[0] in "#;":
            continue
        if not equals:
            defects.add("This line is not key = value.", Where(name, number))
        elif key in values:
            defects.add(f"The key {key[:60]!r} stands here twice.", Where(name, number))
        values[key] = value, Where(name, number)
    paths = Paths(folder, (posixpath.dirname(name), ""))
    entries = tuple(Entry(SPLITS[key], value, where) for key, (value, where) in values.items() if key in SPLITS)
    return Config(name, _darknet_classes(folder, values, paths, defects), entries, paths)


def _darknet_classes(folder: Folder, values: dict[str, tuple[str, Where]], paths: Paths, defects: Defects) -> tuple[str, ...] | None:
    if "names" not in values:
        return None
    written, where = values["names"]
    found = paths.file(written)
    if found is None:
        defects.add(f"The list of classes {written[:200]!r} is not here.", where)
        return ()
    classes = classes_of_file(folder, found, defects)
    count, where = values.get("classes", (str(len(classes)), where))
    if count != str(len(classes)):
        defects.add(f"It says {count[:20]!r} classes, and {found} has {len(classes)}.", where)
    return classes
