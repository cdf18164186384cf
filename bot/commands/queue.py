"""What waits, and why."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.verb import Asking, Topic, Verb
from bot.views.runs import queue_list
from runner.service import views
from runner.states import State


@click.command("queue", help="What waits, in its order, and why.")
@click.pass_obj
def queue(asking: Asking) -> Answer:
    live = views.live_views(asking.house)
    waiting = [view for view in live if view.run.state is State.PENDING]
    text, blocks = queue_list(waiting, running=len(live) - len(waiting), now=asking.house.now())
    return Answer(text, tuple(blocks))


verb = Verb(queue, Topic.WATCH, examples=("queue",))
