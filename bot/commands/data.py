"""The datasets there are."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.data_add import add
from bot.dataset_pictures import owe_pictures
from bot.names import known_dataset
from bot.verb import Asking, CommandError, Topic, Verb
from bot.views.catalog import dataset_list
from bot.views.dataset_card import dataset_card
from bot.views.submitted import submitted
from bot.views.versions import outline, removal_question
from recipes.catalog.removal import would_free
from runner.service import datasets, views
from runner.service.datasets import find_version


@click.group(
    "data", invoke_without_command=True,
    help="The datasets and their versions. To add one, share its archive in the channel, or `data add`.",
)
@click.pass_context
def data(context: click.Context) -> Answer | None:
    return None if context.invoked_subcommand else _listed(context.obj)


@data.command("list", help="Every dataset, with its newest version.")
@click.pass_obj
def listed(asking: Asking) -> Answer:
    return _listed(asking)


@data.command("show", help="What a dataset holds, in numbers and pictures, and where it came from.")
@click.argument("dataset", callback=known_dataset)
@click.pass_obj
def show(asking: Asking, dataset: str) -> Answer:
    version = find_version(asking.house, dataset)
    owe_pictures(asking.house, asking.who, version)
    text, blocks = dataset_card(version, run=None)
    return Answer(text, tuple(blocks))


@data.command("diff", help="What changed from one version to another.")
@click.argument("old", callback=known_dataset)
@click.argument("new", callback=known_dataset)
@click.option("--boxes", is_flag=True, help="look at every image and box, as a run")
@click.pass_obj
def diff(asking: Asking, old: str, new: str, *, boxes: bool) -> Answer:
    before, after = find_version(asking.house, old), find_version(asking.house, new)
    if before.reference == after.reference:
        raise CommandError(f"{before.reference} is one version; name two.")
    if boxes:
        return submitted(views.view(asking.house, datasets.submit_diff(asking.house, asking.who, old, new).id))
    text, blocks = outline(before, after)
    return Answer(text, tuple(blocks))


@data.command("verify", help="Read every stored file again, of one dataset or of all: finds what rotted on the disk.")
@click.argument("dataset", callback=known_dataset, required=False)
@click.pass_obj
def verify(asking: Asking, dataset: str | None) -> Answer:
    return submitted(views.view(asking.house, datasets.submit_verify(asking.house, asking.who, dataset).id))


@data.command("remove", help="Remove a version, or every version of a dataset, and free what no other uses.")
@click.argument("dataset", callback=known_dataset)
@click.option("--yes", is_flag=True, help="remove without asking first")
@click.pass_obj
def remove(asking: Asking, dataset: str, *, yes: bool) -> Answer:
    if yes:
        return submitted(views.view(asking.house, datasets.submit_removal(asking.house, asking.who, dataset).id))
    versions = datasets.doomed(asking.house, asking.who, dataset)
    references = [version.reference for version in versions]
    freed = would_free(asking.house.catalog, references, hurried=True)
    text, blocks = removal_question(dataset, versions, freed, readers=datasets.trainings_on(asking.house, references))
    return Answer(text, tuple(blocks))


data.add_command(add)


def _listed(asking: Asking) -> Answer:
    text, blocks = dataset_list(datasets.newest_versions(asking.house))
    return Answer(text, tuple(blocks))


verb = Verb(
    data, Topic.DATA,
    examples=(
        "data", "data list", "data show fish", "data add fish https://example.org/fish.zip", "data add fish gpu1:/data/fish",
        "data diff fish@1 fish@2", "data verify fish", "data remove fish@1",
    ),
)
