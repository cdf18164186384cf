"""Bring files of a run here."""

from __future__ import annotations

from pathlib import Path

import click

from bot.answer import Answer
from bot.names import known_run
from bot.result_files import owe_results
from bot.verb import Asking, CommandError, Topic, Verb
from bot.views.submitted import submitted
from bot.views.words import code, count
from runner.service import models, views


@click.command("fetch", help="Bring files of a run here: best, latest, epoch_12, all-checkpoints, config, log, tensorboard or results.")
@click.argument("run", callback=known_run)
@click.argument("what")
@click.option("--to", metavar="FOLDER", help="in the terminal: wait for the files and put them there")
@click.pass_obj
def fetch(asking: Asking, run: str, what: str, to: str | None) -> Answer:
    if to is not None and asking.who.door != "terminal":
        raise CommandError("`--to` is for the terminal; here the files arrive in the thread.", line=f"fetch {run} {what}")
    folder = Path(to).expanduser() if to is not None else None
    here = models.results_of(asking.house, run) if what == "results" else []
    if here:
        owe_results(asking.house, asking.who, run, here)
        lie = f"{count(len(here), 'file')} of `{run}` {'is' if len(here) == 1 else 'are'} here already"
        return Answer(f"{lie}: {code(str(asking.house.settings.results / run))}.", run_id=run, to=folder)
    queued = models.submit_fetch(asking.house, asking.who, run, what=what.lower())
    answer = submitted(views.view(asking.house, queued.id))
    return Answer(answer.text, answer.blocks, run_id=answer.run_id, to=folder)


verb = Verb(
    fetch, Topic.USE, words={"to": "--to"},
    examples=("fetch r-7f3k best", "fetch r-7f3k epoch_12", "fetch r-7f3k config", "fetch r-7f3k log"),
)
