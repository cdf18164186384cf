"""Commands that are carried out when something happens."""

from __future__ import annotations

from datetime import timedelta

import click

from bot.answer import Answer
from bot.names import span
from bot.verb import Asking, Topic, Verb
from bot.views.blocks import Button, actions, quoted, section
from bot.views.triggers import trigger_list
from bot.views.words import code
from bot.views.words import name as shown
from runner.service import triggers

_AS_TYPED = {"ignore_unknown_options": True, "allow_interspersed_args": False}
"""What follows is a command line of its own."""


@click.group("trigger", help="Commands that are carried out when something happens.", invoke_without_command=True)
@click.pass_context
def trigger(context: click.Context) -> Answer | None:
    return None if context.invoked_subcommand else _listed(context.obj)


@trigger.command("add", help="Carry out a command when there is new data, a result, a failure or an alert.", context_settings=_AS_TYPED)
@click.option("--cooldown", callback=span, default="10m", metavar="1h", help="how long it does not fire again")
@click.option("--rehearse", is_flag=True, help="only note in `trigger list` what it would have done")
@click.argument("when", metavar='<"when">')
@click.argument("command", metavar="<command …>", nargs=-1, type=click.UNPROCESSED, required=True)
@click.pass_obj
def add(asking: Asking, *, cooldown: timedelta, rehearse: bool, when: str, command: tuple[str, ...]) -> Answer:
    line = command[0] if len(command) == 1 else quoted(command)
    from bot.grammar import parsed  # the grammar finds the commands, of which this is one
    from bot.typed_text import split_like_a_shell

    parsed(split_like_a_shell(line))  # a verb that there is not is refused now; what {…} stands for is known only then
    added = triggers.add(asking.house, asking.who, words=when, command=line, cooldown=cooldown, dry_run=rehearse)
    does = "It is only noted" if rehearse else "It is carried out"
    text = f"{code(added.id)}: {shown(added.words)} → {code(added.command)}. {does} as you, with your rights of that moment."
    row = actions([Button("Pause", f"trigger pause {added.id}"), Button("Remove", f"trigger remove {added.id}")])
    return Answer(text, (section(text), row))


@trigger.command("list", help="Every trigger, with what it did last and why.")
@click.pass_obj
def listed(asking: Asking) -> Answer:
    return _listed(asking)


@trigger.command("pause", help="Let a trigger pass over what happens, for now.")
@click.argument("trigger")
@click.pass_obj
def pause(asking: Asking, trigger: str) -> Answer:
    paused = triggers.pause(asking.house, asking.who, trigger)
    return Answer(f"{code(paused.id)} is paused. {code(f'trigger resume {paused.id}')} lets it fire again.")


@trigger.command("resume", help="Let a paused trigger fire again.")
@click.argument("trigger")
@click.pass_obj
def resume(asking: Asking, trigger: str) -> Answer:
    again = triggers.pause(asking.house, asking.who, trigger, paused=False)
    return Answer(f"{code(again.id)} fires again at {shown(again.words)}.")


@trigger.command("remove", help="Forget a trigger.")
@click.argument("trigger")
@click.pass_obj
def remove(asking: Asking, trigger: str) -> Answer:
    gone = triggers.remove(asking.house, asking.who, trigger)
    return Answer(f"{code(gone.id)} is forgotten; it was {shown(gone.words)} → {code(gone.command)}.")


def _listed(asking: Asking) -> Answer:
    text, blocks = trigger_list(triggers.all_triggers(asking.house), zone=asking.house.settings.time_zone)
    return Answer(text, tuple(blocks))


verb = Verb(
    trigger, Topic.TRAIN,
    examples=(
        "trigger", "trigger list", 'trigger add "new data fish" retrain rtmdet-nano on fish',
        'trigger add --cooldown 6h "mAP dropped by 0.02 on fish" eval {run} --split val', "trigger pause t-7f3k", "trigger resume t-7f3k",
        "trigger remove t-7f3k",
    ),
)
