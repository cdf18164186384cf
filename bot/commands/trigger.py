"""Commands that are carried out when something happens."""

from __future__ import annotations

import re
from datetime import timedelta

import click

from bot.answer import Answer
from bot.names import span
from bot.standing_orders import AS_TYPED, added, group, line_of
from bot.verb import Asking, Topic, Verb
from bot.views.standing_orders import trigger_list
from bot.views.words import code
from bot.views.words import name as shown
from runner.service import standing_orders, triggers
from runner.service.standing_orders import TRIGGERS


def _listed(asking: Asking) -> Answer:
    text, blocks = trigger_list(triggers.all_triggers(asking.house), zone=asking.house.settings.time_zone)
    return Answer(text, tuple(blocks))


def _resume(asking: Asking, order: str) -> Answer:
    again = standing_orders.pause(asking.house, asking.who, TRIGGERS, order, paused=False)
    return Answer(f"{code(again.id)} fires again at {shown(again.words)}.")


trigger = group(TRIGGERS, "Commands that are carried out when something happens.", listed=_listed, resume=_resume)


@trigger.command("add", help="Carry out a command on new data, a result, a failure, an alert, a file or a hook.", context_settings=AS_TYPED)
@click.option("--cooldown", callback=span, metavar="1h", help="how long it does not fire again; 10m, none with --most or for files")
@click.option("--most", type=click.IntRange(1, 1000), metavar="N", help="how often it fires within an hour")
@click.option("--rehearse", is_flag=True, help="only note in `trigger list` what it would have done")
@click.argument("when", metavar='<"when">')
@click.argument("command", metavar="<command …>", nargs=-1, type=click.UNPROCESSED, required=True)
@click.pass_obj
def add(
    asking: Asking, *, cooldown: timedelta | None, most: int | None, rehearse: bool, when: str, command: tuple[str, ...]
) -> Answer:
    named = re.findall(r"\{(\w+)\}", " ".join(command))  # those that are unknown are refused for what they are
    line = line_of(asking, command, before=["trigger", "add", when], names=named)
    kept = triggers.add(asking.house, asking.who, words=when, command=line, cooldown=cooldown, most=most, dry_run=rehearse)
    does = "It is only noted" if rehearse else "It is carried out"
    text = f"{code(kept.id)}: {shown(kept.words)} → {code(kept.command)}. {does} as you, with your rights of that moment."
    return added(TRIGGERS, kept, text)


verb = Verb(
    trigger, Topic.TRAIN,
    examples=(
        "trigger", "trigger list", 'trigger add "new data fish" retrain rtmdet-nano on fish',
        'trigger add --cooldown 6h "mAP dropped by 0.02 on fish" eval {run} --split val',
        'trigger add "file gpu1:/data/incoming/*.zip" data add fish {file}',
        'trigger add --most 5 "hook DiskFailing where severity=critical" host drain {host}', "trigger pause t-7f3k",
        "trigger resume t-7f3k", "trigger remove t-7f3k", "trigger remove t-7f3k --yes",
    ),
)
