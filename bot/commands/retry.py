"""Do what mends a failed run."""

from __future__ import annotations

from dataclasses import replace

import click

from bot.answer import Answer
from bot.names import known_run
from bot.verb import Asking, CommandError, Topic, Verb
from bot.views.runs_in_words import again, remedies
from bot.views.words import code
from runner.service import runs, views


@click.command("retry", help="Try a run that failed or was stopped once more, with what mends it.")
@click.argument("run", callback=known_run)
@click.option("--as-it-was", is_flag=True, help="the very same once more, from its beginning")
@click.pass_obj
def retry(asking: Asking, run: str, *, as_it_was: bool) -> Answer:
    from bot.grammar import within  # the grammar finds the commands, of which this is one

    ended = runs.find(asking.house, run)
    if not ended.state.final:
        raise CommandError(f"{ended.id} has not ended, so there is nothing to retry.", line=f"why {ended.id}")
    line = again(ended) if as_it_was else next((button.line for button in remedies(views.view(asking.house, run))), "")
    if not line or line.startswith("log "):
        raise CommandError(f"{ended.id} cannot be asked for again: what it was given is gone. Give it once more.")
    given = within(asking, line)
    return replace(given, text=f"{code(line)}: {given.text}")


verb = Verb(retry, Topic.TRAIN, examples=("retry r-7f3k", "retry r-7f3k --as-it-was", "retry r-7f3k --dry-run"))
