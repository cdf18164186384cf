"""Ids as Slack makes them: a letter and ten capitals or digits, timestamps that never repeat, and secrets."""

from __future__ import annotations

import secrets
from collections.abc import Callable

_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ0123456789"


def fresh_id(letter: str) -> str:
    """A new id such as F07ABCDEF12; `letter` says of what."""
    return letter + "0" + "".join(secrets.choice(_ALPHABET) for _ in range(9))


def short_id() -> str:
    """A new id for a block or an action that its author did not name."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(5))


class Timestamps:
    """Makes `ts` values: seconds with six digits, each later than all before, even when the clock stands still."""

    def __init__(self, now: Callable[[], float], *, last: str = "0") -> None:
        self._now = now
        self._last_us = round(float(last) * 1_000_000)

    def next(self) -> str:
        """The next ts, unique in the workspace."""
        self._last_us = max(self._last_us + 1, int(self._now() * 1_000_000))
        return f"{self._last_us // 1_000_000}.{self._last_us % 1_000_000:06d}"
