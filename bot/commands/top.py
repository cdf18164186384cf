"""The servers, and what runs where."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.verb import Asking, Topic, Verb
from bot.views.hosts import host_list
from runner.service import hosts, views


@click.command("top", help="The servers and what runs on them.")
@click.pass_obj
def top(asking: Asking) -> Answer:
    house = asking.house
    text, blocks = host_list(hosts.all_hosts(house), views.views_on_hosts(house), now=house.now(), zone=house.settings.time_zone)
    return Answer(text, tuple(blocks))


verb = Verb(top, Topic.WATCH, changes=False, examples=("top",), slow=True)
