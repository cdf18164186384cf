"""The answer to whoever asked for a run, or tries what a line would do."""

from __future__ import annotations

from collections.abc import Sequence

from bot.answer import Answer
from bot.views.blocks import context
from bot.views.runs_in_words import origin, title
from bot.views.words import count, prose
from runner.service.views import RunView
from runner.specs import TrainSpec
from runner.states import State


def submitted(view: RunView, told: Sequence[str] = ()) -> Answer:
    """What was queued, and how to follow it; ``told`` is what is foreseen of it."""
    run = view.run
    if run.state is State.RUNNING:  # a bootstrap that somebody else asked for before
        return Answer(f"`{run.id}` is already at it: {title(run)}. `show {run.id}` tells how far it is.", run_id=run.id)
    epochs = f", {count(view.epochs, 'epoch')}" if view.epochs and isinstance(run.spec, TrainSpec) else ""
    begun = f", {origin(run)}" if origin(run) else ""
    rate = f" Learning rate {prose(view.rate.why)}" if view.rate is not None else ""
    said = f"Queued `{run.id}`: {title(run)}{epochs}{begun}.{rate} `show {run.id}` tells how far it is."
    return Answer("\n".join([said, *told]), run_id=run.id)


def dry_answer(given: Answer) -> Answer:
    """What a line would be answered with; its buttons would act on what there is not."""
    if not given.ok:
        return given
    said = "A dry run: nothing is changed. Without `--dry-run` the answer would be:"
    blocks = [block for block in given.blocks if block["type"] != "actions"]
    return Answer(f"{said}\n{given.text}", (context(said), *blocks) if blocks else ())
