"""What a command is: a click command (or group of commands), its topic, its examples, and the loose forms it understands."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import click

from bot.shared_files import SharedFile
from runner.errors import RequestError
from runner.service.house import House, Requester
from runner.specs import GivenFile


class Topic(StrEnum):
    """Where help lists a command."""

    TRAIN = "Train"
    USE = "Use a model"
    WATCH = "Watch"
    DATA = "Data"
    SERVERS = "Servers"
    HOUSE = "This installation"
    TERMINAL = "Only in the terminal"


@dataclass(frozen=True, slots=True)
class Asking:
    """What a command is carried out with (click's ``obj``). ``raw`` are the framework options after ``--``.

    ``line`` is what was typed, and ``attached`` what was shared with it: files that lie with Slack, or once they are fetched, here.
    """

    house: House
    who: Requester
    raw: tuple[str, ...] = ()
    line: str = ""
    attached: Sequence[SharedFile | GivenFile] = ()


@dataclass(frozen=True)
class Verb:
    """One command of the tree, as a module of ``bot/commands`` offers it under the name ``verb``.

    ``words`` are words that may stand between arguments, each with the option it means (``as``: ``--as``) or nothing (``on``).
    ``slow`` commands look at the world, or read files, and so run outside the database's transaction; asked twice, they change nothing
    more than once. What ``changes`` something takes ``--dry-run``: carried out and undone, or told by the verb ``previewed_by``.
    """

    command: click.Command
    topic: Topic
    examples: tuple[str, ...]
    words: Mapping[str, str] = field(default_factory=dict)
    takes_raw: bool = False
    slow: bool = False
    changes: bool = True
    previewed_by: str = ""

    @property
    def name(self) -> str:
        """What people type."""
        return self.command.name or ""


class CommandError(RequestError):
    """A line that cannot be carried out; ``line`` is the nearest one that can, to copy."""

    def __init__(self, message: str, *, line: str = "") -> None:
        super().__init__(message)
        self.line = line


class UnknownNameError(RequestError):
    """A name that does not exist: ``typed``, and the nearest that does (``meant``, empty where none is near)."""

    def __init__(self, what: str, typed: str, known: Iterable[str], *, none_yet: str = "") -> None:
        names = list(known)
        self.typed = typed
        self.meant = nearest(typed, names)
        hint = f"Did you mean {self.meant}?" if self.meant else _listed(names) if names else none_yet
        super().__init__(f"There is no {what} {typed!r}. {hint}".rstrip())


def nearest(typed: str, known: Iterable[str]) -> str:
    """The known name that the typed one most likely means; empty where none is near."""
    names = {name.lower(): name for name in known}
    lowered = typed.lower()
    if lowered in names:
        return names[lowered]
    close = difflib.get_close_matches(lowered, names, n=1, cutoff=0.6)
    if close:
        return names[close[0]]
    begun = [name for name in names if len(lowered) >= 2 and name.startswith(lowered)]
    return names[begun[0]] if len(begun) == 1 else ""


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:12])
    return f"There are: {shown}{f' and {len(names) - 12} more' if len(names) > 12 else ''}."
