"""Commands that are carried out at their times."""

from __future__ import annotations

from datetime import datetime

import click

from bot.answer import Answer
from bot.verb import Asking, CommandError, Topic, UnknownNameError, Verb
from bot.views.blocks import Button, actions, quoted, section
from bot.views.schedules import schedule_list
from bot.views.words import code
from bot.views.words import name as shown
from runner.service import schedules

_AS_TYPED = {"ignore_unknown_options": True, "allow_interspersed_args": False}
"""What follows is a command line of its own."""
_OVERLAP = "What happens while runs of an earlier time still go on: skip, queue (wait for them), replace (stop them)."


@click.group("schedule", help="Commands that are carried out at their times.", invoke_without_command=True)
@click.pass_context
def schedule(context: click.Context) -> Answer | None:
    return None if context.invoked_subcommand else _listed(context.obj)


@schedule.command("add", help="Carry out a command at times in words, or at a cron line.", context_settings=_AS_TYPED)
@click.option("--overlap", type=click.Choice([each.value for each in schedules.Overlap]), default="skip", help=_OVERLAP)
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), metavar="2027-01-31", help="Its last day.")
@click.argument("when", metavar='<"when">')
@click.argument("command", metavar="<command …>", nargs=-1, type=click.UNPROCESSED, required=True)
@click.pass_obj
def add(asking: Asking, overlap: str, until: datetime | None, when: str, command: tuple[str, ...]) -> Answer:
    line = command[0] if len(command) == 1 else quoted(command)
    _must_parse(asking, line, when=when)
    added, times = schedules.add(
        asking.house, asking.who, words=when, command=line, overlap=schedules.Overlap(overlap), until=until.date() if until else None
    )
    text = f"{code(added.id)}: {code(added.command)} is carried out {shown(added.words)}.\nNext: {shown(times, 300)}."
    row = actions([Button("Pause", f"schedule pause {added.id}"), Button("Remove", f"schedule remove {added.id}")])
    return Answer(text, (section(text), row))


@schedule.command("list", help="Every schedule, with its next times.")
@click.pass_obj
def listed(asking: Asking) -> Answer:
    return _listed(asking)


@schedule.command("pause", help="Stop a schedule from firing, for now.")
@click.argument("schedule")
@click.pass_obj
def pause(asking: Asking, schedule: str) -> Answer:
    paused = schedules.pause(asking.house, asking.who, schedule)
    return Answer(f"{code(paused.id)} is paused. {code(f'schedule resume {paused.id}')} lets it fire again.")


@schedule.command("resume", help="Let a paused schedule fire again.")
@click.argument("schedule")
@click.pass_obj
def resume(asking: Asking, schedule: str) -> Answer:
    again = schedules.pause(asking.house, asking.who, schedule, paused=False)
    return Answer(f"{code(again.id)} fires again. Next: {shown(schedules.next_in_words(asking.house, again), 300)}.")


@schedule.command("skip-next", help="Pass over a schedule's next time, once.")
@click.argument("schedule")
@click.pass_obj
def skip_next(asking: Asking, schedule: str) -> Answer:
    skips, time = schedules.skip_next(asking.house, asking.who, schedule)
    return Answer(f"{code(skips.id)} passes over {shown(time, 100)}. Next: {shown(schedules.next_in_words(asking.house, skips), 300)}.")


@schedule.command("run-now", help="Carry out a schedule's command now, beside its times.")
@click.argument("schedule")
@click.pass_obj
def run_now(asking: Asking, schedule: str) -> Answer:
    ran = schedules.run_now(asking.house, asking.who, schedule)
    return Answer(f"{code(ran.command)} of {code(ran.id)} is carried out now; its answer comes like those of its times.")


@schedule.command("remove", help="Forget a schedule.")
@click.argument("schedule")
@click.pass_obj
def remove(asking: Asking, schedule: str) -> Answer:
    gone = schedules.remove(asking.house, asking.who, schedule)
    return Answer(f"{code(gone.id)} is forgotten; it was {code(gone.command)}, {shown(gone.words)}.")


def _must_parse(asking: Asking, line: str, *, when: str) -> None:
    """What cannot be carried out is refused now, not at 02:30."""
    from bot.grammar import parsed  # the grammar finds the commands, of which this is one
    from bot.refusals import in_words
    from bot.typed_text import split_like_a_shell

    words = split_like_a_shell(line)
    try:
        inner = parsed(words)
        command, meant = inner.verb.command, Asking(asking.house, asking.who, inner.raw)
        with command.make_context(command.name, list(inner.arguments), obj=meant, help_option_names=[]):
            pass
    except (click.UsageError, CommandError, UnknownNameError) as error:
        why, better = in_words(error, words)
        raise CommandError(why, line=better and quoted(["schedule", "add", when, *split_like_a_shell(better)])) from error


def _listed(asking: Asking) -> Answer:
    text, blocks = schedule_list(schedules.all_schedules(asking.house))
    return Answer(text, tuple(blocks))


verb = Verb(
    schedule, Topic.TRAIN,
    examples=(
        "schedule", "schedule list", 'schedule add "every day 02:30" run rtmdet-nano on fish',
        "schedule pause s-7f3k", "schedule resume s-7f3k", "schedule remove s-7f3k", "schedule skip-next s-7f3k", "schedule run-now s-7f3k",
        'schedule add --overlap queue --until 2027-01-31 "first monday 06:00" eval r-7f3k',
    ),
)
