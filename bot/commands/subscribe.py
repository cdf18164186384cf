"""Hear of runs."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.verb import Asking, Topic, Verb
from bot.views.words import code
from runner.service import subscriptions
from runner.service.subscriptions import ALL, LEVELS, Subscription


def _levels(_context: click.Context, param: click.Parameter, value: str) -> frozenset[str]:
    named = {each.strip().lower() for each in value.split(",") if each.strip()}
    if unknown := named - {*LEVELS, ALL, "none"}:
        raise click.BadParameter(f"{', '.join(sorted(unknown))} is none of {', '.join(LEVELS)}, all, none.", param=param)
    return frozenset(LEVELS) if ALL in named else frozenset(named - {"none"})


@click.command("subscribe", help="Hear of a run, a preset, a dataset or all, by yourself or in this channel; alone, what you hear of.")
@click.argument("what", required=False)
@click.argument("levels", metavar="[levels]", default="results,failures", callback=_levels)
@click.option("--channel", is_flag=True, help="this channel hears it, not you alone")
@click.pass_obj
def subscribe(asking: Asking, what: str | None, levels: frozenset[str], *, channel: bool) -> Answer:
    house, who = asking.house, asking.who
    if what is None:
        found = subscriptions.listed(house, subscriptions.place_of(who, channel=channel))
        return Answer("\n".join(map(_line, found)) or f"Nothing yet. {code('subscribe fish results,failures')} hears of a dataset.")
    made = subscriptions.subscribe(house, who, what=what, levels=levels, channel=channel)
    where = "This channel hears" if channel else "You hear, in direct messages,"
    return Answer(f"{where} of {code(made.what)}: {_in_words(made)}. {code(f'unsubscribe {made.what}')} ends it.")


def _line(each: Subscription) -> str:
    return f"• {code(each.what)}: {_in_words(each)}"


def _in_words(each: Subscription) -> str:
    return ", ".join(level for level in LEVELS if level in each.levels) or "nothing"


verb = Verb(
    subscribe, Topic.WATCH, words={"to": ""},
    examples=(
        "subscribe", "subscribe fish", "subscribe fish failures,results,epochs", "subscribe all failures --channel", "subscribe r-7f3k all",
    ),
)
