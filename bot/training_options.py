"""The options that every training takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict, TypeVar

import click

from bot.names import finite
from bot.verb import Asking
from runner.specs import Overrides

Command = TypeVar("Command", bound=Callable[..., object])

MOST_EPOCHS = 100_000
FROM_PRESET = "the preset's"


def training_options(command: Command) -> Command:
    """``--epochs``, ``--lr``, ``--batch`` and ``--eval-every``."""
    for option in reversed(
        (
            click.option("--epochs", type=click.IntRange(1, MOST_EPOCHS), metavar="N", show_default=FROM_PRESET, help="epochs in all"),
            learning_rate(FROM_PRESET),
            click.option("--batch", type=click.IntRange(1, 4096), metavar="N", show_default=FROM_PRESET, help="images a step and GPU"),
            click.option(
                "--eval-every", type=click.IntRange(1, MOST_EPOCHS), metavar="N", show_default=FROM_PRESET,
                help="epochs between evaluations",
            ),
        )
    ):
        command = option(command)
    return command


def learning_rate(default: str) -> Callable[[Command], Command]:
    """``--lr``."""
    return click.option(
        "--lr", type=click.FloatRange(min=0, min_open=True), callback=finite, metavar="X", show_default=default, help="learning rate"
    )


class TrainingOptions(TypedDict):
    """The values of :func:`training_options`, None where nothing was said."""

    epochs: int | None
    lr: float | None
    batch: int | None
    eval_every: int | None


def overrides(asking: Asking, given: TrainingOptions) -> Overrides:
    """What was changed for one run, raw framework options included."""
    return Overrides(**given, options=asking.raw)
