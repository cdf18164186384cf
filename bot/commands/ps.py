"""The runs."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.verb import Asking, Topic, Verb
from bot.views.runs import run_list
from runner.service import views


@click.command("ps", help="The runs: those that live, then the newest that ended.")
@click.option("--mine", is_flag=True, help="only my own")
@click.option("-n", "--last", "count", type=click.IntRange(1, 100), default=10, metavar="N", help="how many that ended")
@click.pass_obj
def ps(asking: Asking, *, mine: bool, count: int) -> Answer:
    house, owner = asking.house, asking.who.person if mine else None
    live = [view for view in views.live_views(house) if owner in (None, view.run.owner)]
    known = {view.run.id for view in live}
    ended = [run for run in views.newest_runs(house, limit=count + len(live), owner=owner) if run.id not in known and run.state.final]
    shown = [*live, *(views.view(house, run.id) for run in ended[:count])]
    text, blocks = run_list(shown, now=house.now(), zone=house.settings.time_zone)
    return Answer(text, tuple(blocks))


verb = Verb(ps, Topic.WATCH, changes=False, examples=("ps", "ps --mine -n 5"))
