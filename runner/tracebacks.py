"""Finds the Python exception that ended a program in the end of its log, among ranks, launchers and chained exceptions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_START = re.compile(r"^(?:Original )?Traceback \(most recent call last\):")
_FRAME = re.compile(r'^\s+File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?')
_EXCEPTION = re.compile(r"^(?P<name>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?$")
_CHAINED = re.compile(r"^(?:During handling of the above exception|The above exception was the direct cause)")
_STILL_FINE = re.compile(r" - INFO - |^\{\"phase\"")
# What ranks and launchers print because another process failed first.
_SECONDARY = re.compile(
    r"ChildFailedError|CalledProcessError|ProcessRaisedException|ProcessExitedException|DistBackendError|DistNetworkError"
    r"|Connection (?:closed|reset) by (?:remote )?peer|Broken pipe|SignalException|KeyboardInterrupt"
)
_CAUGHT_IN_WORKER = re.compile(r"^Caught \w+ in (?:DataLoader worker|replica)")


@dataclass(frozen=True, slots=True)
class Traceback:
    """One exception as Python printed it. ``end`` is the index of its line in the log's lines."""

    exception: str
    message: str
    file: str
    line: int
    function: str
    end: int

    @property
    def where(self) -> str:
        """``checkpoint.py, line 98, in save``: without the folders above, which differ from host to host."""
        return f"{self.file.rsplit('/', 1)[-1]}, line {self.line}, in {self.function}"


def root(lines: Sequence[str]) -> Traceback | None:
    """The exception that ended the program: the first after the last sign of life that no other process's failure caused.

    Of chained exceptions it is the last, which the program raised in view of the others.
    """
    chains = _chains(lines)
    alive = max((number for number, line in enumerate(lines) if _STILL_FINE.search(line)), default=-1)
    last_words = [chain for chain in chains if chain[-1].end > alive] or chains[-1:]
    primary = [chain for chain in last_words if not _SECONDARY.search(f"{chain[-1].exception}: {chain[-1].message}")]
    return (primary or last_words)[0][-1] if last_words else None


def _chains(lines: Sequence[str]) -> list[list[Traceback]]:
    chains: list[list[Traceback]] = []
    frame: re.Match[str] | None = None
    inside = chained = False
    for number, line in enumerate(lines):
        here = _FRAME.match(line)
        if _START.match(line):
            inside, frame = True, None
        elif inside and here:
            frame = here
        elif inside and not line.startswith((" ", "\t")) and (found := _EXCEPTION.match(line)):
            inside = _CAUGHT_IN_WORKER.match(found["message"] or "") is not None
            if not inside:
                one = _traceback(found, frame, end=number)
                chains = [*chains[:-1], [*chains[-1], one]] if chained and chains else [*chains, [one]]
                chained = False
        elif _CHAINED.match(line):
            chained = True
    return chains


def _traceback(exception: re.Match[str], frame: re.Match[str] | None, *, end: int) -> Traceback:
    return Traceback(
        exception=exception["name"].rsplit(".", 1)[-1],
        message=(exception["message"] or "").strip(),
        file=frame["file"] if frame else "",
        line=int(frame["line"][:9]) if frame else 0,
        function=(frame["function"] or "").strip() if frame else "",
        end=end,
    )
