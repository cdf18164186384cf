"""The events an app is told: which it asked for, which it may see, and their shapes.

An event goes out when the manifest subscribes to it, its scope was granted and the app is a member of the channel.
Simplified: what people type arrives as text alone, without the rich_text blocks that Slack's own client adds.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from bot.local_workspace.configuration import AppConfiguration
from bot.local_workspace.entities import APP_ID, BOT_USER_ID, TEAM_ID, Channel, Message, StoredFile
from bot.local_workspace.identifiers import fresh_id
from bot.local_workspace.wire import Json

SCOPE_OF_EVENT = {
    "app_home_opened": None,
    "app_mention": "app_mentions:read",
    "file_shared": "files:read",
    "member_joined_channel": "channels:read",
    "message.channels": "channels:history",
    "message.im": "im:history",
}


class Events:
    """Turns what happened into event_callback payloads and hands those the app may have to `send`."""

    def __init__(self, app: AppConfiguration, *, send: Callable[[Json], None], now: Callable[[], float]) -> None:
        self._app = app
        self._send = send
        self._now = now
        self._verification_token = secrets.token_hex(12)

    def message(self, channel: Channel, message: Message, shown: Json) -> None:
        """A new message: message.channels or message.im, and app_mention when it names the bot in a channel."""
        event = shown | {"channel": channel.id, "event_ts": message.ts}
        self._emit_message(channel, event)
        names_the_bot = f"<@{BOT_USER_ID}>" in message.text or f"<@{BOT_USER_ID}|" in message.text
        if names_the_bot and not message.is_from_app and not channel.is_im:
            mention = {key: value for key, value in event.items() if key not in ("subtype", "upload", "display_as_bot")}
            self._emit("app_mention", channel, mention | {"type": "app_mention"})

    def message_changed(self, channel: Channel, shown: Json, previous: Json, *, at: str) -> None:
        """An edited message."""
        self._emit_message(channel, {
            "type": "message", "subtype": "message_changed", "message": shown, "previous_message": previous,
            "channel": channel.id, "hidden": True, "ts": at, "event_ts": at,
        })  # fmt: skip

    def message_deleted(self, channel: Channel, previous: Json, *, at: str) -> None:
        """A deleted message."""
        self._emit_message(channel, {
            "type": "message", "subtype": "message_deleted", "deleted_ts": previous["ts"], "previous_message": previous,
            "channel": channel.id, "hidden": True, "ts": at, "event_ts": at,
        })  # fmt: skip

    def file_shared(self, channel: Channel, file: StoredFile, *, at: str) -> None:
        """A file shown in a channel."""
        self._emit("file_shared", channel, {
            "type": "file_shared", "file_id": file.id, "file": {"id": file.id}, "user_id": file.user,
            "channel_id": channel.id, "event_ts": at,
        })  # fmt: skip

    def member_joined(self, channel: Channel, person_id: str, *, inviter: str | None, at: str) -> None:
        """Somebody, perhaps the app itself, joined a channel."""
        event: Json = {
            "type": "member_joined_channel", "user": person_id, "channel": channel.id, "channel_type": "C",
            "team": TEAM_ID, "event_ts": at,
        }  # fmt: skip
        self._emit("member_joined_channel", channel, event | ({"inviter": inviter} if inviter else {}))

    def home_opened(self, channel: Channel, person_id: str, view: Json | None, *, at: str) -> None:
        """A person opened the app's Home tab; `view` is what it shows so far."""
        event: Json = {
            "type": "app_home_opened", "user": person_id, "channel": channel.id, "tab": "home", "event_ts": at,
        }  # fmt: skip
        self._emit("app_home_opened", channel, event | ({"view": view} if view else {}))

    @property
    def verification_token(self) -> str:
        """The old `token` field of every payload. Apps must not rely on it."""
        return self._verification_token

    def _emit_message(self, channel: Channel, event: Json) -> None:
        self._emit("message.im" if channel.is_im else "message.channels", channel, event | {"channel_type": channel.kind})

    def _emit(self, name: str, channel: Channel, event: Json) -> None:
        scope = SCOPE_OF_EVENT[name]
        may_see = scope is None or scope in self._app.scopes
        if name in self._app.bot_events and may_see and BOT_USER_ID in channel.members:
            self._send(self._callback(event))

    def _callback(self, event: Json) -> Json:
        authorization = {
            "enterprise_id": None, "team_id": TEAM_ID, "user_id": BOT_USER_ID, "is_bot": True,
            "is_enterprise_install": False,
        }  # fmt: skip
        return {
            "token": self._verification_token, "team_id": TEAM_ID, "context_team_id": TEAM_ID,
            "context_enterprise_id": None, "api_app_id": APP_ID, "event": event, "type": "event_callback",
            "event_id": fresh_id("Ev"), "event_time": int(self._now()), "authorizations": [authorization],
            "is_ext_shared_channel": False, "event_context": secrets.token_urlsafe(16),
        }  # fmt: skip
