"""What differs between trainings."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.names import known_runs
from bot.run_pictures import owe_picture
from bot.verb import Asking, Topic, Verb
from bot.views.comparison import comparison
from runner.service import comparing


@click.command("compare", help="Trainings side by side: mAP, classes, cost, and what differs in settings, data and configs.")
@click.argument("runs", nargs=-1, required=True, metavar="<run> <run> …", callback=known_runs)
@click.pass_obj
def compare(asking: Asking, runs: tuple[str, ...]) -> Answer:
    found = comparing.compare(asking.house, runs)
    text, blocks = comparison(found)
    if any(view.evaluations for view in found.views):
        owe_picture(asking.house, asking.who, [view.run.id for view in found.views], "loss", "light")
    return Answer(text, tuple(blocks))


verb = Verb(compare, Topic.WATCH, changes=False, words={"with": "", "and": ""}, examples=("compare r-7f3k r-9abc",))
