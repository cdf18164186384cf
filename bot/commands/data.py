"""The datasets there are."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.names import known_dataset
from bot.verb import Asking, Topic, Verb
from bot.views.catalog import dataset_list
from bot.views.dataset_card import dataset_card
from runner.service.datasets import find_version


@click.group("data", help="The datasets and their versions. To add one, upload its zip to the channel.", invoke_without_command=True)
@click.pass_context
def data(context: click.Context) -> Answer | None:
    return None if context.invoked_subcommand else _listed(context.obj)


@data.command("list", help="Every dataset, with its newest version.")
@click.pass_obj
def listed(asking: Asking) -> Answer:
    return _listed(asking)


@data.command("show", help="What a dataset holds, and where it came from.")
@click.argument("dataset", callback=known_dataset)
@click.pass_obj
def show(asking: Asking, dataset: str) -> Answer:
    text, blocks = dataset_card(find_version(asking.house, dataset), run=None)
    return Answer(text, tuple(blocks))


def _listed(asking: Asking) -> Answer:
    catalog = asking.house.catalog
    text, blocks = dataset_list([(catalog.get(name), len(catalog.numbers(name))) for name in catalog.names()])
    return Answer(text, tuple(blocks))


verb = Verb(data, Topic.DATA, examples=("data", "data list", "data show fish"))
