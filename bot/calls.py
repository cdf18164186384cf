"""One call to Slack: always with a deadline, never repeated here. What came of it is a value, so that callers must look."""

from __future__ import annotations

import http.client
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any
from urllib.request import Request, urlopen

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.webhook import WebhookClient

from bot.settings import SlackSettings, Tokens

_JSON_METHODS = frozenset({"chat.postMessage", "chat.update", "chat.postEphemeral"})
_PASSING_ERRORS = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"})
_RETRY_AFTER_S = 30.0
_NETWORK_ERRORS = (OSError, http.client.HTTPException, SlackClientError, ValueError)


@dataclass(frozen=True, slots=True)
class Done:
    """Slack did it."""

    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refused:
    """Slack did not, and never will, for a reason in its own word."""

    error: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.error} ({self.detail})" if self.detail else self.error


@dataclass(frozen=True, slots=True)
class TooFast:
    """Slack did not do it, and asks for patience."""

    retry_after_s: float


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows whether Slack did it: no answer in time, a dropped connection, a fault on its side."""

    cause: str


Outcome = Done | Refused | TooFast | Unknown


def web_client(tokens: Tokens, settings: SlackSettings, *, token: str | None = None) -> WebClient:
    """A client with a deadline and without slack_sdk's retry handlers: those repeat a post that may have arrived, or sleep."""
    return WebClient(token=token or tokens.bot, base_url=tokens.api_url, timeout=settings.call_timeout_s, retry_handlers=[])


class Slack:
    """Slack's Web API, one call at a time."""

    def __init__(self, client: WebClient) -> None:
        self._client = client

    def call(self, method: str, **arguments: object) -> Outcome:
        """Call a method; arguments that are None are left out."""
        given = {name: value for name, value in arguments.items() if value is not None}
        try:
            if method in _JSON_METHODS:
                return _answered(self._client.api_call(method, json=given).data)
            return _answered(self._client.api_call(method, params={name: _as_text(value) for name, value in given.items()}).data)
        except SlackApiError as error:
            return _refused(error)
        except _NETWORK_ERRORS as error:
            return Unknown(f"{method}: {error}")

    def respond(self, url: str, **shown: object) -> Outcome:
        """Replace the message that was clicked, by the address that came with the click: it holds for 30 minutes and five times."""
        if not url.startswith(("http://", "https://")):
            return Refused("invalid_response_url")
        try:
            answered = WebhookClient(url, timeout=self._client.timeout, retry_handlers=[]).send_dict({"replace_original": True, **shown})
        except _NETWORK_ERRORS as error:
            return Unknown(f"response_url: {error}")
        if answered.status_code == 429:
            return TooFast(_seconds(answered.headers.get("Retry-After")))
        if answered.status_code >= 500:
            return Unknown(f"response_url: HTTP {answered.status_code}")
        return Done({}) if answered.status_code == 200 else Refused(answered.body[:100])

    def put_file(self, url: str, data: bytes | IO[bytes], *, size_bytes: int | None = None) -> Outcome:
        """Send a file's bytes to an upload address that Slack gave; an open file with its size is never read whole."""
        if not url.startswith(("http://", "https://")):
            return Refused("invalid_upload_url")
        length = {} if size_bytes is None else {"Content-Length": str(size_bytes)}
        headers = {"Content-Type": "application/octet-stream", **length}
        request = Request(url, data=data, headers=headers)  # noqa: S310 - checked above
        try:
            with urlopen(request, timeout=self._client.timeout) as response:  # noqa: S310
                response.read()
            return Done({})
        except _NETWORK_ERRORS as error:
            return Unknown(f"upload: {error}")


def _answered(data: object) -> Outcome:
    return Done(data) if isinstance(data, dict) else Unknown("the answer was no JSON object")


def _refused(error: SlackApiError) -> Outcome:
    response = error.response
    if response.status_code == 429:
        return TooFast(_seconds(response.headers.get("Retry-After")))
    data: dict[str, Any] = response.data if isinstance(response.data, dict) else {}
    word = str(data.get("error", ""))
    if response.status_code >= 500 or word in _PASSING_ERRORS or not word or " " in word:  # a sentence: somebody's HTML, not Slack
        return Unknown(word or f"HTTP {response.status_code}")
    metadata = data.get("response_metadata")
    messages = metadata.get("messages", ()) if isinstance(metadata, dict) else ()
    return Refused(word, "; ".join(str(message) for message in messages)[:500])


def _seconds(header: object) -> float:
    try:
        seconds = float(str(header))
    except ValueError:
        return _RETRY_AFTER_S
    return seconds if math.isfinite(seconds) and seconds >= 0 else _RETRY_AFTER_S


def _as_text(value: object) -> object:
    if isinstance(value, bool):
        return "1" if value else "0"
    return json.dumps(value) if isinstance(value, (list, dict)) else value
