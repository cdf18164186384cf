"""What the steps of the demo share: who speaks, what was said before, and how a step insists on what must be seen."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bot.demo.scene import Scene
from bot.demo.transcript import Transcript
from runner.service.views import RunView, view

Json = dict[str, Any]
T = TypeVar("T")

COMMAND = "/train"
_RUN = re.compile(r"r-[a-z0-9]{4,8}")


class Unseen(Exception):  # noqa: N818 - the demo's verdict, not a fault of the program
    """A step did not show what it must."""


@dataclass
class Play:
    """One playing of the story. ``runs`` are the ids by the name the story gives them."""

    scene: Scene
    transcript: Transcript
    runs: dict[str, str] = field(default_factory=dict)

    @property
    def upload(self) -> Path:
        """The zip that somebody will upload."""
        return self.scene.folder / "fish.zip"

    def command(self, text: str) -> str:
        """Type a slash command; returns what the person alone was answered."""
        self.transcript.note(f"ada: {COMMAND} {text}")
        answer = self.scene.ada.slash(self.scene.channel, COMMAND, text)
        if answer is None:
            raise Unseen(f"`{COMMAND} {text}` got no answer.")
        return str(answer.get("text", ""))

    def start(self, name: str, text: str) -> str:
        """Type a command that makes a run; returns its id."""
        answer = self.command(text)
        found = _RUN.search(answer)
        if found is None:
            raise Unseen(f"`{COMMAND} {text}` made no run: {answer}")
        self.runs[name] = found[0]
        return found[0]

    def press(self, message: Json, value: str) -> None:
        """Press the button of a message that carries this command line (or begins so)."""
        for block in message.get("blocks", []):
            for element in block.get("elements", []):
                if str(element.get("value", "")).startswith(value):
                    self.transcript.note(f"ada presses [{element['text']['text']}]")
                    self.scene.ada.click(message, element["action_id"], block_id=block.get("block_id"), confirmed=True)
                    return
        raise Unseen(f"There is no button for `{value}` under: {message.get('text')}")

    def message(self, *words: str, timeout_s: float = 60.0, thread: str | None = None) -> Json:
        """The newest message that has all these words, waited for."""
        return self.scene.ada.wait_for_message(
            self.scene.channel, lambda message: all(word in _everything(message) for word in words), timeout_s=timeout_s, thread_ts=thread
        )

    def card(self, run_id: str, *words: str, timeout_s: float = 60.0) -> Json:
        """A run's card, once it shows all these words."""
        self.wait(lambda: view(self.scene.house, run_id).run.place.thread, timeout_s=timeout_s, what=f"the card of {run_id}")
        ts = view(self.scene.house, run_id).run.place.thread

        def look() -> Json | None:
            return next((message for message in self.scene.ada.messages(self.scene.channel) if message["ts"] == ts
                         and all(word in _everything(message) for word in words)), None)

        return self.scene.ada.wait_for(look, timeout_s=timeout_s, what=f"{words} on the card of {run_id}")

    def reply(self, run_id: str, *words: str, timeout_s: float = 60.0) -> Json:
        """A reply in the thread under a run's card."""
        return self.message(*words, timeout_s=timeout_s, thread=self.card(run_id)["ts"])

    def delivery_ids(self) -> list[str]:
        """The id of every message that Signalbox posted, from the metadata that Slack keeps with it."""
        messages = self.scene.ada.messages(self.scene.channel)
        threads = [message["ts"] for message in messages if message.get("reply_count")]
        replies = [reply for ts in threads for reply in self.scene.ada.thread(self.scene.channel, ts)[1:]]
        found = [(message.get("metadata") or {}).get("event_payload", {}).get("id") for message in (*messages, *replies)]
        return [str(name) for name in found if name]

    def view(self, name: str) -> RunView:
        """A run as the database has it, to compare with what the workspace shows."""
        return view(self.scene.house, self.runs[name])

    def wait(self, look: Callable[[], T | None], *, timeout_s: float, what: str) -> T:
        """Look until there is something; Unseen when there is not in time."""
        deadline = time.monotonic() + timeout_s
        while not (found := look()):
            if time.monotonic() > deadline:
                raise Unseen(f"{what} was not seen within {timeout_s:.0f} s.")
            time.sleep(0.1)
        return found


def expect(condition: object, sentence: str) -> None:
    """Insist: Unseen unless the condition holds."""
    if not condition:
        raise Unseen(sentence)


def pictures(message: Json) -> list[Json]:
    """The image blocks of a message."""
    return [block for block in message.get("blocks", []) if block.get("type") == "image"]


def _everything(message: Json) -> str:
    return f"{message.get('text', '')} {' '.join(str(file.get('name')) for file in message.get('files', []))}"
