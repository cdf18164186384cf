"""Say yes to a question."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.verb import Asking, Topic, Verb
from runner.service import confirmations


@click.command("confirm", help="Do what you were asked about; the button under the question says this for you.")
@click.argument("question")
@click.pass_obj
def confirm(asking: Asking, question: str) -> Answer:
    from bot.grammar import within  # the grammar finds the commands, of which this is one

    return within(asking, confirmations.take(asking.house, asking.who, question))


verb = Verb(confirm, Topic.HOUSE, examples=("confirm q-0123456789ab",))
