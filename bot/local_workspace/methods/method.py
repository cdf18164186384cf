"""What a method declares, what its handler receives, and the arguments' types."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from bot.local_workspace.entities import BOT_USER_ID, Channel
from bot.local_workspace.modals import Modals
from bot.local_workspace.rate_limits import RateLimits, Tier
from bot.local_workspace.tickets import OneTimeTickets
from bot.local_workspace.wire import Json, RefusalError
from bot.local_workspace.workspace import Workspace

T = TypeVar("T")

# An argument's name says its type everywhere in Slack's API; all others are text.
_JSON_ARGUMENTS = {"attachments", "blocks", "files", "metadata", "view"}
_FLAGS = {
    "as_user", "exclude_archived", "include_all_metadata", "include_locale", "include_num_members", "inclusive",
    "link_names", "mrkdwn", "prevent_creation", "reply_broadcast", "return_im", "unfurl_links", "unfurl_media",
}  # fmt: skip
_NUMBERS = {"count", "length", "limit", "page"}


class TokenKind(Enum):
    """Whose token a method takes: the bot's (xoxb-), the app's (xapp-), or none."""

    BOT = "bot"
    APP = "app"
    NONE = "none"


@dataclass(frozen=True)
class Services:
    """What handlers work with."""

    workspace: Workspace
    modals: Modals
    rate_limits: RateLimits
    socket_tickets: OneTimeTickets
    upload_tickets: OneTimeTickets
    socket_url: Callable[[str], str]


@dataclass(frozen=True)
class Call:
    """One call that passed the table's checks; `arguments` are parsed (JSON, flags and numbers are no longer text)."""

    services: Services
    arguments: Json

    @property
    def workspace(self) -> Workspace:
        """The workspace that is called."""
        return self.services.workspace

    def text(self, name: str) -> str:
        """A text argument; "" when it was not given."""
        return str(self.arguments.get(name, ""))

    def optional(self, name: str) -> str | None:
        """A text argument; None when it was not given or is empty."""
        return self.text(name) or None

    def flag(self, name: str) -> bool:
        """A flag; false when it was not given."""
        return bool(self.arguments.get(name, False))

    def require_scope(self, *any_of: str) -> None:
        """Raises missing_scope unless the app was granted one of these."""
        granted = self.workspace.configuration.app.scopes
        if any_of and not set(any_of) & set(granted):
            raise RefusalError("missing_scope", fields={"needed": ",".join(any_of), "provided": ",".join(granted)})

    def channel(self, name: str = "channel") -> Channel:
        """The channel an argument names. Raises channel_not_found, also for other people's direct messages."""
        channel = self.workspace.channel(self.text(name))
        if channel.is_im and BOT_USER_ID not in channel.members:
            raise RefusalError("channel_not_found")
        return channel

    def channel_as_member(self, name: str = "channel") -> Channel:
        """Like `channel`. Raises not_in_channel unless the app is a member."""
        channel = self.channel(name)
        if BOT_USER_ID not in channel.members:
            raise RefusalError("not_in_channel")
        return channel

    def page(self, items: Sequence[T], *, default: int = 100, highest: int = 1000) -> tuple[list[T], Json]:
        """(one page of `items`, response_metadata) as `limit` and `cursor` ask. Raises invalid_limit, invalid_cursor."""
        limit = int(self.arguments.get("limit", default)) or default
        if not 1 <= limit <= highest:
            raise RefusalError("invalid_limit")
        start = _cursor_position(self.text("cursor"))
        rest = start + limit
        cursor = base64.b64encode(f"next:{rest}".encode()).decode() if rest < len(items) else ""
        return list(items[start:rest]), {"next_cursor": cursor}


def _cursor_position(cursor: str) -> int:
    if not cursor:
        return 0
    try:
        word, position = base64.b64decode(cursor, validate=True).decode().split(":")
        if word != "next" or int(position) < 0:
            raise RefusalError("invalid_cursor")
        return int(position)
    except (binascii.Error, ValueError) as error:
        raise RefusalError("invalid_cursor") from error


@dataclass(frozen=True)
class Method:
    """One row of the table. `scopes`: one of them is needed. Arguments not named here are refused."""

    handler: Callable[[Call], Json]
    scopes: tuple[str, ...] = ()
    required: str = ""
    optional: str = ""
    token: TokenKind = TokenKind.BOT
    tier: Tier = Tier.THREE

    def parse(self, raw: Json) -> Json:
        """The arguments with their types. Raises invalid_arguments, naming each that is missing, unknown or malformed."""
        required, optional = self.required.split(), self.optional.split()
        problems = [f"[ERROR] missing required field: {name}" for name in required if raw.get(name) in (None, "")]
        problems += [f"[ERROR] unknown argument: {name}" for name in raw if name not in (*required, *optional)]
        parsed: Json = {}
        for name, value in raw.items():
            try:
                parsed[name] = _typed(name, value)
            except _WrongTypeError as error:
                problems.append(f"[ERROR] {name} {error}")
        if problems:
            raise RefusalError("invalid_arguments", *problems)
        return parsed


class _WrongTypeError(Exception):
    """An argument is not of the type its name implies."""


def _typed(name: str, value: Any) -> Any:
    if name in _JSON_ARGUMENTS:
        return _json_argument(value)
    if name in _FLAGS:
        return _flag(value)
    if name in _NUMBERS:
        return _number(value)
    if not isinstance(value, str):
        raise _WrongTypeError("must be text")
    return value


def _json_argument(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value else None
    except (ValueError, RecursionError):
        return value  # the handler refuses it with the error of its field (invalid_blocks_format, …)


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() not in ("0", "1", "true", "false"):
        raise _WrongTypeError("must be true or false")
    return str(value).lower() in ("1", "true")


def _number(value: Any) -> int:
    if isinstance(value, bool) or not str(value).lstrip("-").isdigit():
        raise _WrongTypeError("must be a whole number")
    return int(value)
