"""What a way to reach a host must give: a ``sh -s`` over there, with deadlines. Everything else is built on top of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on this machine's monotonic clock."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The moment ``seconds`` from now."""
        return cls(time.monotonic() + seconds)

    def left_s(self) -> float:
        """Seconds until then, never negative."""
        return max(0.0, self.at - time.monotonic())

    @property
    def passed(self) -> bool:
        """Whether it is over."""
        return self.left_s() <= 0


@dataclass(frozen=True, slots=True)
class Received:
    """What came out since the last look. ``ended``: both outputs are closed and nothing more comes."""

    stdout: bytes
    stderr: bytes
    ended: bool


class Pipe(Protocol):
    """A running ``sh -s``. Raises UnreachableError once it cannot be reached any more."""

    def send(self, data: bytes) -> None:
        """Give it input; blocks while it does not read, until closed."""
        ...

    def finish(self) -> None:
        """Its input ends here."""
        ...

    def receive(self, timeout_s: float) -> Received:
        """Wait for output of either kind, at most this long."""
        ...

    def exit_code(self, timeout_s: float) -> int:
        """How it ended; UnreachableError when nobody says so in time."""
        ...

    def close(self) -> None:
        """Let go of it, at once; what blocks in send or receive comes back. May be called twice."""
        ...

    def abandon(self) -> None:
        """Close it without saying a word to the other side, which may no longer listen."""
        ...


class Connection(Protocol):
    """A way to one host that opens pipes, and reconnects by itself when the next one is asked for."""

    def open(self, deadline: Deadline) -> Pipe: ...

    def close(self) -> None: ...
