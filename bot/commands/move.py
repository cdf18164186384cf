"""Give a run another place in the queue."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.names import known_run
from bot.verb import Asking, CommandError, Topic, Verb
from bot.views.words import code
from runner.service import queue


@click.command("move", help="Give a waiting run another place in the queue.")
@click.argument("run", callback=known_run)
@click.option("--first", is_flag=True, help="before all else of its priority (operators)")
@click.option("--priority", type=click.IntRange(-100, 100), metavar="N", show_default="as it is", help="higher goes first (operators)")
@click.pass_obj
def move(asking: Asking, run: str, *, first: bool, priority: int | None) -> Answer:
    if not first and priority is None:
        said = "Where to? --first puts it before all else of its priority, --priority gives it another."
        raise CommandError(said, line=f"move {run} --first")
    queue.move(asking.house, asking.who, run, to_front=first, priority=priority)
    place = queue.places(asking.house).get(run)
    where = f"is number {place.position} in the queue now" if place else "is moved; it waits for something else than its turn"
    return Answer(f"{code(run)} {where}.")


verb = Verb(move, Topic.TRAIN, words={"first": "--first"}, examples=("move r-9abc --first", "move r-9abc --priority -5"))
