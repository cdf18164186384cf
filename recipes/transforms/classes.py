"""Renames, merges, keeps and leaves out classes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import replace

from pydantic import Field, model_validator

from recipes.dataset import Annotation, Dataset, ImageRecord
from recipes.effort import Effort
from recipes.errors import RecipeError, Where
from recipes.parameters import Parameters
from recipes.transforms import Transform, edit_boxes


class Classes(Parameters):
    """map: old name to new name (several old ones may become one); then keep only these, or drop these (new names)."""

    map: dict[str, str] = Field(default_factory=dict)
    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_way(self) -> Classes:
        if self.keep and self.drop:
            raise ValueError("give keep or drop, not both")
        if not (self.map or self.keep or self.drop):
            raise ValueError("give at least one of map, keep and drop")
        return self

    def describe(self) -> str:
        parts = [f"call {old} {new}" for old, new in self.map.items()]
        if self.keep:
            parts.append(f"keep only {', '.join(self.keep)}")
        if self.drop:
            parts.append(f"leave out {', '.join(self.drop)}")
        return "; ".join(parts)


def apply(dataset: Dataset, parameters: Classes, _: Effort) -> Dataset:
    """The dataset with the classes changed, in the order they had (or in that of keep); RecipeError for unknown ones."""
    _require_known(parameters.map, dataset.classes, "map")
    renamed = tuple(dict.fromkeys(parameters.map.get(name, name) for name in dataset.classes))
    _require_known(parameters.keep, renamed, "keep")
    _require_known(parameters.drop, renamed, "drop")
    classes = tuple(dict.fromkeys(parameters.keep)) or tuple(name for name in renamed if name not in parameters.drop)
    allowed = frozenset(classes)

    def edit(_: ImageRecord, annotation: Annotation) -> Annotation | str:
        label = parameters.map.get(annotation.label, annotation.label)
        if label not in allowed:
            return f"class {label}"
        return annotation if label == annotation.label else replace(annotation, label=label)

    return replace(edit_boxes(dataset, TRANSFORM.name, edit), classes=classes)


def _require_known(names: Iterable[str], known: tuple[str, ...], parameter: str) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(known)}."
            where = Where(key=f"{TRANSFORM.name}.{parameter}")
            raise RecipeError(f"The dataset has no class {name!r}.", where=where, remedy=hint)


TRANSFORM = Transform("classes", Classes, apply)
