"""Let a costly run go on, or not."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.names import known_run
from bot.verb import Asking, Topic, Verb
from bot.views.words import code
from runner.service import approvals


@click.command("approve", help="Let a run go on that waits because of what it may cost, or refuse it (operators).")
@click.argument("run", callback=known_run)
@click.option("--refuse", is_flag=True, help="take it off the queue instead")
@click.option("--reason", metavar="TEXT", default="", show_default="none", help="why it is refused, for its owner")
@click.pass_obj
def approve(asking: Asking, run: str, *, refuse: bool, reason: str) -> Answer:
    if refuse or reason:
        refused = approvals.refuse(asking.house, asking.who, run, reason=reason)
        return Answer(f"{code(refused.id)} is refused and taken off the queue; its owner is told.")
    approved = approvals.approve(asking.house, asking.who, run)
    return Answer(f"{code(approved.id)} is approved; it starts when its turn comes.")


verb = Verb(approve, Topic.TRAIN, words={"refuse": "--refuse"}, examples=("approve r-9abc", 'approve r-9abc --refuse --reason "next week"'))
