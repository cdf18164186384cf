"""Lists of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo

from bot.answer import Block
from bot.views.blocks import Message, fitting, section
from bot.views.device_map import lock_in_words
from bot.views.hosts import drained_in_words
from bot.views.run_card import where_in_words
from bot.views.runs_in_words import title
from bot.views.states import explanation, headline, sign
from bot.views.words import ap, clock, code, count, duration, name, naming, person, prose, sentence
from runner.entities import Run
from runner.service.hosts import HostView
from runner.service.queue import QueuePlace
from runner.service.views import RunView
from runner.states import State

SHOWN = 40


def run_list(views: Sequence[RunView], *, total: int, now: datetime, zone: tzinfo) -> Message:
    """The first of ``total`` runs in the order given, two short lines each."""
    if not views:
        text = f"There are no runs. {code('run <preset> on <dataset>')} queues one; `help` tells the rest."
        return text, [section(text)]
    return _listed(f"*{count(total, 'run')}*", [run_entry(view, now, zone) for view in views[:SHOWN]], total)


def queue_list(
    waiting: Sequence[Run], places: Mapping[str, QueuePlace], hosts: Sequence[HostView] = (), *, running: int, now: datetime,
    zone: tzinfo,
) -> Message:
    """What waits, in the order of the queue, each with its reason in a sentence; then what waits for something else than its turn, and
    what of the ``hosts`` is locked or drained."""
    at_work = f"{count(running, 'run')} at work" if running else "nothing is at work"
    kept = [f"🚧 {drained_in_words(view.host, now=now, zone=zone)}" for view in hosts if view.host.drained]
    kept += [lock_in_words(lock, now=now, zone=zone) for view in hosts for lock in view.locks]
    if not waiting:
        text = "\n".join([f"Nothing waits; {at_work}.", *kept])
        return text, [section(text)]
    by_id = {run.id: run for run in waiting}
    ordered = [*(by_id[run_id] for run_id in places if run_id in by_id), *(run for run in waiting if run.id not in places)]
    entries = [_queued(run, places.get(run.id), now, zone) for run in ordered[:SHOWN]]
    heading = "\n".join([f"*{count(len(waiting), 'run')} waiting*, {at_work}", *kept])
    return _listed(heading, entries, len(waiting))


def _queued(run: Run, place: QueuePlace | None, now: datetime, zone: tzinfo) -> str:
    facts = [title(run), person(run.owner), _since(run, now), f"priority {run.priority}" if run.priority else ""]
    starts = ""
    if place and place.starts_at and place.starts_at > now:
        starts = f" Starts about {clock(place.starts_at, zone, near=now)}{f' on {name(place.host)}' if place.host else ''}."
    number = f"{place.position}." if place else "–"
    why = sentence(naming(place.why if place else explanation(run), 400))
    first = f" {naming(place.goes_first)}" if place and place.goes_first else ""
    return f"{number} {sign(run)} `{run.id}`  {', '.join(fact for fact in facts if fact)}\n      ↳ {why}{first}{starts}"


def run_entry(view: RunView, now: datetime, zone: tzinfo) -> str:
    """A run in two short lines."""
    run = view.run
    where = where_in_words(view)
    said = [headline(run), where if run.state is State.RUNNING else "", f"mAP {ap(view.best.ap)}" if view.best else ""]
    place = f"on {' and '.join(map(name, view.hosts))}" if run.host and run.state is State.RUNNING else ""
    moment = f"ended {clock(run.ended_at, zone, near=now)}" if run.ended_at else _since(run, now)
    facts = ", ".join(part for part in (*said, place, moment, person(run.owner)) if part)
    waits = f"\n      ↳ {sentence(prose(explanation(run), 300))}" if run.state is State.PENDING or view.stale or run.waits_in_slurm else ""
    return f"{sign(run)} `{run.id}`  *{title(run)}*\n      {facts}{waits}"


def _since(run: Run, now: datetime) -> str:
    return f"for {duration(now - (run.started_at or run.created_at))}"


def _listed(heading: str, entries: Sequence[str], total: int) -> Message:
    rest = [f"… and {total - len(entries)} more"] if total > len(entries) else []
    blocks: list[Block] = [section(heading)]
    blocks += [section("\n".join([*entries, *rest][start : start + 5])) for start in range(0, len(entries) + len(rest), 5)]
    return "\n".join([heading, *entries, *rest]), fitting(blocks)
