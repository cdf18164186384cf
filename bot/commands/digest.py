"""The day in one message."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import click

from bot.answer import Answer
from bot.times_of_day import known_zone, time_of_day
from bot.verb import Asking, Topic, Verb
from bot.views.digest import digest_page
from runner.service import digests, subscriptions


@click.command("digest", help="What ran in the last day; with a time, each day at that time by itself; `digest off` ends that.")
@click.argument("at", metavar="[08:30|off]", required=False)
@click.argument("zone", required=False, callback=known_zone)
@click.option("--channel", is_flag=True, help="of this channel, in it; else of what is yours, to you")
@click.pass_obj
def digest(asking: Asking, at: str | None, zone: str | None, *, channel: bool) -> Answer:
    house, who = asking.house, asking.who
    if at is None:
        place = subscriptions.place_of(who, channel=channel)
        hours = subscriptions.hours_of(house, place)
        page = digest_page(digests.digest(house, place, until=house.now()), zone=ZoneInfo(zone or hours.zone))
        return Answer("Nothing ran in the last day.") if page is None else Answer(page[0], tuple(page[1]))
    kept = subscriptions.set_digest(house, who, time_of_day(at), zone=zone, channel=channel)
    if kept.digest_at is None:
        return Answer("There is no digest any more.")
    return Answer(f"The digest comes each day at {kept.digest_at:%H:%M} {kept.zone}{' here' if channel else ', to you'}.")


verb = Verb(
    digest, Topic.WATCH, words={"at": ""},
    examples=("digest", "digest 08:30", "digest 08:30 Europe/Berlin --channel", "digest off"),
)
