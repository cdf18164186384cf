"""App Home: published to those who look at it, anew while they do, and never more often than every 15 seconds to one person."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from bot.calls import Done, Refused, Slack, TooFast
from bot.links import linked_blocks
from bot.views.home import SHOWN_RUNS, Mine, Overview, home_view
from runner.service import alerts, datasets, hosts, queue, schedules, views
from runner.service.house import House, role_of
from runner.states import State

_log = logging.getLogger(__name__)
EVERY_S = 15.0
LOOKED_AT_S = 600.0
_MOST_ENDED = 5
_MOST_CHARACTERS = 100_000
"""Slack takes 250 kB."""


@dataclass
class _Tab:
    """One person's Home tab, on a monotonic clock: opened, published, not to be published before; and a digest of what it shows."""

    opened_at: float
    published_at: float | None = None
    not_before: float = 0.0
    digest: str = ""


class Homes:
    """The Home tabs that are looked at. ``opened`` is called by listeners, ``step`` by one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._tabs: dict[str, _Tab] = {}

    def opened(self, person: str) -> None:
        """Somebody looks at their Home tab now."""
        with self._lock:
            tab = self._tabs.setdefault(person, _Tab(0.0))
            tab.opened_at = self._clock()

    def step(self, house: House, slack: Slack) -> int:
        """Publish to everybody whose turn it is; returns how many saw something new."""
        due = self._due()
        if not due:
            return 0
        seen = overview(house)
        return sum(self._publish(house, slack, person, tab, seen) for person, tab in due)

    def _due(self) -> list[tuple[str, _Tab]]:
        now = self._clock()
        with self._lock:
            self._tabs = {person: tab for person, tab in self._tabs.items() if now - tab.opened_at < LOOKED_AT_S}
            return [
                (person, tab) for person, tab in self._tabs.items()
                if now >= tab.not_before and (tab.published_at is None or now - tab.published_at >= EVERY_S)
            ]

    def _publish(self, house: House, slack: Slack, person: str, tab: _Tab, seen: Overview) -> bool:
        view = home_of(house, person, seen)
        view = {**view, "blocks": linked_blocks(house, view["blocks"], most=_MOST_CHARACTERS)}  # type: ignore[arg-type]
        digest = hashlib.sha256(json.dumps(view, sort_keys=True).encode()).hexdigest()
        tab.published_at = self._clock()
        if digest == tab.digest:
            return False
        outcome = slack.call("views.publish", user_id=person, view=view)
        if isinstance(outcome, Done):
            tab.digest = digest
        elif isinstance(outcome, TooFast):
            tab.not_before = self._clock() + outcome.retry_after_s
        elif isinstance(outcome, Refused):
            _log.error("The Home tab of %s cannot be published: %s.", person, outcome)
        return isinstance(outcome, Done)


def home_of(house: House, person: str, seen: Overview) -> dict[str, object]:
    """A person's Home tab."""
    live = [run for run in seen.live.values() if run.owner == person]
    first = sorted(live, key=lambda run: run.state is State.PENDING)[:SHOWN_RUNS]  # what trains, and of what waits the oldest
    ended = [run for run in views.newest_runs(house, limit=_MOST_ENDED * 4, owner=person) if run.state.final][:_MOST_ENDED]
    mine = Mine([views.view(house, run.id) for run in first], len(live), [views.view(house, run.id) for run in ended])
    return home_view(seen, person, role_of(house, person), mine, zone=house.settings.time_zone)


def overview(house: House) -> Overview:
    """Everything that Home tabs show of the house, read once for all of them."""
    live = queue.live_runs(house)
    return Overview(
        now=house.now(), silent_since=views.runner_silent_since(house), live=live, at_work=views.entries_on_hosts(house, live),
        places=queue.places(house), hosts=hosts.all_hosts(house, queue.ends(house)), schedules=schedules.all_schedules(house),
        datasets=datasets.newest_versions(house), alerts=alerts.listed(house),
    )
