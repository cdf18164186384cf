"""Help: the commands, or one of them, and my runs."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.verb import Asking, Topic, UnknownNameError, Verb
from bot.views.help import SHOWN_RUNS, all_help, one_help
from bot.views.words import count
from runner.service import hosts, queue, views
from runner.service.house import House
from runner.service.presets import all_presets


@click.command("help", help="What can be asked; `help run` tells all about one command.")
@click.argument("command", nargs=-1)
@click.pass_obj
def help_(asking: Asking, command: tuple[str, ...]) -> Answer:
    from bot.commands import verbs

    if not command:
        house = asking.house
        mine = views.entries(house, [run for run in queue.live_runs(house).values() if run.owner == asking.who.person][:SHOWN_RUNS])
        text, blocks = all_help(list(verbs().values()), mine, terminal=asking.who.door == "terminal", set_up=_set_up(house))
        return Answer(text, tuple(blocks))
    verb = verbs().get(command[0].lower())  # of a group, `help schedule add`, the whole group is told
    if verb is None:
        raise UnknownNameError("command", command[0], verbs())
    text, blocks = one_help(verb)
    return Answer(text, tuple(blocks))


def _set_up(house: House) -> str:
    there = {"server": hosts.names(house), "dataset": house.catalog.names(), "preset": all_presets(house)}
    known = ", ".join(count(len(found), noun) for noun, found in there.items())
    return f"Here: {known}; times are {house.settings.zone}. `settings` and `doctor` tell the rest."


verb = Verb(help_, Topic.HOUSE, changes=False, examples=("help", "help run"))
