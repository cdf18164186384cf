"""Commands that are carried out at their times."""

from __future__ import annotations

from datetime import datetime, timedelta

import click

from bot.answer import Answer
from bot.names import span
from bot.standing_orders import AS_TYPED, added, group, known, line_of
from bot.verb import Asking, Topic, Verb
from bot.views.standing_orders import schedule_list
from bot.views.words import code
from bot.views.words import name as shown
from runner.service import schedules
from runner.service.standing_orders import SCHEDULES

_OVERLAP = "What happens while runs of an earlier time still go on: skip, queue (wait for them), replace (stop them)."


def _listed(asking: Asking) -> Answer:
    text, blocks = schedule_list(schedules.all_schedules(asking.house))
    return Answer(text, tuple(blocks))


def _resume(asking: Asking, order: str) -> Answer:
    again = schedules.resume(asking.house, asking.who, order)
    return Answer(f"{code(again.id)} fires again. Next: {shown(schedules.next_in_words(asking.house, again), 300)}.")


schedule = group(SCHEDULES, "Commands that are carried out at their times.", listed=_listed, resume=_resume)


@schedule.command("add", help="Carry out a command at times in words, or at a cron line.", context_settings=AS_TYPED)
@click.option("--overlap", type=click.Choice([each.value for each in schedules.Overlap]), default="skip", help=_OVERLAP)
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), metavar="2027-01-31", help="Its last day.")
@click.option("--grace", callback=span, default="6h", metavar="2h", help="How late a time may still be carried out, after a downtime.")
@click.argument("when", metavar='<"when">')
@click.argument("command", metavar="<command …>", nargs=-1, type=click.UNPROCESSED, required=True)
@click.pass_obj
def add(asking: Asking, *, overlap: str, until: datetime | None, grace: timedelta, when: str, command: tuple[str, ...]) -> Answer:
    line = line_of(asking, command, before=["schedule", "add", when])
    kept, times = schedules.add(
        asking.house, asking.who, words=when, command=line, overlap=schedules.Overlap(overlap), grace=grace,
        until=until.date() if until else None,
    )
    return added(SCHEDULES, kept, f"{code(kept.id)}: {code(kept.command)} is carried out {shown(kept.words)}.\nNext: {shown(times, 300)}.")


@schedule.command("skip-next", params=[known(SCHEDULES)], help="Pass over a schedule's next time, once.")
@click.pass_obj
def skip_next(asking: Asking, order: str) -> Answer:
    skips, time = schedules.skip_next(asking.house, asking.who, order)
    return Answer(f"{code(skips.id)} passes over {shown(time, 100)}. Next: {shown(schedules.next_in_words(asking.house, skips), 300)}.")


@schedule.command("run-now", params=[known(SCHEDULES)], help="Carry out a schedule's command now, beside its times.")
@click.pass_obj
def run_now(asking: Asking, order: str) -> Answer:
    ran = schedules.run_now(asking.house, asking.who, order)
    return Answer(f"{code(ran.command)} of {code(ran.id)} is carried out now; its answer comes like those of its times.")


verb = Verb(
    schedule, Topic.TRAIN,
    examples=(
        "schedule", "schedule list", 'schedule add "every day 02:30" run rtmdet-nano on fish',
        "schedule pause s-7f3k", "schedule resume s-7f3k", "schedule remove s-7f3k", "schedule remove s-7f3k --yes",
        "schedule skip-next s-7f3k", "schedule run-now s-7f3k",
        'schedule add --overlap queue --grace 2h --until 2027-01-31 "first monday 06:00" eval r-7f3k',
    ),
)
