"""How long Slack waits for its acks; kept in this process, and read from it as a histogram."""

from __future__ import annotations

from prometheus_client import Histogram
from slack_bolt import App, BoltRequest, BoltResponse

ACKS = Histogram(
    "signalbox_ack_seconds", "How long Slack waited until something it said was acknowledged; after 3 s it gives up.",
    buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3), registry=None,
)


def time_acks(app: App) -> None:
    """Time whatever comes in from now on, by whichever way. Bolt's middleware does not enclose its listeners, so nothing further in can."""
    untimed = app.dispatch

    def timed(req: BoltRequest) -> BoltResponse:
        with ACKS.time():
            return untimed(req)

    app.dispatch = timed  # type: ignore[method-assign]
