"""Hours in which only what is urgent is said."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.times_of_day import known_zone, span_of_day
from bot.verb import Asking, Topic, Verb
from runner.service import subscriptions


@click.command("quiet", help="Hold back what is not urgent in these hours, and say it in one message after them; `quiet off` ends that.")
@click.argument("hours", metavar="22:00-07:00|off")
@click.argument("zone", required=False, callback=known_zone)
@click.option("--channel", is_flag=True, help="in this channel, not in what you hear by yourself")
@click.pass_obj
def quiet(asking: Asking, hours: str, zone: str | None, *, channel: bool) -> Answer:
    kept = subscriptions.set_quiet(asking.house, asking.who, span_of_day(hours), zone=zone, channel=channel)
    if kept.quiet_from is None or kept.quiet_until is None:
        return Answer("Nothing is held back any more.")
    where = "here" if channel else "in what you hear by yourself"
    between = f"{kept.quiet_from:%H:%M} and {kept.quiet_until:%H:%M} {kept.zone}"
    return Answer(f"Between {between} only failures and what needs a person is said {where}; the rest comes in one message after that.")


verb = Verb(quiet, Topic.WATCH, examples=("quiet 22:00-07:00", "quiet 20:00-08:00 Europe/Berlin --channel", "quiet off"))
