"""Somebody in a local workspace, as a Python object: what tests and the headless demo use to talk to the app."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

Json = dict[str, Any]
T = TypeVar("T")

_REQUEST_S = 40.0
_POLL_S = 5.0


class PersonError(Exception):
    """The workspace refused what a person tried; `error` is its word for it, `answer` all it said."""

    def __init__(self, what: str, answer: Json) -> None:
        details = "; ".join(answer.get("response_metadata", {}).get("messages", []))
        super().__init__(f"{what} was refused: {answer.get('error')}. {details}".strip())
        self.error = str(answer.get("error"))
        self.answer = answer


class WorkspacePerson:
    """Does what a person does: talks, commands, uploads, clicks, fills in, looks, waits.

    `name` is a person of the workspace. Messages and views are the JSON objects that Slack's API shows; messages also
    have their `channel`. Every request has a deadline; refusals raise PersonError.
    """

    def __init__(self, base_url: str, session_token: str, name: str) -> None:
        self.name = name
        self._address = urlsplit(base_url).netloc
        self._headers = {"Authorization": f"Bearer {session_token}"}

    # Talking

    def say(self, channel: str, text: str, *, thread_ts: str | None = None) -> Json:
        """Sends a message as typed (`@signalbox help`, `#general`); returns it."""
        return self._post("say", channel=channel, text=text, thread_ts=thread_ts)["message"]  # type: ignore[no-any-return]

    def slash(self, channel: str, command: str, text: str = "") -> Json | None:
        """Runs a slash command; returns the answer that came with the ack (or Slackbot's note of failure), if any."""
        return self._post("slash", channel=channel, command=command, text=text)["answer"]  # type: ignore[no-any-return]

    def upload(self, channel: str, path: Path, *, text: str = "", filename: str | None = None, thread_ts: str | None = None) -> Json:
        """Shares a file, with a message if `text` is given; returns the message. The file is streamed."""
        query = {"channel": channel, "filename": filename or path.name, "text": text, "thread_ts": thread_ts or ""}
        with path.open("rb") as source:
            headers = {"Content-Length": str(path.stat().st_size)}
            return self._request("POST", "upload", query, body=source, headers=headers)["message"]  # type: ignore[no-any-return]

    # Acting

    def click(self, where: Json, action_id: str, *, block_id: str | None = None, value: Any = None, confirmed: bool = False) -> Json:
        """Acts on an element of a message or view: presses a button, or chooses `value` (an option's value, a list, text).

        Returns {acknowledged, problem}. An element with a confirm dialog raises PersonError("confirmation_required"),
        whose answer holds the dialog, until `confirmed`.
        """
        place = {"view_id": where["id"]} if "id" in where else {"channel": where["channel"], "ts": where["ts"]}
        rest = {"action_id": action_id, "block_id": block_id, "value": value, "confirmed": confirmed}
        return self._post("click", **place, **rest)

    def submit(self, view: Json, values: Mapping[str, Any] | None = None) -> Json:
        """Fills in a modal ({action_id: value} or {block_id: {action_id: value}}) and submits it.

        Returns {outcome: closed, updated, pushed, cleared, errors or trouble, errors: {block_id: text}}.
        """
        return self._post("submit", view_id=view["id"], values=dict(values or {}))

    def close(self, view: Json, *, whole_stack: bool = False) -> None:
        """Closes a modal, or the whole stack."""
        self._post("close", view_id=view["id"], whole_stack=whole_stack)

    def shortcut(self, callback_id: str, message: Json | None = None) -> Json:
        """Runs a message shortcut on a message, or a global one."""
        place = {"channel": message["channel"], "ts": message["ts"]} if message else {}
        return self._post("shortcut", callback_id=callback_id, **place)

    def open_home(self) -> Json | None:
        """Opens the app's Home tab; returns what it shows so far."""
        return self._post("home")["view"]  # type: ignore[no-any-return]

    def open_direct_messages(self) -> str:
        """The id of the direct messages with the app."""
        return str(self._post("direct_messages")["channel"]["id"])

    def invite_app(self, channel: str) -> None:
        """Makes the app a member of a channel."""
        self._post("invite", channel=channel)

    # Looking

    def state(self) -> Json:
        """People, channels, the app and its commands."""
        return self._request("GET", "state", {})

    def messages(self, channel: str, *, limit: int = 200) -> list[Json]:
        """The channel's messages outside threads, oldest first, notes that only this person sees included."""
        return self._request("GET", "messages", {"channel": channel, "limit": str(limit)})["messages"]  # type: ignore[no-any-return]

    def ephemeral_messages(self, channel: str) -> list[Json]:
        """The notes in a channel that only this person sees."""
        return [message for message in self.messages(channel) if message.get("is_ephemeral")]

    def thread(self, channel: str, ts: str) -> list[Json]:
        """A message and its replies, oldest first."""
        return self._request("GET", "thread", {"channel": channel, "ts": ts})["messages"]  # type: ignore[no-any-return]

    def views(self) -> list[Json]:
        """The open modals, the visible one last."""
        return self._request("GET", "views", {})["views"]  # type: ignore[no-any-return]

    def home(self) -> Json | None:
        """What the Home tab shows, without opening it."""
        return self._request("GET", "views", {})["home"]  # type: ignore[no-any-return]

    def download(self, file: Json) -> bytes:
        """The bytes of a file that a message shows."""
        return self._exchange("GET", "file", {"file": file["id"]})[1]

    # Waiting

    def wait_for(self, look: Callable[[], T | None], *, timeout_s: float, what: str = "") -> T:
        """Calls `look` now and after every change of the workspace until it returns something true; returns that.

        Raises TimeoutError, naming `what`.
        """
        deadline = time.monotonic() + timeout_s
        seq = int(self.state()["seq"])
        while not (found := look()):
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(f"{self.name} waited {timeout_s:.1f} s in vain for {what or 'a change'}.")
            query = {"after": str(seq), "timeout_s": f"{min(left_s, _POLL_S):.3f}"}
            seq = int(self._request("GET", "changes", query)["seq"])
        return found

    def wait_for_message(self, channel: str, matches: Callable[[Json], bool], *, timeout_s: float, thread_ts: str | None = None) -> Json:
        """The newest message of a channel (or thread) that `matches`, waited for up to `timeout_s`."""

        def look() -> Json | None:
            messages = self.thread(channel, thread_ts) if thread_ts else self.messages(channel)
            return next((message for message in reversed(messages) if matches(message)), None)

        return self.wait_for(look, timeout_s=timeout_s, what=f"a message in {channel}")

    # The wire

    def _post(self, name: str, **body: Any) -> Json:
        headers = {"Content-Type": "application/json"}
        return self._request("POST", name, {}, body=json.dumps({"person": self.name, **body}), headers=headers)

    def _request(self, method: str, name: str, query: Mapping[str, str], **rest: Any) -> Json:
        status, body = self._exchange(method, name, query, **rest)
        answer: Json = json.loads(body)
        if status != 200 or not answer["ok"]:
            raise PersonError(f"{method} {name} by {self.name}", answer)
        return answer

    def _exchange(
        self, method: str, name: str, query: Mapping[str, str], *, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self._address, timeout=_REQUEST_S)
        try:
            path = (
                f"/people/api/{name}?{urlencode({'person': self.name, **query})}" if method == "GET" or query else (f"/people/api/{name}")
            )
            connection.request(method, path, body=body, headers={**self._headers, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()
