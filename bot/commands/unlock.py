"""Give back what was locked."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.names import known_place
from bot.verb import Asking, Topic, Verb
from bot.views.words import code, person
from runner.service import hosts, queue
from runner.service.hosts import Wish


@click.command("unlock", help="Give back what you locked; operators also break the locks of others.")
@click.argument("host", metavar="HOST[:2,3]", callback=known_place)
@click.pass_obj
def unlock(asking: Asking, host: str) -> Answer:
    where = hosts.where_to_run(asking.house, Wish(host))
    assert where.host is not None
    freed = queue.unlock(asking.house, asking.who, host=where.host, devices=where.devices)
    others = sorted({each.owner for each in freed} - {asking.who.person})
    broken = f" It was locked by {', '.join(map(person, others))}, who is told." if others else ""
    return Answer(f"{code(host)} is free for everybody again.{broken}")


verb = Verb(unlock, Topic.SERVERS, examples=("unlock gpu1", "unlock gpu1:0"))
