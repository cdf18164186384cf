"""The options that every training takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict, TypeVar

import click

from bot.names import finite, known_place
from bot.verb import Asking
from runner.service.hosts import Wish
from runner.specs import Overrides

Command = TypeVar("Command", bound=Callable[..., object])

MOST_EPOCHS = 100_000
FROM_PRESET = "the preset's"


def training_options(*, host_default: str = "any that fits") -> Callable[[Command], Command]:
    """What is changed of a preset for one run, and where that shall be."""
    epochs, positive = click.IntRange(1, MOST_EPOCHS), click.IntRange(1, 4096)
    options = (
        click.option("--gpus", type=click.IntRange(0, 64), metavar="N", show_default="1", help="GPUs; a host without any offers CPU slots"),
        click.option(
            "--host", metavar="HOST[:2,3]", callback=known_place, show_default=host_default,
            help="where to train, and on which of its GPUs, by their numbers",
        ),
        click.option("--epochs", type=epochs, metavar="N", show_default=FROM_PRESET, help="epochs in all"),
        learning_rate(f"{FROM_PRESET}, for its images a step"),
        click.option("--batch", type=positive, metavar="N", show_default=FROM_PRESET, help="images a step and GPU"),
        click.option("--eval-every", type=epochs, metavar="N", show_default=FROM_PRESET, help="epochs between evaluations"),
        click.option("--keep", type=epochs, metavar="N", show_default=FROM_PRESET, help="newest checkpoints to keep; the best stays"),
        click.option(
            "--no-distributed", "distributed", flag_value=False, default=True,
            help="one process drives all GPUs, where a framework's launcher fails (MMDetection 1.x)",
        ),
    )

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def learning_rate(default: str) -> Callable[[Command], Command]:
    """``--lr``."""
    return click.option(
        "--lr", type=click.FloatRange(min=0, min_open=True), callback=finite, metavar="X", show_default=default, help="learning rate"
    )


class TrainingOptions(TypedDict):
    """The values of :func:`training_options`, None where nothing was said."""

    gpus: int | None
    host: str | None
    epochs: int | None
    lr: float | None
    batch: int | None
    eval_every: int | None
    keep: int | None
    distributed: bool


def overrides(asking: Asking, given: TrainingOptions) -> Overrides:
    """What was changed for one run, raw framework options included."""
    return Overrides(
        epochs=given["epochs"], lr=given["lr"], batch=given["batch"], eval_every=given["eval_every"], keep=given["keep"],
        distributed=given["distributed"], options=asking.raw,
    )


def wish(given: TrainingOptions) -> Wish:
    """Where it shall be."""
    return Wish(given["host"], given["gpus"])


def as_words(asking: Asking, given: TrainingOptions) -> list[str]:
    """The options as they would be typed, raw framework options included."""
    said = {
        "gpus": given["gpus"], "host": given["host"], "epochs": given["epochs"], "lr": given["lr"], "batch": given["batch"],
        "eval-every": given["eval_every"], "keep": given["keep"],
    }
    words = [word for key, value in said.items() if value is not None for word in (f"--{key}", str(value))]
    alone = [] if given["distributed"] else ["--no-distributed"]
    return [*words, *alone, *(["--", *asking.raw] if asking.raw else [])]
