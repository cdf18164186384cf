"""What is wrong just now."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.verb import Asking, Topic, Verb
from bot.views.alerts import alert_list
from runner.service import alerts as service


@click.command("alerts", help="What is wrong just now, who knows of it, and which silences hold.")
@click.pass_obj
def alerts(asking: Asking) -> Answer:
    house = asking.house
    text, blocks = alert_list(service.listed(house), service.silences(house), zone=house.settings.time_zone, now=house.now())
    return Answer(text, tuple(blocks))


verb = Verb(alerts, Topic.WATCH, examples=("alerts",), changes=False)
