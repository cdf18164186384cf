"""Why a run is where it is."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.names import known_run
from bot.verb import Asking, Topic, Verb
from bot.views.history import why_page
from runner.service import queue, views
from runner.states import State


@click.command("why", help="Why a run waits or failed, in a sentence, and what happened to it.")
@click.argument("run", callback=known_run)
@click.pass_obj
def why(asking: Asking, run: str) -> Answer:
    house = asking.house
    shown, events, silent = views.view(house, run), views.history(house, run), views.runner_silent_since(house)
    place = queue.places(house).get(shown.run.id) if shown.run.state is State.PENDING else None
    text, blocks = why_page(shown, events, zone=house.settings.time_zone, runner_silent_since=silent, place=place)
    return Answer(text, tuple(blocks))


verb = Verb(why, Topic.WATCH, examples=("why r-7f3k",), slow=True)
