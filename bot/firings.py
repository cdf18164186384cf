"""What goes on by itself: commands whose time has come or for which something happened, as their owner typed them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from bot import grammar
from bot.settings import SlackSettings
from bot.views.words import code, prose
from runner.service import outbox, schedules, triggers
from runner.service.house import House, Requester
from runner.service.outbox import NewDelivery
from runner.service.standing_orders import SCHEDULES, TRIGGERS, requester

_log = logging.getLogger(__name__)


def carry_out_due(house: House, settings: SlackSettings) -> int:
    """Carry out every firing that is ready; returns how many there were.

    A crash in between repeats the request under the same id, which acts once.
    """
    due, fired = schedules.ready_firings(house), triggers.ready(house)
    for schedule, due_at in due:
        who, why = requester(house, SCHEDULES, schedule, due_at.isoformat()), f"{schedule.id}, {schedule.words}"
        _carry_out(house, settings, who, schedule.command, why, partial(schedules.take_firing, house, schedule, due_at))
    for trigger, firing in fired:
        who, why = requester(house, TRIGGERS, trigger, firing.key), f"{trigger.id}: {firing.because}"
        _carry_out(house, settings, who, firing.command, why, partial(triggers.take, house, firing))
    return len(due) + len(fired)


def _carry_out(house: House, settings: SlackSettings, who: Requester, command: str, why: str, take: Callable[[], None]) -> None:
    """Carry a command out, log its answer, and owe it to the channel."""
    answer = grammar.answer(house, who, command)
    # Without a channel, as where chat is off, the log is the only place that tells why nothing was started.
    _log.log(logging.INFO if answer.ok else logging.WARNING, "%s carried out %s: %s", why, command, answer.text)
    channel = who.place.channel or settings.home_channel
    with house.store.writing():
        if channel is not None:
            text = f"{code(command)} ({prose(why)}): {answer.text}"
            outbox.add(house, NewDelivery(f"answer:{who.request_id}", channel, "text", {"text": text}))
        take()
