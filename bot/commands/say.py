"""A message in a channel, as a trigger may want it."""

from __future__ import annotations

import re

import click

from bot.answer import Answer
from bot.verb import Asking, Topic, Verb
from bot.views.words import prose
from runner.errors import RequestError
from runner.service import outbox

_CHANNEL = re.compile(r"(?:<#)?(C[A-Z0-9]+)(?:\|[^>]*)?>?")


@click.command("say", help="Post a message in a channel; what a trigger does that is only to tell somebody.")
@click.option("--to", metavar="#CHANNEL", help="a channel that is listed in the settings; else this one")
@click.argument("text", metavar="<text …>", nargs=-1, required=True)
@click.pass_obj
def say(asking: Asking, *, to: str | None, text: tuple[str, ...]) -> Answer:
    found = _CHANNEL.fullmatch(to or asking.who.place.channel or "")
    if found is None:
        raise RequestError("Say in which channel: `say --to C0123456789 …` (its id is at the bottom of its details).")
    outbox.say(asking.house, asking.who, found[1], prose(" ".join(text)))
    return Answer(f"Said in <#{found[1]}>.")


verb = Verb(say, Topic.WATCH, examples=("say the disks of gpu1 are failing",))
