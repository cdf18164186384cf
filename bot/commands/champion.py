"""The best known models."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.names import known_dataset, known_preset
from bot.verb import Asking, CommandError, Topic, Verb
from bot.views.retraining import champion_list
from runner.service import retraining


@click.command("champion", help="The champion of each preset and dataset, or the history of one.")
@click.argument("preset", required=False, callback=known_preset)
@click.argument("dataset", metavar="on <dataset>", required=False, callback=known_dataset)
@click.pass_obj
def champion(asking: Asking, preset: str | None, dataset: str | None) -> Answer:
    house = asking.house
    if preset is not None and dataset is None:
        raise CommandError(f"Which dataset? A preset has a champion for each. For example: `champion {preset} on fish`.")
    if preset is None or dataset is None:
        found = retraining.all_champions(house)
    else:
        found = retraining.history(house, preset, dataset.partition("@")[0])
    text, blocks = champion_list(found, zone=house.settings.time_zone)
    return Answer(text, tuple(blocks))


verb = Verb(champion, Topic.USE, words={"on": ""}, changes=False, examples=("champion", "champion rtmdet-nano on fish"))
