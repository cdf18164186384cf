"""Recipes: YAML that says what to read, which transforms to apply, and what to write.

    name: vatic-to-coco
    title: one line for people
    read: {format: vatic, …options}         # without a format it is found out
    steps: [{drop_flagged: {…parameters}}]   # a transform without parameters may stand by its name alone
    write: {format: coco, …options}

``FROM:TO`` (as ``voc:coco``) is a recipe without steps. ``key=value`` overrides a parameter: ``gap=20``, or
``split.gap=20`` where several parts of the recipe know the key (the second split is split2).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recipes.dataset import Dataset
from recipes.effort import Effort
from recipes.errors import NOWHERE, Defect, RecipeError, RegistryError, Where
from recipes.formats import Format
from recipes.parameters import NoParameters, Parameters
from recipes.sources import did_you_mean, format_named
from recipes.transforms import Transform, transform_called, transform_names
from recipes.yaml_lines import YamlDocument, parse_yaml, read_yaml, refused, sentence

LIBRARY = Path(__file__).parent / "library"
RESERVED = frozenset({"check", "convert", "diff", "help", "ingest", "list", "remove", "show", "verify"})


class _Document(BaseModel):
    """A recipe as it is written; what parts mean is settled by the formats and transforms they name."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    title: Annotated[str, Field(min_length=1, max_length=200)]
    read: dict[str, Any] = Field(default_factory=dict)
    steps: list[str | Annotated[dict[str, dict[str, Any] | None], Field(min_length=1, max_length=1)]] = Field(default_factory=list)
    write: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """A transform with its parameters, and where its recipe says so."""

    transform: Transform
    parameters: Parameters
    where: Where = NOWHERE

    def apply(self, dataset: Dataset, effort: Effort) -> Dataset:
        """The dataset with this step applied; a RecipeError names file and line of the step."""
        try:
            return self.transform.apply(dataset, self.parameters, effort)
        except RecipeError as error:
            place = Where(self.where.file, self.where.line, error.where.key or self.where.key)
            raise RecipeError(error.message, where=place, remedy=error.remedy) from error


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe ready to run. reader is None where the source's format is to be found out; text is as it was written."""

    name: str
    title: str
    text: str
    reader: Format | None
    read_options: Parameters
    steps: tuple[Step, ...]
    writer: Format
    write_options: Parameters

    def describe(self) -> str:
        """The recipe in words, a step to a line."""
        source = self.reader.title if self.reader else "whatever it is"
        lines = [f"{self.title}.", f"1. Read {source}."]
        steps = [step.parameters.describe() or step.transform.name for step in self.steps]
        lines += [f"{number}. {words[:1].upper()}{words[1:]}." for number, words in enumerate(steps, start=2)]
        return "\n".join([*lines, f"{len(lines)}. Write {self.writer.title}."])

    def parameters(self) -> dict[str, Any]:
        """Every parameter as it was used, as plain JSON values: the part of a version's lineage."""
        return {
            "read": {"format": self.reader and self.reader.name, **self.read_options.model_dump(mode="json")},
            "steps": [{step.transform.name: step.parameters.model_dump(mode="json")} for step in self.steps],
            "write": {"format": self.writer.name, **self.write_options.model_dump(mode="json")},
        }

    def transform(self, dataset: Dataset, effort: Effort) -> Dataset:
        """The dataset with every step applied, in order."""
        for step in self.steps:
            dataset = step.apply(dataset, effort)
        return dataset


@dataclass(slots=True)
class _Part:
    """A part of a recipe that takes parameters, while overrides are laid over it."""

    label: str
    model: type[Parameters]
    values: dict[str, Any]
    keys: tuple[str | int, ...]
    overridden: set[str]

    def parse(self, document: YamlDocument) -> Parameters:
        try:
            return self.model.model_validate(self.values)
        except ValidationError as error:
            defects = tuple(
                Defect(sentence(found["type"], found["msg"]), self._where(document, found["loc"]))
                for found in error.errors(include_url=False, include_context=False, include_input=False)
            )
            raise refused(defects, document.file) from error

    def _where(self, document: YamlDocument, loc: tuple[str | int, ...]) -> Where:
        if loc and loc[0] in self.overridden:
            return Where(key=f"{self.label}.{'.'.join(map(str, loc))}")
        return document.where(*self.keys, *loc)


def library() -> Mapping[str, Path]:
    """The recipes that come with Signalbox, by name."""
    return {path.stem: path for path in sorted(LIBRARY.glob("*.yaml"))}


