"""Train from another run's weights."""

from __future__ import annotations

from typing import Unpack

import click

from bot.answer import Answer
from bot.names import known_dataset, known_run
from bot.training_options import TrainingOptions, overrides, training_options
from bot.verb import Asking, Topic, Verb
from bot.views.submitted import submitted
from runner.service import runs, views


@click.command("finetune", help="Train from epoch 0 with the weights of another run.")
@click.argument("run", callback=known_run)
@click.argument("dataset", metavar="on <dataset>", callback=known_dataset)
@click.option("--from", "checkpoint", metavar="epoch_N", show_default="the newest whole one", help="the checkpoint to take weights from")
@training_options
@click.pass_obj
def finetune(asking: Asking, run: str, dataset: str, *, checkpoint: str | None, **given: Unpack[TrainingOptions]) -> Answer:
    changed = overrides(asking, given)
    queued = runs.finetune(asking.house, asking.who, run, dataset=dataset, checkpoint=checkpoint, overrides=changed)
    return submitted(views.view(asking.house, queued.id))


verb = Verb(
    finetune, Topic.TRAIN, words={"on": "", "from": "--from", "at": "--from"}, takes_raw=True,
    examples=("finetune r-7f3k on fish", "finetune r-7f3k on fish@2 --lr 0.0005 --epochs 10"),
)
