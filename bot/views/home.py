"""A person's Home tab: what they do often, what is wrong, their runs, the queue, the devices, schedules and datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from bot.answer import Block
from bot.views.alerts import alert_entry, alert_menu
from bot.views.blocks import Button, actions, context, divider, header, section
from bot.views.catalog import dataset_list
from bot.views.hosts import host_list
from bot.views.run_card import run_lines
from bot.views.runs import queue_list, run_entry
from bot.views.runs_in_words import menu
from bot.views.standing_orders import schedule_list
from bot.views.words import clock
from recipes.catalog.versions import DatasetVersion
from runner.entities import Run
from runner.service.alerts import AlertShown
from runner.service.hosts import HostView
from runner.service.queue import QueuePlace
from runner.service.standing_orders import StandingOrder
from runner.service.views import RunView
from runner.settings import Role
from runner.states import State

VIEW_BLOCKS = 100
SHOWN_RUNS = 8
SHOWN_ALERTS = 6
_MOST_OF_A_PART = 14
FREQUENT = (
    Button("Train…", "run", "primary", form=True), Button("Fine-tune…", "finetune", form=True), Button("Resume…", "resume", form=True),
    Button("Convert…", "convert", form=True), Button("Import…", "data add", form=True), Button("Schedule…", "schedule add", form=True),
)
LOOKS = (Button("All runs", "ps"), Button("Presets", "presets"), Button("Recipes", "recipes"), Button("Help", "help"))


@dataclass(frozen=True, slots=True)
class Overview:
    """What everybody's Home shows, of one moment. ``live`` are the runs that have not ended, by id; ``at_work`` those of them that hold
    devices."""

    now: datetime
    silent_since: datetime | None
    live: Mapping[str, Run]
    at_work: Mapping[str, RunView]
    places: Mapping[str, QueuePlace]
    hosts: Sequence[HostView]
    schedules: Sequence[tuple[StandingOrder, str]]
    datasets: Sequence[tuple[DatasetVersion, int]]
    alerts: Sequence[AlertShown] = ()


@dataclass(frozen=True, slots=True)
class Mine:
    """A person's own runs: the first of all ``total`` that live, and those that ended last."""

    live: Sequence[RunView] = ()
    total: int = 0
    ended: Sequence[RunView] = ()


def home_view(seen: Overview, person: str, role: Role, mine: Mine, *, zone: tzinfo) -> dict[str, object]:
    """The view that Slack publishes. Strangers see why they see nothing."""
    if role < Role.VIEWER:
        said = f"You are not on Signalbox's list of people. An admin can add {person} to access in the settings, or `grant` a role."
        return {"type": "home", "blocks": [section(said)]}
    now = seen.now
    waiting = [run for run in seen.live.values() if run.state is State.PENDING]
    _, queued = queue_list(waiting, seen.places, running=len(seen.live) - len(waiting), now=now, zone=zone)
    _, devices = host_list(seen.hosts, seen.at_work, now=now, zone=zone)
    _, planned = schedule_list(seen.schedules)
    _, known = dataset_list(seen.datasets)
    silence = _silence(seen.silent_since, now, zone)
    blocks: list[Block] = [
        *([section(silence)] if silence else []),
        *([actions(FREQUENT)] if role >= Role.MEMBER else []), actions(LOOKS),
        *_alerts(seen.alerts, now=now, zone=zone), header("My runs"),
        *_mine(mine, now=now, zone=zone),
        *_part("Queue", queued), *_part("GPUs", devices), *_part("Schedules", planned), *_part("Datasets", known),
        context(f"As of {clock(now, zone)}. It stays up to date for ten minutes after it was opened."),
    ]
    return {"type": "home", "blocks": blocks[:VIEW_BLOCKS]}


def _silence(since: datetime | None, now: datetime, zone: tzinfo) -> str:
    if since is None:
        return ""
    never = since == datetime.fromtimestamp(0, tz=UTC)
    what = "has not been started yet" if never else f"has not answered since {clock(since, zone, near=now)}"
    return f"⚠️ The runner {what}: what is asked is kept, and nothing starts. What trains goes on."


def _alerts(alerts: Sequence[AlertShown], *, now: datetime, zone: tzinfo) -> list[Block]:
    """What fires and nobody has said to know of comes first."""
    ordered = sorted(alerts, key=lambda each: bool(each.acked_by or each.silence))
    shown = [section(alert_entry(each, zone, now), menu=alert_menu(each)) for each in ordered[:SHOWN_ALERTS]]
    more = [context(f"… and {len(alerts) - SHOWN_ALERTS} more; `alerts` lists them")] if len(alerts) > SHOWN_ALERTS else []
    return [header("Alerts"), *shown, *more] if shown else []


def _mine(mine: Mine, *, now: datetime, zone: tzinfo) -> list[Block]:
    if not mine.live and not mine.ended:
        return [section("You have no runs yet. *Train…* queues one, and *Import…* brings a dataset.")]
    blocks: list[Block] = [section(run_lines(view, zone=zone), menu=menu(view)) for view in mine.live]
    blocks += [context(f"… and {mine.total - len(mine.live)} more; `ps --mine` lists them")] if mine.total > len(mine.live) else []
    return [*blocks, *(section(run_entry(view, now, zone), menu=menu(view)) for view in mine.ended)]


def _part(title: str, blocks: Sequence[Block]) -> list[Block]:
    more = [context(f"… {len(blocks) - _MOST_OF_A_PART} more parts are left out here.")] if len(blocks) > _MOST_OF_A_PART else []
    return [divider(), header(title), *blocks[:_MOST_OF_A_PART], *more]
