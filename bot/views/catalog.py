"""What there is: datasets and recipes."""

from __future__ import annotations

from collections.abc import Sequence

from bot.answer import Block
from bot.views.blocks import Message, fitting, section
from bot.views.words import code, count, escaped, name, prose
from recipes.catalog.versions import DatasetVersion
from recipes.recipe import Recipe

SHOWN = 40


def dataset_list(datasets: Sequence[tuple[DatasetVersion, int]]) -> Message:
    """Every dataset: its newest version, and how many versions it has."""
    if not datasets:
        text = "There is no dataset yet. Upload a zip of images and annotations to the channel to add the first."
        return text, [section(text)]
    lines = [_dataset_line(newest, versions) for newest, versions in datasets[:SHOWN]]
    lines += [f"… and {len(datasets) - SHOWN} more"] if len(datasets) > SHOWN else []
    return _listed(f"*{count(len(datasets), 'dataset')}*", lines)


def recipe_list(recipes: Sequence[Recipe]) -> Message:
    """Every recipe with its title."""
    lines = [f"`{recipe.name}`  {name(recipe.title, 200)}" for recipe in recipes[:SHOWN]]
    return _listed(f"*{count(len(recipes), 'recipe')}*  ·  `recipes show NAME` tells the steps; `FROM:TO` converts without any", lines)


def recipe_page(recipe: Recipe) -> Message:
    """A recipe step by step, with its parameters."""
    settings = [(step.transform.name, key, value) for step in recipe.steps for key, value in _plain(step.parameters.model_dump())]
    known = [f"`{step}.{key}={escaped(str(value))}`" for step, key, value in settings]
    parameters = f"\n*Parameters* (with what they are now)\n{' '.join(known)}" if known else ""
    example = code(f"convert <dataset> {recipe.name} key=value")
    return _page(f"*{recipe.name}*\n{prose_lines(recipe.describe())}{parameters}\n{example} makes a new version.")


def prose_lines(text: str) -> str:
    """Lines of prose, each made harmless."""
    return "\n".join(prose(line, 600) for line in text.splitlines())


def _dataset_line(newest: DatasetVersion, versions: int) -> str:
    amount = f"{count(newest.summary.images, 'image')}, {count(newest.summary.boxes, 'box', 'boxes')}"
    older = f"; {count(versions - 1, 'older version')}" if versions > 1 else ""
    return f"`{newest.reference}`  {amount} ({name(newest.format)}){older}"


def _plain(values: dict[str, object]) -> list[tuple[str, object]]:
    return [(key, value) for key, value in values.items() if isinstance(value, str | int | float | bool)]


def _listed(heading: str, lines: Sequence[str]) -> Message:
    text = "\n".join([heading, *lines])
    blocks: list[Block] = [section(heading)]
    blocks += [section("\n".join(lines[start : start + 10])) for start in range(0, len(lines), 10)]
    return text, fitting(blocks)


def _page(text: str) -> Message:
    return text, [section(text)]
