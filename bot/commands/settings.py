"""How this installation is set up."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.verb import Asking, Topic, Verb
from bot.views.settings import settings_page


@click.command("settings", help="How this installation is set up: zone, people, channels, limits, and where they are written.")
@click.pass_obj
def settings(asking: Asking) -> Answer:
    text, blocks = settings_page(asking.house.settings)
    return Answer(text, tuple(blocks))


verb = Verb(settings, Topic.HOUSE, changes=False, examples=("settings",))
