"""HTTP instead of Socket Mode, Slack's side: each payload is posted to the app's request URL, signed with the signing secret.

Facts: docs.slack.dev, "Verifying requests from Slack" and "The Events API"; slash commands and interactions are forms, events JSON.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import http.client
import json
import time
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from bot.local_workspace.wire import Json, Silence

_FORM, _JSON = "application/x-www-form-urlencoded", "application/json"


@dataclass(frozen=True)
class RequestUrl:
    """Where the app hears, and the secret that proves who speaks."""

    url: str
    signing_secret: str

    async def post(self, kind: str, payload: Json, *, within_s: float, retry: tuple[int, str] | None) -> Json | Silence:
        """The answer of the app ({} without one), or why there was none in time."""
        content_type, body = _written(kind, payload)
        headers = {"Content-Type": content_type, **self._signed(body)}
        if retry is not None:
            headers |= {"X-Slack-Retry-Num": str(retry[0]), "X-Slack-Retry-Reason": f"http_{retry[1]}"}
        try:
            async with asyncio.timeout(within_s):
                status, answer = await asyncio.to_thread(self._exchange, body, headers, within_s)
        except (TimeoutError, http.client.HTTPException):
            return Silence.TIMEOUT
        except OSError:
            return Silence.NO_SOCKET
        return _read(answer) if status == 200 else Silence.TIMEOUT

    def _signed(self, body: bytes) -> dict[str, str]:
        stamp = str(int(time.time()))
        digest = hmac.new(self.signing_secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}

    def _exchange(self, body: bytes, headers: dict[str, str], within_s: float) -> tuple[int, bytes]:
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.netloc, timeout=within_s)
        try:
            connection.request("POST", address.path, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def _written(kind: str, payload: Json) -> tuple[str, bytes]:
    match kind:
        case "slash_commands":
            return _FORM, urlencode(payload).encode()
        case "interactive":
            return _FORM, urlencode({"payload": json.dumps(payload)}).encode()
    return _JSON, json.dumps(payload).encode()


def _read(answer: bytes) -> Json:
    """An answer is JSON, plain text, or nothing."""
    text = answer.decode("utf-8", "replace").strip()
    if not text:
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"text": text}
