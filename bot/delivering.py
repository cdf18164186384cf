"""The one thread that tells people what happened: events become deliveries, deliveries become messages, cards follow their runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Event

from bot.attachments import Attachments
from bot.calls import Slack
from bot.cards import Cards
from bot.notifier import notify
from bot.outbox import Outbox
from bot.pacing import EditBudget, Holds
from bot.pictures import Pictures
from bot.rendering import render, render_part
from bot.settings import SlackSettings
from runner.service.house import House

_log = logging.getLogger(__name__)
WAKE_S = 0.05
_AFTER_FAULT_S = 1.0


def deliver(house: House, slack: Slack, settings: SlackSettings, stop: Event, *, clock: Callable[[], float] = time.monotonic) -> None:
    """Notify, send and edit until told to stop; woken within 50 ms by every commit of another connection."""
    holds = Holds(clock)
    pictures = Pictures(slack, clock)
    outbox = Outbox(house, slack, pictures, holds, render=render, attachments=Attachments(slack, clock))
    budget = EditBudget(clock, per_minute=settings.edits_per_minute)
    cards = Cards(house, slack, pictures, holds, budget=budget, render_part=render_part, clock=clock)
    seen: int | None = None
    while not stop.is_set():
        busy = False
        try:
            version = house.store.data_version()
            if version != seen or outbox.pending or cards.pending:
                seen = version
                busy = _pass(house, outbox, cards, home_channel=settings.home_channel)
        except Exception:  # noqa: BLE001 - logged; what is owed stays owed
            _log.exception("A pass of the outbox failed; going on in %.0f s.", _AFTER_FAULT_S)
            seen = None
            stop.wait(_AFTER_FAULT_S)
        if not busy:
            stop.wait(WAKE_S)
    house.store.close()


def _pass(house: House, outbox: Outbox, cards: Cards, *, home_channel: str | None) -> bool:
    told = notify(house, home_channel=home_channel) > 0
    sent = outbox.step()
    return cards.step() or sent or told
