"""How fast Signalbox speaks: what Slack asked for (Retry-After), and what it keeps to unasked. Never sleeps; says how long to wait."""

from __future__ import annotations

from collections.abc import Callable

POST_INTERVAL_S = 1.0
MIN_EDIT_INTERVAL_S = 2.0
_EDIT_BURST = 5
_FIRST_BACKOFF_S = 1.0
_LONGEST_BACKOFF_S = 60.0


class Holds:
    """Until when not to do what: keys are (channel, method), on a monotonic clock that is given."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: dict[tuple[str, str], float] = {}
        self._failures: dict[tuple[str, str], int] = {}

    def held(self, channel: str, method: str) -> bool:
        """Whether it is too early."""
        return self._until.get((channel, method), 0.0) > self._clock()

    def hold(self, channel: str, method: str, seconds: float) -> None:
        """Wait at least so long."""
        key = (channel, method)
        self._until[key] = max(self._until.get(key, 0.0), self._clock() + seconds)

    def back_off(self, channel: str, method: str) -> float:
        """Wait twice as long as after the last failure; returns the seconds."""
        failures = self._failures.get((channel, method), 0)
        self._failures[(channel, method)] = failures + 1
        seconds = min(_FIRST_BACKOFF_S * 2.0**failures, _LONGEST_BACKOFF_S)
        self.hold(channel, method, seconds)
        return seconds

    def succeeded(self, channel: str, method: str) -> None:
        """Start over with short waits."""
        self._failures.pop((channel, method), None)


class EditBudget:
    """One bucket of edits for all cards. Changes of state may overdraw it: they are few and must be seen."""

    def __init__(self, clock: Callable[[], float], *, per_minute: int) -> None:
        self._clock = clock
        self._per_s = per_minute / 60.0
        self._tokens = float(_EDIT_BURST)
        self._at = clock()

    def offers(self, *, urgent: bool) -> bool:
        """Whether an edit may be made now."""
        now = self._clock()
        self._tokens = min(float(_EDIT_BURST), self._tokens + (now - self._at) * self._per_s)
        self._at = now
        return urgent or self._tokens >= 1.0

    def take(self) -> None:
        """Count one edit."""
        self._tokens = max(self._tokens - 1.0, -float(_EDIT_BURST))

    def interval_s(self, running: int) -> float:
        """How long one card waits between two edits of its progress while ``running`` runs share the bucket."""
        return max(MIN_EDIT_INTERVAL_S, running / self._per_s)
