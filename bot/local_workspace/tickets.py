"""Things an app may use only a few times and only for a while: trigger ids, response URLs, socket and upload tickets."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.local_workspace.configuration import Limits
from bot.local_workspace.wire import RefusalError

_TRIGGER_ID = re.compile(r"^\d+\.\d+\.[0-9a-f]{32}$")
_FORGOTTEN_AFTER_S = 3600.0


@dataclass(frozen=True)
class Trigger:
    """The right to open one view for the person who just did something. `view_id` is the modal it happened in."""

    person: str
    view_id: str | None
    expires_s: float
    used: bool = False


class TriggerIds:
    """Single-use trigger ids that live three seconds."""

    def __init__(self, now: Callable[[], float], limits: Limits) -> None:
        self._now = now
        self._life_s = limits.trigger_life_s
        self._triggers: dict[str, Trigger] = {}

    def issue(self, person: str, *, view_id: str | None = None) -> str:
        """A new trigger id for something this person did."""
        now_s = self._now()
        self._triggers = {k: t for k, t in self._triggers.items() if t.expires_s > now_s - _FORGOTTEN_AFTER_S}
        trigger_id = f"{secrets.randbelow(10**12)}.{secrets.randbelow(10**12)}.{secrets.token_hex(16)}"
        self._triggers[trigger_id] = Trigger(person, view_id, now_s + self._life_s)
        return trigger_id

    def exchange(self, trigger_id: str) -> Trigger:
        """Uses a trigger id up. Raises invalid_trigger_id, exchanged_trigger_id or expired_trigger_id."""
        trigger = self._triggers.get(trigger_id)
        if trigger is None or not _TRIGGER_ID.match(trigger_id):
            raise RefusalError("invalid_trigger_id")
        if trigger.used:
            raise RefusalError("exchanged_trigger_id")
        if self._now() > trigger.expires_s:
            raise RefusalError("expired_trigger_id")
        self._triggers[trigger_id] = replace(trigger, used=True)
        return trigger


@dataclass(frozen=True)
class ResponseUrl:
    """The right to answer where a person did something, five times within half an hour."""

    person: str
    channel: str
    message_ts: str | None
    thread_ts: str | None
    expires_s: float
    uses_left: int


class ResponseUrls:
    """Response URLs by their secret. They do not survive a restart of the workspace."""

    def __init__(self, now: Callable[[], float], limits: Limits) -> None:
        self._now = now
        self._limits = limits
        self._urls: dict[str, ResponseUrl] = {}

    def issue(self, person: str, channel: str, *, message_ts: str | None = None, thread_ts: str | None = None) -> str:
        """The secret of a new response URL; `message_ts` is the message that may be replaced or deleted by it."""
        now_s = self._now()
        self._urls = {k: u for k, u in self._urls.items() if u.expires_s > now_s - _FORGOTTEN_AFTER_S}
        secret = secrets.token_urlsafe(24)
        expires_s = now_s + self._limits.response_url_life_s
        self._urls[secret] = ResponseUrl(person, channel, message_ts, thread_ts, expires_s, self._limits.response_url_uses)
        return secret

    def look_up(self, secret: str) -> ResponseUrl:
        """A usable response URL, not yet used up. Raises used_url or expired_url (404), no_such_url when unknown."""
        url = self._urls.get(secret)
        if url is None:
            raise RefusalError("no_such_url", status=404)
        if self._now() > url.expires_s:
            raise RefusalError("expired_url", status=404)
        if url.uses_left == 0:
            raise RefusalError("used_url", status=404)
        return url

    def spend(self, secret: str) -> None:
        """Counts one use of a response URL that was looked up."""
        url = self._urls[secret]
        self._urls[secret] = replace(url, uses_left=url.uses_left - 1)


class OneTimeTickets:
    """Secrets that open one door once within `life_s` seconds; each stands for a value."""

    def __init__(self, now: Callable[[], float], *, life_s: float) -> None:
        self._now = now
        self._life_s = life_s
        self._tickets: dict[str, tuple[str, float]] = {}

    def issue(self, value: str) -> str:
        """A new ticket for `value`."""
        now_s = self._now()
        self._tickets = {k: t for k, t in self._tickets.items() if t[1] > now_s}
        ticket = secrets.token_urlsafe(24)
        self._tickets[ticket] = (value, now_s + self._life_s)
        return ticket

    def redeem(self, ticket: str) -> str | None:
        """The value behind a ticket, which is used up by this; None when it is unknown, used or too old."""
        value, expires_s = self._tickets.pop(ticket, ("", 0.0))
        return value if self._now() <= expires_s else None
