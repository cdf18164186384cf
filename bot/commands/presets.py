"""The presets there are, and those that people add."""

from __future__ import annotations

from typing import TypedDict, Unpack

import click

from bot.answer import Answer
from bot.names import finite, known_preset
from bot.training_options import MOST_EPOCHS
from bot.verb import Asking, Topic, Verb
from bot.views.blocks import Button
from bot.views.presets import added, preset_list, preset_page
from bot.views.question import question
from bot.views.words import code, count
from runner.service import presets as service
from runner.service.presets import NewPreset


@click.group("presets", help="The models that can be trained, and on which servers.", invoke_without_command=True)
@click.pass_context
def presets(context: click.Context) -> Answer | None:
    if context.invoked_subcommand:
        return None
    asking: Asking = context.obj
    text, blocks = preset_list(service.preset_views(asking.house))
    return Answer(text, tuple(blocks))


@presets.command("show", help="What a preset is, with its defaults and its own code.")
@click.argument("preset", callback=known_preset)
@click.pass_obj
def show(asking: Asking, preset: str) -> Answer:
    text, blocks = preset_page(service.preset_view(asking.house, preset), zone=asking.house.settings.time_zone)
    return Answer(text, tuple(blocks))


class _Changed(TypedDict):
    """Keys of a preset, None where nothing was said."""

    framework: str | None
    environment: str | None
    description: str | None
    start: str | None
    epochs: int | None
    batch: int | None
    lr: float | None
    eval_every: int | None
    gpus: int | None


_POSITIVE = click.IntRange(1, MOST_EPOCHS)


@presets.command("add", help="Add a preset: a config, and the modules it needs; options of the config after `--`.")
@click.argument("name")
@click.option("--config", metavar="FILE", help="a config file where Signalbox runs, or the name of one in the framework's collection")
@click.option("--code", "folder", metavar="FOLDER", help="a folder of Python modules where Signalbox runs")
@click.option("--like", metavar="PRESET", callback=known_preset, help="take all that is not given from this preset")
@click.option("--import", "imports", metavar="MODULE", multiple=True, show_default="those at the top of the folder", help="what to import")
@click.option("--framework", metavar="NAME", show_default="mmdet", help="the training system")
@click.option("--environment", metavar="NAME", show_default="any of that framework", help="the one environment it runs in")
@click.option("--description", metavar="TEXT", help="what it is, for people")
@click.option("--start", metavar="PATH|URL", help="the checkpoint to start from: a path on the servers, an https URL, sha256:<digest>")
@click.option("--epochs", type=_POSITIVE, metavar="N", help="epochs in all")
@click.option("--batch", type=_POSITIVE, metavar="N", help="images a step and GPU")
@click.option("--lr", type=click.FloatRange(min=0, min_open=True), callback=finite, metavar="X", help="learning rate for that batch")
@click.option("--gpus", type=click.IntRange(1, 1024), metavar="N", show_default="1", help="GPUs that this learning rate is for")
@click.option("--eval-every", type=_POSITIVE, metavar="N", show_default="1", help="epochs between evaluations")
@click.pass_obj
def add(
    asking: Asking, name: str, *, config: str | None, folder: str | None, like: str | None, imports: tuple[str, ...],
    **changed: Unpack[_Changed],
) -> Answer:
    new = NewPreset(name.lower(), config, folder, like, imports, asking.raw, dict(changed))
    text, blocks = added(service.add(asking.house, asking.who, new))
    return Answer(text, tuple(blocks))


@presets.command("remove", help="Forget a preset that somebody added. Its runs keep what they had of it.")
@click.argument("preset", callback=known_preset)
@click.option("--yes", is_flag=True, help="forget it without asking first")
@click.pass_obj
def remove(asking: Asking, preset: str, *, yes: bool) -> Answer:
    versions = (service.remove if yes else service.removable)(asking.house, asking.who, preset)
    older = f" with {count(len(versions), 'version')}" if len(versions) > 1 else ""
    if yes:
        return Answer(f"{code(preset)} is forgotten{older}; its runs keep what they had of it.")
    asked = f"Forget {code(preset)}{older}? Nothing new can be trained with it, also by schedules; its runs keep what they had of it."
    text, blocks = question(asked, ["presets", "remove", preset], act="Forget it", keep=Button("Keep it", f"presets show {preset}"))
    return Answer(text, tuple(blocks))


verb = Verb(
    presets, Topic.TRAIN, takes_raw=True, slow=True,
    examples=(
        "presets", "presets show rtmdet-nano", "presets add my-nano --like rtmdet-nano --epochs 40 -- model.test_cfg.max_per_img=50",
    ),
)
