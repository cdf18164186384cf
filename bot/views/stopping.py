"""The question before a run is stopped: what will be lost."""

from __future__ import annotations

from datetime import datetime

from bot.views.blocks import Button, Message
from bot.views.question import question
from bot.views.run_card import where_in_words
from bot.views.runs_in_words import title
from bot.views.words import duration, name
from runner.service.views import RunView
from runner.specs import BoardSpec, TrainSpec
from runner.states import State


def stop_question(view: RunView, *, now: datetime) -> Message:
    """What stopping costs, with the two buttons that answer."""
    run = view.run
    asked = f"Stop `{run.id}` ({title(run)})?\n{_lost(view, now)}"
    return question(asked, ["stop", run.id], act="Stop it", keep=Button("Keep it running", f"show {run.id}"))


def _lost(view: RunView, now: datetime) -> str:
    run = view.run
    if run.state is State.PENDING:
        return "It has not started; only its place in the queue is lost."
    if isinstance(run.spec, BoardSpec):
        return "It only shows a training; nothing is lost."
    spent = f" after {duration(now - run.started_at)}" if run.started_at else ""
    where = where_in_words(view) or "at its beginning"
    if not isinstance(run.spec, TrainSpec):
        return f"It is at: {where}{spent}. What it has done so far is thrown away."
    checkpoints = [checkpoint for _, checkpoint in view.checkpoints]
    if not checkpoints:
        return f"It is at {where}{spent}. No checkpoint is written yet, so all of it is lost."
    newest = max(checkpoints, key=lambda checkpoint: checkpoint.epoch)
    return (
        f"It is at {where}{spent}. The last checkpoint is {name(newest.name)} (epoch {newest.epoch}): "
        f"what came after it is lost, and `resume {run.id}` can go on from there."
    )
