"""Make a new version of a dataset with a recipe."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.names import known_dataset, known_recipe
from bot.verb import Asking, CommandError, Topic, Verb
from bot.views.submitted import submitted
from recipes.names import is_dataset_name
from recipes.recipe import load_recipe
from runner.service import runs, views


@click.command("convert", help="Make a new version of a dataset with a recipe.")
@click.argument("dataset", callback=known_dataset)
@click.argument("recipe", callback=known_recipe)
@click.argument("parameters", metavar="<key=value …>", nargs=-1)
@click.option("--as", "name", metavar="NAME", show_default="a new version of the same dataset", help="the dataset to make")
@click.option("--dry-run", is_flag=True, help="only say what would come out, and what would be left out and why")
@click.pass_obj
def convert(asking: Asking, dataset: str, recipe: str, parameters: tuple[str, ...], name: str | None, *, dry_run: bool) -> Answer:
    if name is not None and not is_dataset_name(name):
        raise CommandError(f"{name!r} cannot name a dataset: lower-case letters, digits, dash and underscore, at most 63.")
    load_recipe(recipe, parameters)  # what is wrong with a parameter is said now, not when the run starts
    chosen = dict(pair.split("=", 1) for pair in parameters)
    queued = runs.submit_convert(
        asking.house, asking.who, dataset=dataset, recipe=recipe, parameters=chosen, name=name, dry_run=dry_run
    )
    return submitted(views.view(asking.house, queued.id))


verb = Verb(
    convert, Topic.DATA, words={"as": "--as", "with": ""},
    examples=("convert fish vatic-to-coco", "convert fish@1 vatic-to-coco as fish-small gap=20", "convert fish vatic-to-coco --dry-run"),
)
