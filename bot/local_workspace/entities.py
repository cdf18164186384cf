"""What a workspace consists of: people, channels, messages and files."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.local_workspace.wire import Json

TEAM_ID = "T0LOCAL001"
APP_ID = "A0LOCAL001"
BOT_ID = "B0LOCAL001"
BOT_USER_ID = "U0LOCALBOT"
SLACKBOT_ID = "USLACKBOT"


@dataclass(frozen=True)
class Person:
    """A user of the workspace; the app's bot is one too."""

    id: str
    name: str
    real_name: str
    is_bot: bool = False


@dataclass(frozen=True)
class Channel:
    """A public channel (C…), or the direct messages between one person and the app (D…)."""

    id: str
    name: str
    created_s: int
    members: frozenset[str]
    topic: str = ""
    is_im: bool = False

    @property
    def kind(self) -> str:
        """Slack's channel_type: "im" or "channel"."""
        return "im" if self.is_im else "channel"


@dataclass(frozen=True)
class Message:
    """One message; `ts` is its id in its channel. With `visible_to` it is ephemeral: only that person sees it."""

    channel: str
    ts: str
    user: str
    text: str
    blocks: tuple[Json, ...] = ()
    attachments: tuple[Json, ...] = ()
    thread_ts: str | None = None
    subtype: str | None = None
    is_from_app: bool = False
    broadcast: bool = False
    metadata: Json | None = None
    file_ids: tuple[str, ...] = ()
    edited_ts: str | None = None
    visible_to: str | None = None
    reactions: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_reply(self) -> bool:
        """True for an answer in a thread, false for its parent and for messages outside threads."""
        return self.thread_ts is not None and self.thread_ts != self.ts


@dataclass(frozen=True)
class StoredFile:
    """A file from the request for its upload URL on; its bytes lie in the state folder once `uploaded_s` is set."""

    id: str
    name: str
    title: str
    size_bytes: int
    user: str
    created_s: float
    uploaded_s: float | None = None
    is_complete: bool = False
    alt_text: str = ""
    shares: tuple[tuple[str, str], ...] = ()
    """(channel, message ts) for every message that shows it."""


@dataclass(frozen=True)
class Note:
    """Who may see a change of the workspace, and the change itself, as the page receives it."""

    seq: int
    body: Json
    only_for: str | None = None
