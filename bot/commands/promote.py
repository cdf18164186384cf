"""Make a training the champion by hand."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.names import known_run
from bot.verb import Asking, Topic, Verb
from bot.views.words import code, name
from runner.service import retraining


@click.command("promote", help="Make a training the champion of its preset and dataset.")
@click.argument("run", callback=known_run)
@click.pass_obj
def promote(asking: Asking, run: str) -> Answer:
    champion = retraining.promote(asking.house, asking.who, run)
    what = f"{name(champion.preset)} on {name(champion.dataset)}"
    back = f"rollback {champion.preset} on {champion.dataset}"
    return Answer(f"🏆 {code(champion.run_id)} is the champion of {what}. {code(back)} takes that back.")


verb = Verb(promote, Topic.USE, examples=("promote r-7f3k",))
