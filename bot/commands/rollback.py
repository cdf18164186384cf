"""Take a championship back."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.names import known_dataset, known_preset
from bot.verb import Asking, Topic, Verb
from bot.views.words import code, name
from runner.service import retraining


@click.command("rollback", help="Take the newest championship back; the champion before it holds again.")
@click.argument("preset", callback=known_preset)
@click.argument("dataset", metavar="on <dataset>", callback=known_dataset)
@click.pass_obj
def rollback(asking: Asking, preset: str, dataset: str) -> Answer:
    gone, holds = retraining.rollback(asking.house, asking.who, preset, dataset.partition("@")[0])
    again = f"{code(holds.run_id)} is it again" if holds else "there is none now"
    return Answer(f"{code(gone.run_id)} is no longer the champion of {name(gone.preset)} on {name(gone.dataset)}; {again}.")


verb = Verb(rollback, Topic.USE, words={"on": ""}, examples=("rollback rtmdet-nano on fish",))
