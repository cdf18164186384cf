"""Stop a run."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.names import known_run
from bot.verb import Asking, Topic, Verb
from bot.views.stopping import stop_question
from bot.views.words import code
from runner.service import runs, views
from runner.states import State


@click.command("stop", help="Stop a run, with every process of it.")
@click.argument("run", callback=known_run)
@click.option("--yes", is_flag=True, help="stop without asking first")
@click.pass_obj
def stop(asking: Asking, run: str, *, yes: bool) -> Answer:
    found = runs.find(asking.house, run)
    if not yes and not found.state.final:
        asking.who.must_own(found, "stop")
        text, blocks = stop_question(views.view(asking.house, run), now=asking.house.now())
        return Answer(text, tuple(blocks))
    asked = runs.request_stop(asking.house, asking.who, run)
    if asked.state is State.PENDING:
        return Answer(f"{code(asked.id)} is taken off the queue.")
    grace_s = asking.house.settings.limits.stop_grace_s
    return Answer(f"Stopping {code(asked.id)}: it is asked to end, and after {grace_s:g} s every process of it is ended.")


verb = Verb(stop, Topic.TRAIN, examples=("stop r-7f3k", "stop r-7f3k --yes"))
