"""What crosses the wire: JSON objects, and Slack's way to say no."""

from __future__ import annotations

from enum import Enum
from typing import Any

Json = dict[str, Any]
"""One JSON object exactly as Slack would send or receive it."""


class Silence(Enum):
    """Why an envelope got no ack, in the words people see when their command fails."""

    NO_SOCKET = "dispatch_failed"
    TIMEOUT = "operation_timeout"


class RefusalError(Exception):
    """A request is refused with Slack's own word for the reason (`error`), details in `messages`.

    `status` and `headers` are those of the HTTP answer: Slack answers 200 to almost everything it refuses, 429 to haste.
    """

    def __init__(
        self,
        error: str,
        *messages: str,
        status: int = 200,
        headers: dict[str, str] | None = None,
        fields: Json | None = None,
    ) -> None:
        super().__init__(": ".join((error, *messages)))
        self.error = error
        self.messages = messages
        self.status = status
        self.headers = headers or {}
        self.fields = fields or {}

    def to_json(self) -> Json:
        """The body of the answer: ok, error, and response_metadata.messages where there is more to say."""
        body: Json = {"ok": False, "error": self.error, **self.fields}
        if self.messages:
            body["response_metadata"] = {"messages": list(self.messages)}
        return body
