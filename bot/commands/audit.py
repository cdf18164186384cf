"""Who did what."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from bot.answer import Answer
from bot.audit_file import owe_file, write_file
from bot.names import known_run, span
from bot.verb import Asking, CommandError, Topic, Verb
from bot.views.audit import SHOWN, audit_page
from bot.views.words import code
from runner.service import audit as service
from runner.service.audit import Wanted


@click.command("audit", help="Who asked for what, when, through which door, and what came of it; also as a file.")
@click.option("--person", metavar="WHO", show_default="everybody", help="of one person (operators see others' acts)")
@click.option("--run", metavar="RUN", callback=known_run, show_default="any", help="about one run")
@click.option("--verb", metavar="VERB", show_default="any", help="of one command, such as `stop`")
@click.option("--since", metavar="7d", callback=span, show_default="the beginning", help="not older than so long")
@click.option("--until", metavar="1d", callback=span, show_default="now", help="older than so long")
@click.option("--as", "form", type=click.Choice(service.FORMS), help="all of it as a file instead of a list")
@click.option("--to", metavar="FOLDER", default=".", show_default="here", help="where the terminal puts the file")
@click.pass_obj
def audit(
    asking: Asking, *, person: str | None, run: str | None, verb: str | None, since: timedelta | None, until: timedelta | None,
    form: str | None, to: str,
) -> Answer:
    house, who, now = asking.house, asking.who, asking.house.now()
    wanted = service.visible_to(who, Wanted(
        person, run.removeprefix("r-") if run else None, verb.lower() if verb else None, now - since if since else None,
        now - until if until else None,
    ))
    if form is None:
        found = service.acts(house, wanted, limit=SHOWN + 1)
        text, blocks = audit_page(found, zone=house.settings.time_zone, now=now)
        return Answer(text, tuple(blocks))
    if who.door == "terminal":
        path = write_file(house, wanted, form, Path(to).expanduser())
        return Answer(f"Written: {code(str(path))}.")
    if who.place.channel is None:
        raise CommandError("There is no channel to put the file into; the terminal's `signalbox audit --as csv` writes it here.")
    owe_file(house, who, wanted, form)
    return Answer("The file comes into this channel, where everybody sees it.")


verb = Verb(
    audit, Topic.HOUSE, changes=False, words={"as": "--as"},
    examples=("audit", "audit --verb stop --since 7d", "audit --person U012ABCDEF", "audit --run r-7f3k", "audit --since 30d --as csv"),
)
