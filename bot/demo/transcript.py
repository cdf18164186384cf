"""Prints a channel's conversation as it happens: new messages whole, a card that is edited as one line of progress."""

from __future__ import annotations

import re
import sys
import threading
import time
from typing import Any, TextIO

from bot.local_workspace import WorkspacePerson

LOOK_EVERY_S = 0.5
PROGRESS_EVERY_S = 10.0
MOST_LINES = 40

Json = dict[str, Any]


class Transcript:
    """Follows one channel and its threads for one person, in a thread, until closed."""

    def __init__(self, person: WorkspacePerson, channel: str, *, names: dict[str, str], out: TextIO = sys.stdout) -> None:
        self._person = person
        self._channel = channel
        self._names = names
        self._out = out
        self._shown: dict[str, str] = {}
        self._progress_at = 0.0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="transcript", daemon=True)
        self._thread.start()

    def note(self, text: str) -> None:
        """A line of the narrator."""
        with self._lock:
            self._out.write(f"\n\033[1m── {text}\033[0m\n" if self._out.isatty() else f"\n── {text}\n")
            self._out.flush()

    def close(self) -> None:
        """Show what is left and stop."""
        self._closing.set()
        self._thread.join(10)

    def _follow(self) -> None:
        last = False
        while not last:
            last = self._closing.wait(LOOK_EVERY_S)
            try:
                self._look()
            except OSError:
                continue  # the workspace is going down, or busy

    def _look(self) -> None:
        for message in self._person.messages(self._channel):
            self._show(message, indent="")
            if message.get("reply_count"):
                for reply in self._person.thread(self._channel, message["ts"])[1:]:
                    self._show(reply, indent="    ↳ ")

    def _show(self, message: Json, *, indent: str) -> None:
        text = plain(message, self._names)
        before = self._shown.get(message["ts"])
        self._shown[message["ts"]] = text
        if before == text:
            return
        if before is None:
            lines = text.splitlines()[:MOST_LINES] or ["(a file)"]
            who = self._names.get(message.get("user", ""), "signalbox")
            private = " (only to you)" if message.get("is_ephemeral") else ""
            with self._lock:
                self._out.write(f"{indent}{who}{private}: " + f"\n{' ' * len(indent)}  ".join(lines) + "\n")
                self._out.flush()
        elif not indent and time.monotonic() - self._progress_at > PROGRESS_EVERY_S:
            self._progress_at = time.monotonic()
            with self._lock:
                self._out.write(f"  … {' · '.join(text.splitlines()[:3])}\n")
                self._out.flush()


def plain(message: Json, names: dict[str, str]) -> str:
    """A message as a terminal shows it: people by name, files by theirs, links by their words."""
    text = re.sub(r"<@(\w+)>", lambda found: "@" + names.get(found[1], found[1]), str(message.get("text", "")))
    text = re.sub(r"<https?://[^|>]+\|([^>]+)>", r"`\1`", text)
    for escaped, sign in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(escaped, sign)
    files = [f"[{file.get('name', 'file')}]" for file in message.get("files", [])]
    drawn = [f"[picture: {block['alt_text']}]" for block in message.get("blocks", []) if block.get("type") == "image"]
    return "\n".join([text, *files, *drawn]).strip()
