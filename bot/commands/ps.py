"""The runs."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.verb import Asking, Topic, Verb
from bot.views.runs import SHOWN, run_list
from runner.service import queue, views


@click.command("ps", help="The runs: those that live, then the newest that ended.")
@click.option("--mine", is_flag=True, help="only my own")
@click.option("-n", "--last", "count", type=click.IntRange(1, 100), default=10, metavar="N", help="how many that ended")
@click.pass_obj
def ps(asking: Asking, *, mine: bool, count: int) -> Answer:
    house, owner = asking.house, asking.who.person if mine else None
    live = [run for run in queue.live_runs(house).values() if owner in (None, run.owner)]
    ended = views.newest_ended(house, limit=count, owner=owner)
    shown = [*views.entries(house, live[:SHOWN]), *ended]
    text, blocks = run_list(shown, total=len(live) + len(ended), now=house.now(), zone=house.settings.time_zone)
    return Answer(text, tuple(blocks))


verb = Verb(ps, Topic.WATCH, changes=False, examples=("ps", "ps --mine -n 5"), slow=True)
