"""What goes on by itself: commands whose time has come, carried out as their owner typed them, once for each time; retrainings."""

from __future__ import annotations

import logging

from bot import grammar
from bot.settings import SlackSettings
from bot.views.words import code
from runner.service import outbox, retraining, schedules
from runner.service.house import House
from runner.service.outbox import NewDelivery

_log = logging.getLogger(__name__)


def carry_out_due(house: House, settings: SlackSettings) -> int:
    """Take retrainings a step further; carry out every firing that is ready, log its answer, and owe it to its channel; returns how
    many there were.

    A crash in between repeats the request under the same id, which acts once.
    """
    retraining.advance(house)
    due = schedules.ready_firings(house)
    for schedule, due_at in due:
        who = schedules.requester(house, schedule, due_at)
        answer = grammar.answer(house, who, schedule.command)
        # Without a channel, as where chat is off, the log is the only place that tells why nothing was started.
        _log.log(logging.INFO if answer.ok else logging.WARNING, "%s carried out %s: %s", schedule.id, schedule.command, answer.text)
        channel = schedule.channel or settings.home_channel
        with house.store.writing():
            if channel is not None:
                text = f"{code(schedule.command)} ({schedule.id}, {schedule.words}): {answer.text}"
                outbox.add(house, NewDelivery(f"answer:{who.request_id}", channel, "text", {"text": text}))
            schedules.take_firing(house, schedule, due_at)
    return len(due)
