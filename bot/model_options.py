"""The options that whatever uses a trained model takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict, TypeVar

import click

from bot.names import known_dataset, known_place

Command = TypeVar("Command", bound=Callable[..., object])

checkpoint_option = click.option(
    "--checkpoint", metavar="epoch_N", show_default="the best, else the newest whole one", help="the checkpoint to use"
)


def data_options(command: Command) -> Command:
    """``on <dataset>``, ``--split``, ``--checkpoint``, ``--gpus``, ``--host`` and ``--batch``."""
    for option in reversed((
        click.option("--on", "dataset", metavar="<dataset>", callback=known_dataset, show_default="what it trained on", help="the data"),
        click.option("--split", metavar="NAME", show_default="test where there is one, else val", help="the images of this split"),
        checkpoint_option,
        click.option("--gpus", type=click.IntRange(0, 64), metavar="N", show_default="1", help="GPUs to use"),
        click.option("--host", metavar="HOST:2,3", callback=known_place, show_default="any of the model's host", help="these very GPUs"),
        click.option("--batch", type=click.IntRange(1, 4096), metavar="N", show_default="the framework's", help="images a step and GPU"),
    )):
        command = option(command)
    return command


class DataOptions(TypedDict):
    """The values of :func:`data_options`, None where nothing was said."""

    dataset: str | None
    split: str | None
    checkpoint: str | None
    gpus: int | None
    host: str | None
    batch: int | None
