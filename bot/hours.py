"""What the clock brings: the end of quiet hours, with all that was held back in one message, and morning digests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from zoneinfo import ZoneInfo

from bot.flood import in_one
from bot.views.digest import digest_page
from runner.service import digests, outbox, subscriptions
from runner.service.digests import Digest
from runner.service.house import House
from runner.service.outbox import Delivery
from runner.service.subscriptions import Hours


def step(house: House) -> None:
    """Say what was held back where it is quiet no more; owe every digest whose time has come."""
    held: defaultdict[str, list[Delivery]] = defaultdict(list)
    for delivery in outbox.held(house):
        held[delivery.channel].append(delivery)
    for place, found in held.items():
        if not subscriptions.hours_of(house, place).quiet(house.now()):
            outbox.settle_by(house, found, in_one(place, "*While it was quiet:*", found))
    digests.owe_due(house, _body)


def _body(found: Digest, hours: Hours) -> Mapping[str, object] | None:
    page = digest_page(found, zone=ZoneInfo(hours.zone))
    return None if page is None else {"text": page[0], "blocks": [dict(block) for block in page[1]]}
