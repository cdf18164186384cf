"""What waits, and why."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.verb import Asking, Topic, Verb
from bot.views.runs import queue_list
from runner.service import hosts
from runner.service import queue as service
from runner.states import State


@click.command("queue", help="What waits, in its order, and why.")
@click.pass_obj
def queue(asking: Asking) -> Answer:
    house = asking.house
    live, places = service.live_runs(house), service.places(house)
    waiting = [run for run in live.values() if run.state is State.PENDING]
    text, blocks = queue_list(
        waiting, places, hosts.all_hosts(house), running=len(live) - len(waiting), now=house.now(), zone=house.settings.time_zone
    )
    return Answer(text, tuple(blocks))


verb = Verb(queue, Topic.WATCH, changes=False, examples=("queue",), slow=True)
