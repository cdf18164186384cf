"""How the workspace is set up: the one app installed in it, its people and channels, and Slack's times and limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

DEFAULT_SCOPES = (
    "app_mentions:read",
    "channels:history",
    "channels:join",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "files:write",
    "im:history",
    "im:read",
    "im:write",
    "reactions:write",
    "team:read",
    "users:read",
)
DEFAULT_BOT_EVENTS = (
    "app_home_opened",
    "app_mention",
    "file_shared",
    "member_joined_channel",
    "message.channels",
    "message.im",
)


class ManifestError(Exception):
    """A manifest cannot be read as one; the message names file and key."""


@dataclass(frozen=True)
class SlashCommand:
    """A command declared by the app; with `should_escape`, @names and #channels in its text become ids."""

    command: str
    description: str = ""
    usage_hint: str = ""
    should_escape: bool = False


@dataclass(frozen=True)
class Shortcut:
    """A shortcut declared by the app; `kind` is "message" or "global"."""

    name: str
    callback_id: str
    kind: str = "message"


@dataclass(frozen=True)
class AppConfiguration:
    """The app as its manifest declares it. What is not declared here is refused or never sent, as in Slack."""

    name: str = "Signalbox"
    bot_name: str = "signalbox"
    scopes: tuple[str, ...] = DEFAULT_SCOPES
    bot_events: tuple[str, ...] = DEFAULT_BOT_EVENTS
    slash_commands: tuple[SlashCommand, ...] = (SlashCommand("/train", "Train, watch and resume", "help"),)
    shortcuts: tuple[Shortcut, ...] = (Shortcut("Import as dataset", "import_dataset"),)
    home_tab: bool = True
    interactivity: bool = True

    @classmethod
    def from_manifest(cls, path: Path) -> AppConfiguration:
        """The app that a Slack app manifest (YAML) declares. Raises ManifestError naming file and key."""
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise ManifestError(f"{path}: a manifest is a mapping with display_information, features, oauth_config, settings.")
        features, settings = _section(path, document, "features"), _section(path, document, "settings")
        name = _section(path, document, "display_information").get("name")
        scopes = _section(path, _section(path, document, "oauth_config"), "scopes").get("bot")
        if not isinstance(name, str) or not isinstance(scopes, list):
            raise ManifestError(f"{path}: display_information.name (text) and oauth_config.scopes.bot (list) are required.")
        return cls(
            name=name,
            bot_name=str(_section(path, features, "bot_user").get("display_name", name)),
            scopes=tuple(str(scope) for scope in scopes),
            bot_events=tuple(_section(path, settings, "event_subscriptions").get("bot_events", ())),
            slash_commands=tuple(_slash_command(entry) for entry in features.get("slash_commands", ())),
            shortcuts=tuple(Shortcut(s["name"], s["callback_id"], s["type"]) for s in features.get("shortcuts", ())),
            home_tab=bool(_section(path, features, "app_home").get("home_tab_enabled", False)),
            interactivity=bool(_section(path, settings, "interactivity").get("is_enabled", False)),
        )


def _section(path: Path, mapping: dict[str, Any], key: str) -> dict[str, Any]:
    section = mapping.get(key, {})
    if not isinstance(section, dict):
        raise ManifestError(f"{path}: {key} must be a mapping.")
    return section


def _slash_command(entry: dict[str, Any]) -> SlashCommand:
    return SlashCommand(
        command=str(entry["command"]),
        description=str(entry.get("description", "")),
        usage_hint=str(entry.get("usage_hint", "")),
        should_escape=bool(entry.get("should_escape", False)),
    )


@dataclass(frozen=True)
class Limits:
    """Slack's times and limits. The defaults are Slack's; tests and slow demonstrations may change them."""

    ack_s: float = 3.0
    event_retry_delays_s: tuple[float, ...] = (0.0, 60.0, 300.0)
    trigger_life_s: float = 3.0
    response_url_life_s: float = 30 * 60.0
    response_url_uses: int = 5
    socket_ticket_life_s: float = 30.0
    socket_closes_after_s: float = 10.0
    """How long a socket told to reconnect still answers."""
    file_processing_s: float = 0.5
    """How long a fresh upload cannot be used in blocks yet."""
    file_size_bytes: int = 1_000_000_000
    message_interval_s: float = 1.0
    message_burst: int = 3
    ping_interval_s: float = 5.0


@dataclass(frozen=True)
class PersonSeed:
    """Somebody who is there from the start."""

    name: str
    real_name: str


@dataclass(frozen=True)
class ChannelSeed:
    """A public channel that is there from the start; every person is a member, the app where `app_is_member`."""

    name: str
    topic: str = ""
    app_is_member: bool = True


@dataclass(frozen=True)
class WorkspaceConfiguration:
    """Everything a workspace starts with. Seeds apply once, to an empty state folder."""

    team_name: str = "Local workspace"
    team_domain: str = "local"
    app: AppConfiguration = field(default_factory=AppConfiguration)
    limits: Limits = field(default_factory=Limits)
    people: tuple[PersonSeed, ...] = (
        PersonSeed("ada", "Ada Okafor"),
        PersonSeed("ben", "Ben Lindqvist"),
        PersonSeed("chen", "Chen Wei"),
    )
    channels: tuple[ChannelSeed, ...] = (
        ChannelSeed("training", "Runs, results and alerts"),
        ChannelSeed("general", "Everybody", app_is_member=False),
    )
    request_url: str | None = None
    """Where everything is posted, signed, instead of being sent through the app's sockets."""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The names of the members of each user group, by its id (S…)."""
