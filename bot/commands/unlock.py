"""Give back what was locked."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.names import known_place
from bot.verb import Asking, Topic, Verb
from bot.views.blocks import Button
from bot.views.question import question
from bot.views.words import clock, code, name, person
from runner.service import hosts, queue
from runner.service.hosts import Wish


@click.command("unlock", help="Give back what you locked; operators also break the locks of others.")
@click.argument("host", metavar="HOST[:2,3]", callback=known_place)
@click.option("--yes", is_flag=True, help="break another's lock without asking first")
@click.pass_obj
def unlock(asking: Asking, host: str, *, yes: bool) -> Answer:
    house, who = asking.house, asking.who
    where = hosts.where_to_run(house, Wish(host))
    assert where.host is not None
    others = [each for each in queue.unlockable(house, who, host=where.host, devices=where.devices) if each.owner != who.person]
    owners = ", ".join(map(person, sorted({each.owner for each in others})))
    if others and not yes:
        why = "".join(f" ({name(each.reason)})" for each in others[:1] if each.reason)
        until = clock(max(each.until for each in others), house.settings.time_zone, near=house.now())
        asked = f"{code(host)} is locked by {owners} until {until}{why}. Break it? New runs may start there then, and they are told."
        text, blocks = question(asked, ["unlock", host], act="Break it", keep=Button("Leave it locked", f"host check {where.host}"))
        return Answer(text, tuple(blocks))
    queue.unlock(house, who, host=where.host, devices=where.devices)
    return Answer(f"{code(host)} is free for everybody again.{f' It was locked by {owners}, who is told.' if others else ''}")


verb = Verb(unlock, Topic.SERVERS, examples=("unlock gpu1", "unlock gpu1:0"))
