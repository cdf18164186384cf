"""Looking for a message that may or may not have been posted: its delivery's id travels in its metadata, or in its files' names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.calls import Done, Outcome, Refused, Slack
from runner.entities import Place

EVENT_TYPE = "signalbox_delivery"
_CLOCKS_APART = timedelta(minutes=10)
"""How far this machine's clock may be ahead of Slack's."""
_PAGE = 200
_PAGES = 25


def metadata(delivery_id: str) -> Mapping[str, object]:
    """What a message carries so that it can be found again."""
    return {"event_type": EVENT_TYPE, "event_payload": {"id": delivery_id}}


def find(slack: Slack, delivery_id: str, place: Place, *, since: datetime, files: Sequence[str] = ()) -> str | Outcome | None:
    """The ts of the message with that id, or with one of these files; None when it is certainly not there.

    Else the outcome that kept us from looking.
    """
    cursor: str | None = None
    for _ in range(_PAGES):
        answer = _page(slack, place, oldest=f"{(since - _CLOCKS_APART).timestamp():.6f}", cursor=cursor)
        if isinstance(answer, Refused) and answer.error in ("thread_not_found", "message_not_found"):
            return None
        if not isinstance(answer, Done):
            return answer
        for message in answer.data.get("messages") or ():
            if _carries(message, delivery_id) or _shares(message, files):
                return str(message["ts"])
        following = answer.data.get("response_metadata")
        cursor = following.get("next_cursor") if isinstance(following, dict) else None
        if not cursor:
            return None
    return None  # further back than anything that was sent since the delivery was owed


def _page(slack: Slack, place: Place, *, oldest: str, cursor: str | None) -> Outcome:
    span = {"channel": place.channel, "oldest": oldest, "limit": _PAGE, "include_all_metadata": True, "cursor": cursor}
    if place.thread:
        return slack.call("conversations.replies", ts=place.thread, **span)
    return slack.call("conversations.history", **span)


def _carries(message: Any, delivery_id: str) -> bool:
    carried = message.get("metadata") if isinstance(message, dict) else None
    if not isinstance(carried, dict) or carried.get("event_type") != EVENT_TYPE:
        return False
    payload = carried.get("event_payload")
    return isinstance(payload, dict) and payload.get("id") == delivery_id


def _shares(message: Any, names: Sequence[str]) -> bool:
    shared = message.get("files") if isinstance(message, dict) else None
    return isinstance(shared, list) and any(isinstance(file, dict) and file.get("name") in names for file in shared)
