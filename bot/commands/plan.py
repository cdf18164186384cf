"""What a training would be."""

from __future__ import annotations

from typing import Unpack

import click

from bot.answer import Answer
from bot.names import known_dataset, known_preset
from bot.training_options import TrainingOptions, as_words, overrides, training_options, wish
from bot.verb import Asking, Topic, Verb
from bot.views.blocks import quoted
from bot.views.plan import plan_page
from runner.service import plans


@click.command("plan", help="Say where and when a training would be, with which learning rate, memory and disk; takes what `run` takes.")
@click.argument("preset", callback=known_preset)
@click.argument("dataset", metavar="on <dataset>", callback=known_dataset)
@training_options()
@click.pass_obj
def plan(asking: Asking, preset: str, dataset: str, **given: Unpack[TrainingOptions]) -> Answer:
    found = plans.plan(asking.house, asking.who, preset=preset, dataset=dataset, overrides=overrides(asking, given), wish=wish(given))
    line = quoted(["run", preset, "on", dataset, *as_words(asking, given)])
    text, blocks = plan_page(found, line, now=asking.house.now(), zone=asking.house.settings.time_zone)
    return Answer(text, tuple(blocks))


verb = Verb(
    plan, Topic.TRAIN, changes=False, words={"on": ""}, takes_raw=True, slow=True,
    examples=("plan rtmdet-nano on fish", "plan rtmdet-nano on fish --gpus 4 --batch 16", "plan rtmdet-nano on fish --host gpu1:0"),
)
