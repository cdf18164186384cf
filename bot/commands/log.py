"""The end of a run's log."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.names import known_run
from bot.verb import Asking, Topic, Verb
from bot.views.log_lines import log_page
from runner.service import runs, views


@click.command("log", help="The last lines of a run's log.")
@click.argument("run", callback=known_run)
@click.option("-n", "--lines", "lines", type=click.IntRange(1, 2000), default=50, metavar="N", help="how many lines")
@click.option("--rank", type=click.IntRange(0, 63), default=0, show_default="0", metavar="N", help="of several hosts, which one's log")
@click.pass_obj
def log(asking: Asking, run: str, lines: int, rank: int) -> Answer:
    tail = views.log_tail(asking.house, run, lines=lines, rank=rank)
    whole = asking.who.door == "terminal"
    text, blocks = log_page(runs.find(asking.house, run), tail, whole=whole)
    return Answer(text, tuple(blocks))


verb = Verb(log, Topic.WATCH, changes=False, examples=("log r-7f3k", "log r-7f3k -n 20"))
