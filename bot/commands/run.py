"""Queue a training."""

from __future__ import annotations

from typing import Unpack

import click

from bot.answer import Answer
from bot.names import known_dataset, known_preset
from bot.training_options import TrainingOptions, overrides, queued_training, training_options, turn
from bot.verb import Asking, Topic, Verb
from runner.service import runs


@click.command("run", help="Train a preset on a dataset.")
@click.argument("preset", callback=known_preset)
@click.argument("dataset", metavar="on <dataset>", callback=known_dataset)
@training_options()
@click.pass_obj
def run(asking: Asking, preset: str, dataset: str, **given: Unpack[TrainingOptions]) -> Answer:
    changed, place = overrides(asking, given), {"gpus": given["gpus"], "hosts": given["hosts"]}
    queued = runs.submit_training(
        asking.house, asking.who, preset=preset, dataset=dataset, overrides=changed, host=given["host"], turn=turn(given), **place
    )
    return queued_training(asking, queued)


verb = Verb(
    run, Topic.TRAIN, words={"on": ""}, takes_raw=True, previewed_by="plan",
    examples=(
        "run rtmdet-nano on fish", "run rtmdet-nano on fish --epochs 20 lr=0.002", "run rtmdet-nano on fish --host gpu1:0",
        "run rtmdet-nano on fish --hosts 2 --gpus 4",
        "run rtmdet-nano on fish -- train_dataloader.num_workers=0",
    ),
)
