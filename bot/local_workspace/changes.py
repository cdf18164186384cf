"""What changed, in order, for everybody who is looking: the page's socket and people's long polls."""

from __future__ import annotations

import asyncio
from collections import deque

from bot.local_workspace.entities import Note
from bot.local_workspace.wire import Json

_KEPT = 2000


class ChangeFeed:
    """A numbered list of changes, of which the last 2,000 are kept. Lives in the server's event loop."""

    def __init__(self) -> None:
        self._notes: deque[Note] = deque(maxlen=_KEPT)
        self._news = asyncio.Event()
        self.seq = 0

    def add(self, kind: str, body: Json, *, only_for: str | None = None) -> None:
        """Tells everybody (or one person) that something changed."""
        self.seq += 1
        self._notes.append(Note(self.seq, {"seq": self.seq, "kind": kind, **body}, only_for))
        self._news.set()
        self._news = asyncio.Event()

    def after(self, seq: int, person: str) -> list[Json]:
        """The changes this person may see after number `seq`; a gap of forgotten ones starts with a `reset`."""
        is_forgotten = bool(self._notes) and seq < self._notes[0].seq - 1
        if is_forgotten or seq > self.seq:  # greater: counted by a workspace that has been restarted since
            return [{"seq": self.seq, "kind": "reset"}]
        return [note.body for note in self._notes if note.seq > seq and note.only_for in (None, person)]

    async def wait(self, seq: int, person: str, *, timeout_s: float) -> list[Json]:
        """Like `after`, but waits up to `timeout_s` for the first change; empty when none came."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while not (changes := self.after(seq, person)):
            left_s = deadline - asyncio.get_running_loop().time()
            if left_s <= 0:
                return []
            try:
                await asyncio.wait_for(self._news.wait(), left_s)
            except TimeoutError:
                return []
        return changes
