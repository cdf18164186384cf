"""The checkpoints of a run."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.names import known_run
from bot.verb import Asking, Topic, Verb
from bot.views.checkpoints import checkpoint_list
from runner.service import models, runs


@click.command("checkpoints", help="The checkpoints of a run: epoch, size, mAP, which is the best and which are gone.")
@click.argument("run", callback=known_run)
@click.pass_obj
def checkpoints(asking: Asking, run: str) -> Answer:
    text, blocks = checkpoint_list(runs.find(asking.house, run), models.checkpoints_of(asking.house, run))
    return Answer(text, tuple(blocks))


verb = Verb(checkpoints, Topic.WATCH, changes=False, examples=("checkpoints r-7f3k",))
