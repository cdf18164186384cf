"""Train anew when something changed, and let the better model win."""

from __future__ import annotations

from typing import Unpack

import click

from bot.answer import Answer
from bot.names import known_dataset, known_preset
from bot.training_options import TrainingOptions, overrides, training_options, wish
from bot.verb import Asking, Topic, Verb
from bot.views.submitted import submitted
from bot.views.words import code, name
from runner.service import retraining, views
from runner.service.retraining import Challenge, Rule

_RULE = Rule()


class RetrainOptions(TrainingOptions):
    """Those of every training, and how it challenges the champion."""

    scratch: bool
    test: str | None
    split: str | None
    least_gain: float
    most_loss: float
    always: bool
    despite_leaks: bool
    publish: str | None


@click.command("retrain", help="Train anew if data, preset or code changed, measure against the champion, and promote by a rule.")
@click.argument("preset", callback=known_preset)
@click.argument("dataset", metavar="on <dataset>", callback=known_dataset)
@click.option("--scratch", is_flag=True, help="from the preset's own start instead of the champion's weights")
@click.option(
    "--test", callback=known_dataset, metavar="DATASET[@v]", show_default="what the last one was measured on",
    help="the dataset both are measured on",
)
@click.option("--split", metavar="NAME", show_default="test, else val", help="the split of it")
@click.option("--least-gain", type=click.FloatRange(0, 1), default=_RULE.least_gain, metavar="X", help="mAP to win by, at least")
@click.option("--most-loss", type=click.FloatRange(0, 1), default=_RULE.most_loss, metavar="X", help="mAP a class may lose, at most")
@click.option("--always", is_flag=True, help="even when nothing changed")
@click.option("--despite-leaks", is_flag=True, help="even when it trains on images that it is measured on")
@click.option("--publish", metavar="PRESET", help="once it is champion, export it as the start of a preset of this name")
@training_options(host_default="where the champion lies, else any that fits")
@click.pass_obj
def retrain(asking: Asking, preset: str, dataset: str, **given: Unpack[RetrainOptions]) -> Answer:
    rule = Rule(least_gain=given["least_gain"], most_loss=given["most_loss"])
    challenge = Challenge(
        given["scratch"], given["test"], given["split"], rule, given["always"], given["despite_leaks"], given["publish"]
    )
    begun, new = retraining.retrain(
        asking.house, asking.who, preset=preset, dataset=dataset, challenge=challenge, overrides=overrides(asking, given), wish=wish(given)
    )
    if not new:
        how = f"ended as {code(begun.verdict.value)}" if begun.verdict else "still goes on"
        return Answer(
            f"Nothing changed in {name(dataset)}, {name(preset)} or its code since {code(begun.run_id)}, which {how}; so nothing is "
            f"trained. `--always` trains all the same."
        )
    queued = submitted(views.view(asking.house, begun.run_id))
    against = f"the champion {code(begun.champion_id)}" if begun.champion_id else "nothing yet: it will be the first champion"
    published = f" As champion it is published as the preset {name(begun.publish)}." if begun.publish else ""
    return Answer(
        f"{queued.text}\nThen it is measured on {name(f'{begun.test} {begun.split}')} against {against}.{published}", run_id=begun.run_id
    )


verb = Verb(
    retrain, Topic.TRAIN, words={"on": ""}, takes_raw=True,
    examples=("retrain rtmdet-nano on fish", "retrain rtmdet-nano on fish --test fish@2 --split val --least-gain 0.005 --epochs 12"),
)
