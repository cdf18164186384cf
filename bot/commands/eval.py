"""Measure a trained model."""

from __future__ import annotations

from typing import Unpack

import click

from bot.answer import Answer
from bot.model_options import DataOptions, data_options
from bot.names import known_run
from bot.verb import Asking, Topic, Verb
from bot.views.submitted import submitted
from runner.service import models, views


@click.command("eval", help="Measure a trained model on a split of a dataset: mAP, by size and class.")
@click.argument("run", callback=known_run)
@data_options
@click.pass_obj
def evaluate(asking: Asking, run: str, **using: Unpack[DataOptions]) -> Answer:
    queued = models.submit_eval(asking.house, asking.who, run, options=asking.raw, **using)
    return submitted(views.view(asking.house, queued.id))


verb = Verb(
    evaluate, Topic.USE, words={"on": "--on", "at": "--checkpoint"}, takes_raw=True,
    examples=("eval r-7f3k", "eval r-7f3k on fish@2 --split val", "eval r-7f3k --checkpoint epoch_12 --gpus 2"),
)
