"""The servers, and what runs where."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.verb import Asking, Topic, Verb
from bot.views.hosts import host_list
from runner.service import hosts, queue, views


@click.command("top", help="The servers and what runs on them.")
@click.pass_obj
def top(asking: Asking) -> Answer:
    house = asking.house
    there, at_work = hosts.all_hosts(house, queue.ends(house)), views.entries_on_hosts(house, queue.live_runs(house))
    text, blocks = host_list(there, at_work, now=house.now(), zone=house.settings.time_zone)
    return Answer(text, tuple(blocks))


verb = Verb(top, Topic.WATCH, changes=False, examples=("top",), slow=True)
