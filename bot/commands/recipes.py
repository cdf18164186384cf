"""The recipes there are."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.names import known_recipe
from bot.verb import Asking, Topic, Verb
from bot.views.catalog import recipe_list, recipe_page
from recipes.recipe import library, load_recipe


@click.group("recipes", help="The recipes that convert datasets.", invoke_without_command=True)
@click.pass_context
def recipes(context: click.Context) -> Answer | None:
    if context.invoked_subcommand:
        return None
    text, blocks = recipe_list([load_recipe(name) for name in library()])
    return Answer(text, tuple(blocks))


@recipes.command("show", help="What a recipe does, step by step.")
@click.argument("recipe", callback=known_recipe)
@click.pass_obj
def show(_asking: Asking, recipe: str) -> Answer:
    text, blocks = recipe_page(load_recipe(recipe))
    return Answer(text, tuple(blocks))


verb = Verb(recipes, Topic.DATA, changes=False, examples=("recipes", "recipes show vatic-to-coco"))
