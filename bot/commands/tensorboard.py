"""Look at a training's curves on its host."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.names import finite, known_run
from bot.verb import Asking, Topic, Verb
from bot.views.run_card import run_card
from bot.views.submitted import submitted
from runner.service import models, views
from runner.states import State


@click.command("tensorboard", help="Start TensorBoard on the host of a training; the answer is the line that leads to it.")
@click.argument("run", callback=known_run)
@click.option(
    "--hours", type=click.FloatRange(0, models.LONGEST_BOARD_HOURS, min_open=True), callback=finite, default=4.0, show_default="4",
    metavar="N", help="when it ends by itself",
)
@click.pass_obj
def tensorboard(asking: Asking, run: str, hours: float) -> Answer:
    board = views.view(asking.house, models.submit_board(asking.house, asking.who, run, hours=hours).id)
    if board.run.state is not State.RUNNING:
        return submitted(board)
    text, blocks = run_card(board, zone=asking.house.settings.time_zone)
    return Answer(text, tuple(blocks), run_id=board.run.id)


verb = Verb(tensorboard, Topic.WATCH, examples=("tensorboard r-7f3k", "tensorboard r-7f3k --hours 8"))
