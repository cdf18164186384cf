"""The face's own settings: the ``slack:`` group of the settings file, and the tokens, which come from the environment alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runner.errors import ConfigurationError
from runner.settings import Settings

SLACK_API_URL = "https://slack.com/api/"
BOT_TOKEN, APP_TOKEN = "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"


class SlackSettings(BaseModel):
    """The ``slack:`` group. ``home_channel`` takes what no channel asked for: runs of schedules and of the terminal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home_channel: str | None = None
    call_timeout_s: int = Field(default=10, gt=0)
    edits_per_minute: int = Field(default=40, gt=0, le=45)
    """Progress edits of all cards together; Slack takes about 50 a minute, and changes of state need some of them."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """How Slack knows the app. Never printed: ``repr`` leaves them out."""

    bot: str = field(repr=False)
    app: str = field(repr=False)
    api_url: str = SLACK_API_URL


def slack_settings(settings: Settings) -> SlackSettings:
    """The ``slack:`` group; ConfigurationError names the key that is wrong."""
    try:
        return SlackSettings.model_validate(settings.slack)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(("slack", *(str(part) for part in first["loc"])))
        raise ConfigurationError(f"The setting {key} is wrong: {first['msg']}. deploy/settings.sample.yaml shows every key.") from error


def tokens(environment: Mapping[str, str] = os.environ) -> Tokens | None:
    """The tokens; None where neither is set, which turns chat off.

    ConfigurationError says which of the two is missing or mixed up, and where it comes from.
    """
    if not any(environment.get(name, "").strip() for name in (BOT_TOKEN, APP_TOKEN)):
        return None
    bot = _token(environment, BOT_TOKEN, "xoxb-", "OAuth & Permissions → Bot User OAuth Token")
    app = _token(environment, APP_TOKEN, "xapp-", "Basic Information → App-Level Tokens, with connections:write")
    url = environment.get("SLACK_API_URL") or SLACK_API_URL
    return Tokens(bot, app, url if url.endswith("/") else url + "/")


def _token(environment: Mapping[str, str], name: str, start: str, where: str) -> str:
    token = environment.get(name, "").strip()
    if not token:
        raise ConfigurationError(f"{name} is not set. It is found on the app's page at api.slack.com under {where}.")
    if not token.startswith(start):
        raise ConfigurationError(f"{name} must start with {start}; the one given does not. It is found under {where}.")
    return token
