"""Settings: one YAML file (SIGNALBOX_SETTINGS, else ``signalbox.yaml`` beside the state) and a few environment variables.

Every key is documented in ``deploy/settings.sample.yaml``; a test holds that file against these models.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator

from recipes.yaml_lines import parse_yaml, read_yaml
from runner.alerts.configuration import AlertSettings
from runner.queueing.policy import Policy


class Role(IntEnum):
    """What a person may do; each role may do what the ones below may."""

    STRANGER = 0
    VIEWER = 1
    """Look at everything."""
    MEMBER = 2
    """Submit runs; act on one's own."""
    OPERATOR = 3
    """Act on everybody's runs and on hosts; raw framework options; new presets."""
    ADMIN = 4
    """Grant roles; remove hosts and data."""


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Access(_Group):
    """Who may speak to Signalbox. Deny by default: nobody and no channel until listed.

    The roles list people (U…), user groups (S…) and channels (C…: whoever speaks there has it there).
    """

    workspace: str | None = None
    channels: tuple[str, ...] = ()
    viewers: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    admins: tuple[str, ...] = ()

    @property
    def listed(self) -> Mapping[str, Role]:
        """The highest role that the settings give each id: of a person, a user group or a channel."""
        lists = ((Role.VIEWER, self.viewers), (Role.MEMBER, self.members), (Role.OPERATOR, self.operators), (Role.ADMIN, self.admins))
        return {each: role for role, ids in lists for each in ids}

    def role_of(self, *ids: str) -> Role:
        """The highest role that the settings give any of these."""
        return max((self.listed.get(each, Role.STRANGER) for each in ids), default=Role.STRANGER)


class Limits(_Group):
    """How long and how much."""

    stop_grace_s: float = Field(default=30.0, ge=0)
    heartbeat_timeout_s: float = Field(default=15.0, gt=0)
    retry_delay_s: float = Field(default=60.0, ge=0)
    local_slots: int = Field(default=2, gt=0)
    upload_bytes: int = Field(default=20_000_000_000, gt=0)
    result_bytes: int = Field(default=2_000_000_000, gt=0)
    result_days: float = Field(default=30.0, gt=0)


class Imports(_Group):
    """What ``data add`` with a URL or a host's folder may cost, and where a URL may lead."""

    size_bytes: int = Field(default=200_000_000_000, gt=0)
    timeout_s: float = Field(default=21_600.0, gt=0)
    private_addresses: bool = False


class Web(_Group):
    """The bot's web server, behind whatever ends TLS: signs of life, figures, hooks, and what Slack posts.

    ``port`` None: there is no server, but where Slack posts (with a signing secret), and then it is 3000.
    """

    address: str = "127.0.0.1"
    port: int | None = Field(default=None, ge=1, le=65535)


class Heartbeat(_Group):
    """Who is called while all is well: ``url`` by the bot, once a minute. The runner calls ``fail_url`` while the bot is silent."""

    url: str | None = None
    fail_url: str | None = None

    @field_validator("url", "fail_url")
    @classmethod
    def _for_the_web(cls, url: str | None) -> str | None:
        if url is not None and not (url.startswith(("http://", "https://")) and urlsplit(url).hostname):
            raise ValueError("it must begin with https:// or http://, with a host behind it")
        return url


class Settings(_Group):
    """Everything that can be set. ``slack`` is the face's own group (bot.settings)."""

    state_folder: Path = Path("~/.local/share/signalbox")
    zone: str = "UTC"
    access: Access = Access()
    limits: Limits = Limits()
    imports: Imports = Imports()
    queue: Policy = Policy()
    alerts: AlertSettings = AlertSettings()
    web: Web = Web()
    heartbeat: Heartbeat = Heartbeat()
    extensions: tuple[Path, ...] = ()
    slack: dict[str, object] = Field(default_factory=dict)

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        if name not in available_timezones():
            raise ValueError(f"{name!r} is no time zone; names look like Europe/Berlin")
        return name

    @property
    def state(self) -> Path:
        """The folder of everything Signalbox keeps on this machine."""
        return self.state_folder.expanduser().absolute()

    @property
    def database(self) -> Path:
        """The one SQLite file."""
        return self.state / "signalbox.db"

    @property
    def catalog(self) -> Path:
        """Datasets, content-addressed."""
        return self.state / "datasets"

    @property
    def inbox(self) -> Path:
        """Uploads on their way to becoming datasets."""
        return self.state / "inbox"

    @property
    def logs(self) -> Path:
        """Copies of the logs of attempts, as far as they were read."""
        return self.state / "logs"

    @property
    def results(self) -> Path:
        """What runs made and people get, a folder for each run."""
        return self.state / "results"

    @property
    def time_zone(self) -> ZoneInfo:
        """The zone in which people without one of their own see times."""
        return ZoneInfo(self.zone)


def settings_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the settings file is looked for."""
    state = environment.get("SIGNALBOX_STATE", "~/.local/share/signalbox")
    return Path(environment.get("SIGNALBOX_SETTINGS", f"{state}/signalbox.yaml")).expanduser()


def is_private(settings: Settings, path: Path) -> bool:
    """Whether a path of this machine is, lies in or holds the state folder or the settings file, or lies in a folder of ssh keys: what
    people name must not carry tokens."""
    named = path.expanduser().resolve()
    ours = (settings.state.resolve(), settings_path().resolve())
    return ".ssh" in named.parts or any(own == named or own in named.parents or named in own.parents for own in ours)


def load_settings(path: Path | None = None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings; recipes.errors.DocumentError names file, line and key of anything wrong. A missing default file means defaults."""
    chosen = path or settings_path(environment)
    required = path is not None or "SIGNALBOX_SETTINGS" in environment
    document = read_yaml(chosen) if required or chosen.exists() else parse_yaml("{}", file=str(chosen))
    settings = document.parse_part(Settings, document.data or {})
    if "SIGNALBOX_STATE" in environment:
        settings = settings.model_copy(update={"state_folder": Path(environment["SIGNALBOX_STATE"])})
    return settings
