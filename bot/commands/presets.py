"""The presets there are."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.names import known_preset
from bot.verb import Asking, Topic, Verb
from bot.views.catalog import preset_list, preset_page
from runner.service.presets import all_presets


@click.group("presets", help="The models that can be trained.", invoke_without_command=True)
@click.pass_context
def presets(context: click.Context) -> Answer | None:
    if context.invoked_subcommand:
        return None
    asking: Asking = context.obj
    text, blocks = preset_list(list(all_presets(asking.house).values()))
    return Answer(text, tuple(blocks))


@presets.command("show", help="What a preset is, with its defaults.")
@click.argument("preset", callback=known_preset)
@click.pass_obj
def show(asking: Asking, preset: str) -> Answer:
    text, blocks = preset_page(all_presets(asking.house)[preset])
    return Answer(text, tuple(blocks))


verb = Verb(presets, Topic.TRAIN, examples=("presets", "presets show rtmdet-nano"))
