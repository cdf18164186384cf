"""The answer to whoever asked for a run."""

from __future__ import annotations

from collections.abc import Sequence

from bot.answer import Answer
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
