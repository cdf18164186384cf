"""Pictures of trainings, and of a dataset's classes."""

from __future__ import annotations

from pathlib import Path

import click

from bot.answer import Answer
from bot.dataset_pictures import owe_pictures
from bot.names import known_dataset, known_run
from bot.run_pictures import DETECTIONS, SUBJECTS, owe_picture, write_picture
from bot.verb import Asking, CommandError, Topic, Verb
from bot.views.words import code
from runner.service import views
from runner.service.comparing import MOST_RUNS
from runner.service.datasets import find_version
from runner.service.detections import newest_drawable
from runner.specs import TrainSpec


@click.command("plot", help="The curves of a training, or of several; its worst and best images; of a dataset its classes and box sizes.")
@click.argument("what", nargs=-1, required=True, metavar="<run or dataset> …")
@click.option("--of", "subject", type=click.Choice(SUBJECTS, case_sensitive=False), default="loss", metavar="|".join(SUBJECTS),
              help="loss with mAP, learning rate, AP by class, or the worst and best images of the newest evaluation")
@click.option("--dark", is_flag=True, help="for a dark background")
@click.option("--to", metavar="FILE", help="in the terminal: the PNG to write")
@click.pass_context
def plot(context: click.Context, what: tuple[str, ...], subject: str, to: str | None, *, dark: bool) -> Answer:
    asking: Asking = context.obj
    if len(what) == 1 and what[0].partition("@")[0] in asking.house.catalog.names():
        version = find_version(asking.house, known_dataset(context, context.command.params[0], what[0]) or "")
        owe_pictures(asking.house, asking.who, version)
        return Answer(f"The pictures of {code(version.reference)} follow.")
    run_ids = _evaluated(context, what) if subject == DETECTIONS else _trainings(context, what)
    theme, named = "dark" if dark else "light", ", ".join(map(code, run_ids))
    if to is not None:
        if asking.who.door != "terminal":
            raise CommandError("`--to` is for the terminal; here the picture is shown.", line=f"plot {' '.join(run_ids)} --of {subject}")
        path = Path(to).expanduser()
        there = write_picture(asking.house, run_ids, subject, theme, to=path)
        return Answer(f"Wrote {code(str(path))}." if there else f"There is nothing to draw of {named} yet.", ok=there)
    if not owe_picture(asking.house, asking.who, run_ids, subject, theme):
        line = f"plot {' '.join(run_ids)} --of {subject} --to plot.png"
        raise CommandError("A terminal shows no pictures; name a file to write.", line=line)
    return Answer(f"The picture of {named} follows.")


def _trainings(context: click.Context, what: tuple[str, ...]) -> list[str]:
    param = context.command.params[0]
    found = list(dict.fromkeys(each for text in what if (each := known_run(context, param, text))))
    if len(found) > MOST_RUNS:
        raise CommandError(f"At most {MOST_RUNS} trainings fit into one picture.", line=f"plot {' '.join(found[:MOST_RUNS])}")
    shown = [views.view(context.obj.house, run_id) for run_id in found]
    for view in shown:
        if not isinstance(view.run.spec, TrainSpec):
            raise CommandError(f"{view.run.id} is {view.run.kind.value}, not a training; only trainings have curves.")
    if not any(view.epoch_ends or view.evaluations for view in shown):
        raise CommandError(f"{found[0]} has no epochs yet, so there is nothing to draw.", line=f"show {found[0]}")
    return found


def _evaluated(context: click.Context, what: tuple[str, ...]) -> list[str]:
    """The evaluation whose detections are drawn: the one named, or the newest of a training."""
    run_id = known_run(context, context.command.params[0], what[0]) or ""
    if len(what) > 1:
        raise CommandError("The images of one run are drawn at a time.", line=f"plot {run_id} --of {DETECTIONS}")
    found = newest_drawable(context.obj.house, run_id)
    if found is None:
        raise CommandError(
            f"No evaluation of {run_id} has left what it found, or it is too old to be kept. `eval` measures a training and draws it.",
            line=f"eval {run_id}",
        )
    return [found]


verb = Verb(
    plot, Topic.WATCH, changes=False, words={"of": "--of", "and": "", "with": ""},
    examples=("plot r-7f3k", "plot r-7f3k of lr", "plot r-7f3k and r-9abc --dark", "plot r-7f3k --of classes", "plot fish",
              "plot r-7f3k --of detections"),
)
