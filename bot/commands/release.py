"""Let a held run go on."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.names import known_run
from bot.verb import Asking, Topic, Verb
from bot.views.words import code
from runner.service import queue


@click.command("release", help="Let a held run go on.")
@click.argument("run", callback=known_run)
@click.pass_obj
def release(asking: Asking, run: str) -> Answer:
    released = queue.release(asking.house, asking.who, run)
    return Answer(f"{code(released.id)} waits for its turn again.")


verb = Verb(release, Topic.TRAIN, examples=("release r-9abc",))
