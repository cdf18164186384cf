"""The one YAML loader: plain data, with the file and line of every key kept for error messages.

Safe by construction: no tags, no aliases (so no expansion bombs), no duplicate keys, no keys but text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from recipes.errors import Defect, DocumentError, Where

MAX_BYTES = 1_000_000
MAX_DEPTH = 40

Key: TypeAlias = str | int
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """Plain data (dict, list, str, int, float, bool, None), where it came from, and the line of every key."""

    data: object
    file: str
    lines: Mapping[tuple[Key, ...], int]

    def where(self, *keys: Key) -> Where:
        """The file, and the line of a key or of its nearest known parent."""
        path = keys
        while path and path not in self.lines:
            path = path[:-1]
        return Where(self.file, self.lines.get(path), ".".join(str(key) for key in keys))

    def parse(self, model: type[Model]) -> Model:
        """The document as a model; every value it refuses is named by file, line and key (DocumentError)."""
        return self.parse_part(model, self.data)

    def parse_part(self, model: type[Model], part: object, *keys: Key) -> Model:
        """One part of the document, found under keys, as a model."""
        try:
            return model.model_validate(part)
        except ValidationError as error:
            defects = tuple(
                Defect(sentence(details["type"], details["msg"]), self.where(*keys, *details["loc"]))
                for details in error.errors(include_url=False, include_context=False, include_input=False)
            )
            raise refused(defects, self.file) from error


def refused(defects: tuple[Defect, ...], file: str) -> DocumentError:
    """One error for all the values that a model refused."""
    if len(defects) == 1:
        return DocumentError(defects[0].message, where=defects[0].where)
    return DocumentError(f"{len(defects)} values are wrong.", where=Where(file), defects=defects)


def sentence(kind: str, message: str) -> str:
    """Pydantic's message as a sentence of ours."""
    if kind == "extra_forbidden":
        return "There is no such key here."
    if kind == "missing":
        return "This key is missing."
    return f"{message.removeprefix('Value error, ').rstrip('.')}."


def read_yaml(path: Path) -> YamlDocument:
    """Load a YAML file; DocumentError names file and line of anything malformed."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DocumentError(f"The file is larger than {MAX_BYTES:,} bytes.", where=Where(str(path)))
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DocumentError(f"The file cannot be read: {error.strerror}.", where=Where(str(path))) from error
    except UnicodeDecodeError as error:
        raise DocumentError("The file is not UTF-8 text.", where=Where(str(path))) from error
    return parse_yaml(text, file=str(path))


def parse_yaml(text: str, *, file: str) -> YamlDocument:
    """Load YAML text; file is the name that errors shall speak of."""
    lines: dict[tuple[Key, ...], int] = {}
    try:
        _require_plain(text, file)
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            data = _plain(loader, node, (), lines, file) if node else None
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        raise DocumentError(f"This is not YAML: {error.problem or error.context}.", where=Where(file, line)) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise DocumentError(f"This is not YAML: {error}.", where=Where(file)) from error
    return YamlDocument(data, file, lines)


def _require_plain(text: str, file: str) -> None:
    """Refuse aliases and deep nesting event by event, before anything is built that they could blow up."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else None
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent):
            raise DocumentError("Aliases (*name) are not allowed.", where=Where(file, line))
        if depth > MAX_DEPTH:
            raise DocumentError(f"The document is nested deeper than {MAX_DEPTH} levels.", where=Where(file, line))


def _plain(loader: yaml.SafeLoader, node: yaml.Node, path: tuple[Key, ...], lines: dict[tuple[Key, ...], int], file: str) -> object:
    line = node.start_mark.line + 1
    lines.setdefault(path, line)
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node, path, lines, file)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(loader, item, (*path, number), lines, file) for number, item in enumerate(node.value)]
    if node.tag == "tag:yaml.org,2002:timestamp":
        return str(node.value)
    return loader.construct_object(node)


def _mapping(
    loader: yaml.SafeLoader, node: yaml.MappingNode, path: tuple[Key, ...], lines: dict[tuple[Key, ...], int], file: str
) -> dict[str, object]:
    data: dict[str, object] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag.endswith((":merge", ":null")):
            raise DocumentError("A key must be plain text.", where=Where(file, line))
        key = str(key_node.value)
        if key in data:
            raise DocumentError(f"The key {key!r} stands here twice.", where=Where(file, line))
        lines[(*path, key)] = line
        data[key] = _plain(loader, value_node, (*path, key), lines, file)
    return data
