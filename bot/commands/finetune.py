"""Train from another run's weights, or from a preset's start checkpoint."""

from __future__ import annotations

from typing import Unpack

import click

from bot.answer import Answer
from bot.names import known_dataset, known_model
from bot.training_options import MOST_EPOCHS, TrainingOptions, overrides, queued_training, training_options, wish
from bot.verb import Asking, CommandError, Topic, Verb
from runner.service import runs
from runner.service.presets import all_presets


@click.command("finetune", help="Train from epoch 0 with the weights of another run, or with a preset's start checkpoint.")
@click.argument("model", metavar="<run or preset>", callback=known_model)
@click.argument("dataset", metavar="on <dataset>", callback=known_dataset)
@click.option("--from", "checkpoint", metavar="epoch_N", show_default="the newest whole one", help="the checkpoint to take weights from")
@click.option(
    "--at-epoch", type=click.IntRange(0, MOST_EPOCHS), metavar="N", show_default="0",
    help="the epoch to count on from, learning rate included (M2Det's --resume_epoch)",
)
@training_options(host_default="a run's own, else any that fits")
@click.pass_obj
def finetune(
    asking: Asking, model: str, dataset: str, *, checkpoint: str | None, at_epoch: int | None, **given: Unpack[TrainingOptions]
) -> Answer:
    changed, where = overrides(asking, given), wish(given)
    if model not in all_presets(asking.house):
        queued = runs.finetune(
            asking.house, asking.who, model, dataset=dataset, checkpoint=checkpoint, at_epoch=at_epoch, overrides=changed, wish=where
        )
        return queued_training(asking, queued)
    if checkpoint is not None:
        raise CommandError(f"The preset {model} has one file to start from; --from names a checkpoint of a run.")
    queued = runs.finetune_preset(
        asking.house, asking.who, model, dataset=dataset, at_epoch=at_epoch, overrides=changed, wish=where
    )
    return queued_training(asking, queued)


verb = Verb(
    finetune, Topic.TRAIN, words={"on": "", "from": "--from", "at": "--from"}, takes_raw=True,
    examples=(
        "finetune r-7f3k on fish", "finetune r-7f3k on fish@2 --lr 0.0005 --epochs 10", "finetune r-7f3k on fish --at-epoch 100",
    ),
)
