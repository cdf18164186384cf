"""The face's own settings: the ``slack:`` group of the settings file, and the tokens, which come from the environment alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runner.errors import ConfigurationError
from runner.settings import Settings

SLACK_API_URL = "https://slack.com/api/"
BOT_TOKEN, APP_TOKEN, SIGNING_SECRET = "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"
EVENTS_PATH = "/slack/events"
"""The request URL's path where Slack posts to the bot."""


class Http(BaseModel):
    """Where the bot listens for what Slack posts, behind whatever ends TLS; only with a signing secret instead of an app token."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str = "127.0.0.1"
    port: int = Field(default=3000, ge=1, le=65535)


class SlackSettings(BaseModel):
    """The ``slack:`` group. ``home_channel`` takes what no channel asked for: runs of schedules and of the terminal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home_channel: str | None = None
    call_timeout_s: int = Field(default=10, gt=0)
    edits_per_minute: int = Field(default=40, gt=0, le=45)
    """Progress edits of all cards together; Slack takes about 50 a minute, and changes of state need some of them."""
    http: Http = Http()


@dataclass(frozen=True, slots=True)
class Tokens:
    """How Slack knows the app, and we Slack. Never printed: ``repr`` leaves them out.

    With ``app`` the bot opens a socket to Slack (Socket Mode); with ``signing_secret`` instead, Slack posts to the bot (HTTP).
    """

    bot: str = field(repr=False)
    app: str = field(repr=False)
    api_url: str = SLACK_API_URL
    signing_secret: str = field(default="", repr=False)


def slack_settings(settings: Settings) -> SlackSettings:
    """The ``slack:`` group; ConfigurationError names the key that is wrong."""
    try:
        return SlackSettings.model_validate(settings.slack)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(("slack", *(str(part) for part in first["loc"])))
        raise ConfigurationError(f"The setting {key} is wrong: {first['msg']}. deploy/settings.sample.yaml shows every key.") from error


def tokens(environment: Mapping[str, str] = os.environ) -> Tokens | None:
    """The tokens; None where none is set, which turns chat off.

    ConfigurationError says which is missing, mixed up or one too many, and where it comes from.
    """
    given = {name: environment.get(name, "").strip() for name in (BOT_TOKEN, APP_TOKEN, SIGNING_SECRET)}
    if not any(given.values()):
        return None
    bot = _token(environment, BOT_TOKEN, "xoxb-", "OAuth & Permissions → Bot User OAuth Token")
    url = environment.get("SLACK_API_URL") or SLACK_API_URL
    url = url if url.endswith("/") else url + "/"
    if given[SIGNING_SECRET] and given[APP_TOKEN]:
        raise ConfigurationError(f"{APP_TOKEN} means Socket Mode and {SIGNING_SECRET} means HTTP; both are set. Leave one out.")
    if given[SIGNING_SECRET]:
        return Tokens(bot, "", url, given[SIGNING_SECRET])
    return Tokens(bot, _token(environment, APP_TOKEN, "xapp-", "Basic Information → App-Level Tokens, with connections:write"), url)


def _token(environment: Mapping[str, str], name: str, start: str, where: str) -> str:
    token = environment.get(name, "").strip()
    if not token:
        raise ConfigurationError(f"{name} is not set. It is found on the app's page at api.slack.com under {where}.")
    if not token.startswith(start):
        raise ConfigurationError(f"{name} must start with {start}; the one given does not. It is found under {where}.")
    return token
