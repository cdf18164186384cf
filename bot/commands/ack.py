"""Say that one knows of an alert."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.verb import Asking, Topic, Verb
from bot.views.words import count, person
from runner.service import alerts


@click.command("ack", help="Say that you know of an alert and see to it: it is not repeated until it ends.")
@click.argument("what", metavar="<alert, rule or host=gpu1>", nargs=-1, required=True)
@click.pass_obj
def ack(asking: Asking, what: tuple[str, ...]) -> Answer:
    known = alerts.ack(asking.house, asking.who, what)
    return Answer(f"{person(asking.who.person)} knows of {count(len(known), 'alert')}; not repeated until over.", public=True)


verb = Verb(ack, Topic.WATCH, examples=("ack stalled", "ack host=gpu1"))
