"""Why a run is where it is."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.names import known_run
from bot.verb import Asking, Topic, Verb
from bot.views.history import Around, why_page
from runner.service import queue, views
from runner.service.foreseeing import foresee_run
from runner.service.house import House
from runner.service.views import RunView
from runner.specs import ModelSpec, TrainSpec
from runner.states import Reason, State


@click.command("why", help="Why a run waits or failed, in a sentence, and what happened to it.")
@click.argument("run", callback=known_run)
@click.pass_obj
def why(asking: Asking, run: str) -> Answer:
    house = asking.house
    shown, events = views.view(house, run), views.history(house, run)
    text, blocks = why_page(shown, events, _around(house, shown), now=house.now(), zone=house.settings.time_zone)
    return Answer(text, tuple(blocks))


def _around(house: House, shown: RunView) -> Around:
    run, waits = shown.run, shown.run.state is State.PENDING
    early = run.reason in (Reason.SUBMITTED, Reason.PREPARING) and isinstance(run.spec, TrainSpec)
    awaits = run.spec.turn.after if waits and isinstance(run.spec, TrainSpec | ModelSpec) else ()
    return Around(
        place=queue.places(house).get(run.id) if waits else None, foreseen=foresee_run(house, run) if early else None,
        awaits=[views.view(house, each) for each in awaits], runner_silent_since=views.runner_silent_since(house),
        grace_s=house.settings.limits.stop_grace_s,
    )


verb = Verb(why, Topic.WATCH, changes=False, examples=("why r-7f3k",), slow=True)
