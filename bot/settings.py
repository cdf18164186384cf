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
WEB_TOKENS = ("SIGNALBOX_METRICS_TOKEN", "SIGNALBOX_HOOK_TOKEN", "SIGNALBOX_HOOK_SECRET")
LEAST_LETTERS = 16
USUAL_PORT = 3000
EVENTS_PATH = "/slack/events"
"""The request URL's path where Slack posts to the bot."""


class SlackSettings(BaseModel):
    """The ``slack:`` group. ``home_channel`` takes what no channel asked for: runs of schedules and of the terminal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home_channel: str | None = None
    call_timeout_s: int = Field(default=10, gt=0)
    edits_per_minute: int = Field(default=40, gt=0, le=45)
    """Progress edits of all cards together; Slack takes about 50 a minute, and changes of state need some of them."""


@dataclass(frozen=True, slots=True)
class WebTokens:
    """What callers of the web server have to know; never printed. ``metrics`` empty: anybody may read figures. Neither ``hook`` nor
    ``hook_secret``: nobody may post to hooks."""

    metrics: str = field(default="", repr=False)
    hook: str = field(default="", repr=False)
    hook_secret: str = field(default="", repr=False)


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


def web_port(settings: Settings, secrets: Tokens | None) -> int | None:
    """Where the bot's web server listens; None: there is none."""
    return settings.web.port or (USUAL_PORT if secrets is not None and secrets.signing_secret else None)


def web_tokens(environment: Mapping[str, str] = os.environ) -> WebTokens:
    """The tokens of the web server. ConfigurationError for one that could be guessed."""
    given = [environment.get(name, "").strip() for name in WEB_TOKENS]
    for name, token in zip(WEB_TOKENS, given, strict=True):
        if token and len(token) < LEAST_LETTERS:
            raise ConfigurationError(f"{name} has {len(token)} letters; it needs {LEAST_LETTERS}. `openssl rand -hex 32` makes one.")
    return WebTokens(*given)


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
