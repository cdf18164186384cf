"""Go on where a training ended."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.names import known_run
from bot.training_options import MOST_EPOCHS, learning_rate, queued_training
from bot.verb import Asking, Topic, Verb
from runner.service import runs
from runner.specs import Overrides


@click.command("resume", help="Go on where a training ended, with its optimizer's state.")
@click.argument("run", callback=known_run)
@click.option("--from", "checkpoint", metavar="epoch_N", show_default="the newest whole one", help="the checkpoint to go on from")
@learning_rate("as it was")
@click.option("--epochs", type=click.IntRange(1, MOST_EPOCHS), metavar="N", show_default="as it was", help="epochs in all")
@click.pass_obj
def resume(asking: Asking, run: str, checkpoint: str | None, lr: float | None, epochs: int | None) -> Answer:
    changed = Overrides(lr=lr, epochs=epochs, options=asking.raw)
    queued = runs.resume(asking.house, asking.who, run, checkpoint=checkpoint, overrides=changed)
    return queued_training(asking, queued)


verb = Verb(
    resume, Topic.TRAIN, words={"from": "--from", "at": "--from"}, takes_raw=True,
    examples=("resume r-7f3k", "resume r-7f3k from epoch_12", "resume r-7f3k --lr 0.001 --epochs 40"),
)
