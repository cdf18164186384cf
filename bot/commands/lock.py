"""Keep devices for something of one's own."""

from __future__ import annotations

from datetime import timedelta

import click

from bot.answer import Answer
from bot.names import known_place, span
from bot.verb import Asking, Topic, Verb
from bot.views.blocks import Button, actions, section
from bot.views.words import clock, code, name
from runner.service import hosts, queue
from runner.service.hosts import Wish

USUAL = "4h"


@click.command("lock", help="Keep a server, or some of its GPUs, for something of your own; what runs there goes on.")
@click.argument("host", metavar="HOST[:2,3]", callback=known_place)
@click.option("--for", "lasts", callback=span, default=USUAL, metavar="4h", show_default=USUAL, help="how long, at most 14 days")
@click.option("--reason", metavar="TEXT", default="", show_default="none", help="what for, for the others")
@click.pass_obj
def lock(asking: Asking, host: str, *, lasts: timedelta, reason: str) -> Answer:
    where = hosts.where_to_run(asking.house, Wish(host))
    assert where.host is not None
    made = queue.lock(asking.house, asking.who, host=where.host, devices=where.devices, lasts=lasts, reason=reason)
    until = clock(made[0].until, asking.house.settings.time_zone, near=asking.house.now())
    text = f"{code(host)} is locked until {until}{f': {name(reason)}' if reason else ''}. Nothing new starts there; what runs goes on."
    return Answer(text, (section(text), actions([Button("Unlock", f"unlock {host}")])))


verb = Verb(lock, Topic.SERVERS, words={"for": "--for"}, examples=("lock gpu1", 'lock gpu1:0 --for 2h --reason "debugging"'))
