"""The options that every training takes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypedDict, TypeVar

import click

from bot.answer import Answer
from bot.names import finite, known_place, known_runs, memory, span
from bot.verb import Asking
from bot.views.plan import foreseen_lines
from bot.views.submitted import submitted
from runner.entities import Run
from runner.service import views
from runner.service.foreseeing import foresee_run
from runner.service.hosts import Wish
from runner.specs import Overrides, Turn

Command = TypeVar("Command", bound=Callable[..., object])

MOST_EPOCHS = 100_000
FROM_PRESET = "the preset's"


def training_options(*, host_default: str = "any that fits") -> Callable[[Command], Command]:
    """What is changed of a preset for one run, and where that shall be."""
    epochs, positive = click.IntRange(1, MOST_EPOCHS), click.IntRange(1, 4096)
    options = (
        click.option(
            "--gpus", "--gpus-per-node", "--nproc-per-node", "gpus", type=click.IntRange(0, 64), metavar="N", show_default="1",
            help="GPUs (on each host); a host without any offers CPU slots",
        ),
        click.option(
            "--host", metavar="HOST[:2,3]", callback=known_place, show_default=host_default,
            help="where to train, and on which of its GPUs, by their numbers; gpu-1,gpu-2: on both at once",
        ),
        click.option(
            "--hosts", "--nodes", "--nnodes", "hosts", type=click.IntRange(1, 64), metavar="N", show_default="1",
            help="on so many hosts at once, with GPUs of one kind",
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
        click.option(
            "--priority", type=click.IntRange(-100, 100), metavar="N", default=0, show_default="0",
            help="higher goes first; above 0: operators",
        ),
        click.option("--mem", callback=memory, metavar="20G", show_default="what such runs took, else all", help="memory of each GPU"),
        click.option("--time", "limit", callback=span, metavar="12h", show_default="none", help="it is stopped after so long"),
        click.option("--after", callback=known_runs, multiple=True, metavar="RUN", help="start once that run has succeeded"),
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
    hosts: int | None
    epochs: int | None
    lr: float | None
    batch: int | None
    eval_every: int | None
    keep: int | None
    distributed: bool
    priority: int
    mem: int | None
    limit: timedelta | None
    after: tuple[str, ...]


def overrides(asking: Asking, given: TrainingOptions) -> Overrides:
    """What was changed for one run, raw framework options included."""
    return Overrides(
        epochs=given["epochs"], lr=given["lr"], batch=given["batch"], eval_every=given["eval_every"], keep=given["keep"],
        distributed=given["distributed"], options=asking.raw,
    )


def wish(given: TrainingOptions) -> Wish:
    """Where and when it shall be."""
    return Wish(given["host"], given["gpus"], turn(given), given["hosts"])


def turn(given: TrainingOptions) -> Turn:
    """What is asked of the queue."""
    limit = given["limit"]
    return Turn(
        priority=given["priority"], memory_mib=given["mem"], limit_s=None if limit is None else limit.total_seconds(), after=given["after"]
    )


def queued_training(asking: Asking, run: Run) -> Answer:
    """The answer to whoever asked for a training: what was queued, and what is foreseen of it."""
    told = foreseen_lines(foresee_run(asking.house, run), now=asking.house.now(), zone=asking.house.settings.time_zone)
    return submitted(views.view(asking.house, run.id), told)


def as_words(asking: Asking, given: TrainingOptions) -> list[str]:
    """The options as they would be typed, raw framework options included."""
    said = {
        "gpus": given["gpus"], "host": given["host"], "hosts": given["hosts"],
        "epochs": given["epochs"], "lr": given["lr"], "batch": given["batch"],
        "eval-every": given["eval_every"], "keep": given["keep"], "priority": given["priority"] or None,
        "mem": f"{given['mem']}M" if given["mem"] else None,
        "time": f"{given['limit'].total_seconds() / 3600:g}h" if given["limit"] else None,
    }
    words = [word for key, value in said.items() if value is not None for word in (f"--{key}", str(value))]
    words += [word for run_id in given["after"] for word in ("--after", run_id)]
    alone = [] if given["distributed"] else ["--no-distributed"]
    return [*words, *alone, *(["--", *asking.raw] if asking.raw else [])]
