"""A run's card."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.names import known_run
from bot.verb import Asking, Topic, Verb
from bot.views.run_card import run_card
from runner.service import views


@click.command("show", help="All there is to know of a run, as its card shows it.")
@click.argument("run", callback=known_run)
@click.pass_obj
def show(asking: Asking, run: str) -> Answer:
    text, blocks = run_card(views.view(asking.house, run), zone=asking.house.settings.time_zone)
    return Answer(text, tuple(blocks))


verb = Verb(show, Topic.WATCH, changes=False, examples=("show r-7f3k",))
