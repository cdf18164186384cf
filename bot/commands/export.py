"""Make a trained model ready for others."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.model_options import checkpoint_option
from bot.names import known_run
from bot.verb import Asking, Topic, Verb
from bot.views.submitted import submitted
from runner.service import models, views


@click.command("export", help="Make a trained model ready for use elsewhere, or for starting from it here.")
@click.argument("run", callback=known_run)
@checkpoint_option
@click.option("--as", "publish_as", metavar="NAME", help="also make it a preset of this name that starts from these weights (operators)")
@click.pass_obj
def export(asking: Asking, run: str, checkpoint: str | None, publish_as: str | None) -> Answer:
    queued = models.submit_export(asking.house, asking.who, run, checkpoint=checkpoint, publish_as=publish_as)
    return submitted(views.view(asking.house, queued.id))


verb = Verb(
    export, Topic.USE, words={"as": "--as", "at": "--checkpoint"},
    examples=("export r-7f3k", "export r-7f3k --checkpoint epoch_12", "export r-7f3k as fish-detector"),
)
