"""End a silence."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.verb import Asking, Topic, Verb
from bot.views.words import code
from runner.service import alerts


@click.command("unsilence", help="End a silence; operators also those of others.")
@click.argument("silence", metavar="z-1f0a")
@click.pass_obj
def unsilence(asking: Asking, silence: str) -> Answer:
    ended = alerts.unsilence(asking.house, asking.who, silence)
    return Answer(f"{code(', '.join(map(str, ended.matchers)))} is told again.", public=True)


verb = Verb(unsilence, Topic.WATCH, examples=("unsilence z-1f0a",))
