"""After hours in which Slack took nothing, what is merely news is told in one message a channel: a digest, not a flood."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

from bot.views.blocks import SECTION_LIMIT, cut, section
from bot.views.words import clock, count
from runner.service import outbox
from runner.service.house import House
from runner.service.outbox import Delivery, NewDelivery

FLOOD = 12
"""So many old messages of one channel are told one by one."""
OLD = timedelta(minutes=10)
_SHOWN = 30
_ROOM = 12_000
"""Characters; Slack takes about 13,000 in a message."""


def fold_flood(house: House, owed: Sequence[Delivery]) -> int:
    """Owe one message instead of each channel's old news where that is much; returns how many were folded.

    News is what has a ``line`` to stand for it. Cards, failures, results, answers and whatever calls for a person come as they are.
    """
    old = house.now() - OLD
    news: defaultdict[str, list[Delivery]] = defaultdict(list)
    for delivery in owed:
        if delivery.body.get("line") and delivery.state == "owed" and delivery.created_at < old:
            news[delivery.channel].append(delivery)
    folded = 0
    for channel, found in news.items():
        if len(found) > FLOOD:
            zone = house.settings.time_zone
            since, until = found[0].created_at, found[-1].created_at
            heading = f"*While Slack did not answer*, {clock(since, zone)} to {clock(until, zone, near=since)}:"
            outbox.settle_by(house, found, in_one(channel, heading, found))
            folded += len(found)
    return folded


def in_one(channel: str, heading: str, found: Sequence[Delivery]) -> NewDelivery:
    """One message that says what these would have said, the newest of very many."""
    lines = [f"• {delivery.body['line']}" for delivery in found][-_SHOWN:]
    while sum(map(len, lines)) > _ROOM:
        lines = lines[1:]
    left = len(found) - len(lines)
    earlier = [f"{count(left, 'earlier message')} left out here; `ps`, `alerts` and the cards tell."] if left > 0 else []
    said = [heading, *earlier, *lines]
    cause = hashlib.sha256("".join(delivery.id for delivery in found).encode()).hexdigest()[:16]
    body = {"text": cut("\n".join(said), SECTION_LIMIT), "blocks": [dict(section(line)) for line in said]}
    return NewDelivery(f"news:{cause}", channel, "text", body)
