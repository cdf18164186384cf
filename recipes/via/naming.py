"""Which attribute of VIA's regions says the class: a person chose its name, so it is told, or found out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recipes.errors import FormatError, Where
from recipes.via.documents import Document, said

UNCLEAR = "object"
NOT_TOLD = "No attribute is known to say the class of a region"
REMEDY = "Say class_attribute=ATTRIBUTE, or class_name=NAME where all regions are of one class."
PREFERRED = ("class", "label", "category", "name", "type")


@dataclass(frozen=True, slots=True)
class Naming:
    """attribute says the class, name is that of regions where it says nothing; names turns what is said into the class's name."""

    attribute: str | None = None
    name: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def labels(self, attributes: Mapping[str, Any]) -> list[str]:
        """The classes of a region: none, one, or each that is ticked."""
        labels = said(attributes.get(self.attribute)) if self.attribute is not None else []
        if not labels and self.name is not None:
            return [self.name]
        return [self.names.get(label, label) for label in labels]

    def others(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """The attributes beside the class."""
        return {key: value for key, value in attributes.items() if key != self.attribute}


def choose_naming(documents: Sequence[Document], attribute: str | None, name: str | None, *, refuse_unclear: bool) -> Naming:
    """How regions are named: by the attribute, else all by name, else by the attribute that looks most like a class.

    Where none of it leads to a class, all are of the class UNCLEAR and a note says so; or FormatError with the attributes there are.
    """
    seen: Counter[str] = Counter()
    texts: Counter[str] = Counter()
    for document in documents:
        seen.update(document.seen)
        texts.update(document.texts)
    notes: tuple[str, ...] = ()
    if attribute is not None:
        if attribute not in seen:
            raise _unnamed(documents, f"No region has an attribute {attribute!r}", seen)
    elif name is not None or not any(document.regions for document in documents):
        return Naming(name=name, classes=(name,) if name else ())
    else:
        attribute = _likeliest(texts)
        if attribute is None and refuse_unclear:
            raise _unnamed(documents, NOT_TOLD, seen)
        if attribute is None:
            return Naming(name=UNCLEAR, classes=(UNCLEAR,), notes=(f"{NOT_TOLD}, so all are called {UNCLEAR!r}; {_there(seen)}. {REMEDY}",))
        others = ", ".join(repr(other) for other in seen if other != attribute)
        if others:
            notes = (f"The attribute {attribute!r} is taken for the class (class_attribute=NAME takes another: {others}).",)
    options = _options(documents, attribute)
    names = _descriptions(options)
    return Naming(attribute, name, names, tuple(dict.fromkeys(names.get(option, option) for option in options)), notes)


def _likeliest(texts: Counter[str]) -> str | None:
    if len(texts) == 1:
        return next(iter(texts))
    by_name = {name.casefold(): name for name in reversed(texts)}
    return next((by_name[name] for name in PREFERRED if name in by_name), None)


def _options(documents: Iterable[Document], attribute: str) -> dict[str, str]:
    """The options that projects give the attribute, with their descriptions, in order."""
    options: dict[str, str] = {}
    for document in documents:
        definition = document.definitions.get(attribute)
        offered = definition.get("options") if isinstance(definition, dict) else None
        for option, description in (offered if isinstance(offered, dict) else {}).items():
            if option.strip():
                options.setdefault(option.strip(), description.strip() if isinstance(description, str) else "")
    return options


def _descriptions(options: Mapping[str, str]) -> dict[str, str]:
    """Options that are but numbers, as in projects made from COCO, stand for their descriptions."""
    numbered = bool(options) and all(option.isdecimal() for option in options)
    described = all(options.values()) and len(set(options.values())) == len(options)
    return dict(options) if numbered and described else {}


def _unnamed(documents: Sequence[Document], problem: str, seen: Collection[str]) -> FormatError:
    return FormatError(f"{problem}; {_there(seen)}.", where=Where(documents[0].name), remedy=REMEDY)


def _there(seen: Collection[str]) -> str:
    return f"there are {', '.join(map(repr, seen))}" if seen else "regions have no attributes"
