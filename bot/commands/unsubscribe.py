"""Hear of runs no more."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.verb import Asking, Topic, Verb
from bot.views.words import code, count
from runner.service import subscriptions


@click.command("unsubscribe", help="End a subscription; alone, all of yours, or of this channel.")
@click.argument("what", required=False)
@click.option("--channel", is_flag=True, help="this channel's, not your own")
@click.pass_obj
def unsubscribe(asking: Asking, what: str | None, *, channel: bool) -> Answer:
    ended = subscriptions.unsubscribe(asking.house, asking.who, what=what, channel=channel)
    whose = "This channel hears" if channel else "You hear"
    return Answer(f"{whose} of {code(what)} no more." if what else f"{count(ended, 'subscription')} ended.")


verb = Verb(unsubscribe, Topic.WATCH, examples=("unsubscribe fish", "unsubscribe"))
