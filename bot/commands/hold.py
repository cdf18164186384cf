"""Keep a run from starting."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.names import known_run
from bot.verb import Asking, Topic, Verb
from bot.views.words import code
from runner.service import queue


@click.command("hold", help="Keep a waiting run from starting until it is released.")
@click.argument("run", callback=known_run)
@click.pass_obj
def hold(asking: Asking, run: str) -> Answer:
    held = queue.hold(asking.house, asking.who, run)
    return Answer(f"{code(held.id)} is held; {code(f'release {held.id}')} lets it go on.")


verb = Verb(hold, Topic.TRAIN, examples=("hold r-9abc",))
