"""How often an app may call: one message a second per channel with a short burst, and Slack's four tiers.

Simplified: a tier's whole minute may be spent at once and refills evenly (Slack does not publish its burst rules), and
tier 1 allows 20 calls in a row, because tests restart their app often.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from bot.local_workspace.wire import RefusalError


class Tier(Enum):
    """Slack's classes of methods: calls a minute, and how many at once."""

    ONE = (1, 20)
    TWO = (20, 20)
    THREE = (50, 50)
    FOUR = (100, 100)
    SPECIAL = (600, 600)
    """auth.test and its like: hundreds a minute."""


@dataclass(frozen=True)
class _Bucket:
    tokens: float
    at_s: float


class RateLimits:
    """Token buckets by key, on a clock that is given."""

    def __init__(self, now: Callable[[], float], *, message_interval_s: float, message_burst: int) -> None:
        self._now = now
        self._message_interval_s = message_interval_s
        self._message_burst = message_burst
        self._buckets: dict[str, _Bucket] = {}

    def spend_call(self, method: str, tier: Tier) -> None:
        """Counts one call. Raises `ratelimited` with Retry-After when the method's tier is used up."""
        per_minute, burst = tier.value
        self._spend(f"method {method}", interval_s=60 / per_minute, burst=burst)

    def spend_message(self, channel: str) -> None:
        """Counts one new message in a channel. Raises `ratelimited` with Retry-After when they come too fast."""
        self._spend(f"channel {channel}", interval_s=self._message_interval_s, burst=self._message_burst)

    def _spend(self, key: str, *, interval_s: float, burst: int) -> None:
        now_s = self._now()
        bucket = self._buckets.get(key, _Bucket(tokens=burst, at_s=now_s))
        refilled = burst if interval_s == 0 else bucket.tokens + max(0.0, now_s - bucket.at_s) / interval_s
        bucket = _Bucket(tokens=min(float(burst), refilled), at_s=now_s)
        # A hair below one whole token counts as one: the sum of refills is a float.
        if bucket.tokens < 1 - 1e-9:
            self._buckets[key] = bucket
            wait_s = max(1, math.ceil((1 - bucket.tokens) * interval_s))
            raise RefusalError("ratelimited", status=429, headers={"Retry-After": str(wait_s)})
        self._buckets[key] = replace(bucket, tokens=bucket.tokens - 1)