def load_recipe(name: str, overrides: Iterable[str] = ()) -> Recipe:
    """The recipe of the library, of a YAML file, or FROM:TO; overrides are ``key=value``.

    RecipeError or DocumentError says what is wrong with the name, the file (by line) or an override.
    """
    if name in library():
        path = library()[name]
        document, text = read_yaml(path), path.read_text(encoding="utf-8")
        if not isinstance(document.data, dict) or document.data.get("name") != name or name in RESERVED:
            raise RegistryError("A recipe has the name of its file, and none that is a command.", where=Where(str(path)))
    elif name.endswith((".yaml", ".yml")):
        document, text = read_yaml(Path(name)), Path(name).read_text(encoding="utf-8")
    elif name.count(":") == 1 and all(name.split(":")):
        text = _direct(*name.split(":"))
        document = parse_yaml(text, file=name)
    else:
        hint = did_you_mean(name, library())
        raise RecipeError(f"There is no recipe {name!r}.", remedy=f"{hint} FROM:TO converts without steps.")
    return _build(document, text, tuple(overrides))


def _direct(source: str, target: str) -> str:
    reader, writer = format_named(source), format_named(target)
    title = f"{reader.title} to {writer.title}"
    name = f"{source}-to-{target}".replace("_", "-")
    return f"name: {name}\ntitle: {title}\nread: {{format: {source}}}\nwrite: {{format: {target}}}\n"


def _build(document: YamlDocument, text: str, overrides: tuple[str, ...]) -> Recipe:
    data = document.parse(_Document)
    reader = _format(document, data.read, "read") if "format" in data.read else None
    writer = _format(document, data.write, "write")
    if writer is None or writer.write is None:
        where = document.where("write", "format")
        raise RecipeError(f"The format {data.write.get('format')!r} cannot be written.", where=where)
    if reader is not None and reader.read is None:
        raise RecipeError(f"The format {reader.name!r} cannot be read.", where=document.where("read", "format"))
    read = _Part("read", reader.read_options if reader else NoParameters, _options(data.read), ("read",), set())
    write = _Part("write", writer.write_options, _options(data.write), ("write",), set())
    used = [_transform(document, number, entry) for number, entry in enumerate(data.steps)]
    steps = [part for _, part in used]
    _number_repeats(steps)
    _override([read, *steps, write], overrides)
    return Recipe(
        data.name,
        data.title,
        text,
        reader,
        read.parse(document),
        tuple(Step(transform, part.parse(document), document.where(*part.keys)) for transform, part in used),
        writer,
        write.parse(document),
    )


def _options(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != "format"}


def _format(document: YamlDocument, values: Mapping[str, Any], part: str) -> Format | None:
    name = values.get("format")
    if name is None:
        return None
    try:
        return format_named(str(name))
    except RecipeError as error:
        raise RecipeError(error.message, where=document.where(part, "format"), remedy=error.remedy) from error


def _transform(document: YamlDocument, number: int, entry: str | Mapping[str, dict[str, Any] | None]) -> tuple[Transform, _Part]:
    name, values = (entry, None) if isinstance(entry, str) else next(iter(entry.items()))
    try:
        transform = transform_called(name)
    except KeyError:
        remedy = did_you_mean(name, transform_names())
        raise RecipeError(f"There is no transform {name!r}.", where=document.where("steps", number), remedy=remedy) from None
    return transform, _Part(name, transform.parameters, dict(values or {}), ("steps", number, name), set())


def _number_repeats(steps: list[_Part]) -> None:
    """The second clip of a recipe is clip2 in overrides."""
    seen: Counter[str] = Counter()
    for part in steps:
        seen[part.label] += 1
        if seen[part.label] > 1:
            part.label += str(seen[part.label])


def _override(parts: list[_Part], overrides: tuple[str, ...]) -> None:
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key:
            raise RecipeError(f"{override!r} is no key=value.", remedy="As in gap=20.")
        label, _, name = key.rpartition(".")
        able = [part for part in parts if name in part.model.model_fields and label in {"", part.label}]
        if not able:
            known = {f"{part.label}.{field}": None for part in parts for field in part.model.model_fields}
            short = {field.partition(".")[2]: None for field in known}
            remedy = did_you_mean(key, known if label else short)
            raise RecipeError(f"The recipe has no parameter {key!r}.", remedy=remedy)
        if len(able) > 1:
            choices = " or ".join(f"{part.label}.{name}" for part in able)
            raise RecipeError(f"Several parts of the recipe have a parameter {name!r}.", remedy=f"Say {choices}.")
        able[0].values[name] = parse_yaml(value, file=override).data
        able[0].overridden.add(name)
