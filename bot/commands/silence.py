"""Keep alerts from being told for a while."""

from __future__ import annotations

from datetime import timedelta

import click

from bot.answer import Answer
from bot.names import span
from bot.verb import Asking, Topic, Verb
from bot.views.blocks import Button, actions, section
from bot.views.words import clock, code, name
from runner.service import alerts

USUAL = "1h"


@click.command("silence", help="Do not tell of an alert, of a rule, or of all that a label says, for a while.")
@click.argument("what", metavar="<alert, rule or host=gpu1>", nargs=-1, required=True)
@click.option("--for", "lasts", callback=span, default=USUAL, metavar="1h", show_default=USUAL, help="how long, at most 60 days")
@click.option("--reason", metavar="TEXT", default="", show_default="none", help="why, for the others")
@click.pass_obj
def silence(asking: Asking, what: tuple[str, ...], *, lasts: timedelta, reason: str) -> Answer:
    made = alerts.silence(asking.house, asking.who, what, lasts=lasts, reason=reason)
    until = clock(made.ends_at, asking.house.settings.time_zone, near=asking.house.now())
    matchers = code(", ".join(map(str, made.matchers)))
    text = f"Silent until {until}: {matchers}{f', {name(reason)}' if reason else ''}. {code(f'unsilence {made.id}')} ends it."
    return Answer(text, (section(text), actions([Button("End it", f"unsilence {made.id}")])), public=True)


verb = Verb(
    silence, Topic.WATCH, words={"for": "--for"},
    examples=('silence stalled --for 1h --reason "a long validation"', "silence host=gpu1 --for 2h"),
)
