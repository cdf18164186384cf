"""Finds the Python exception that ended a program in the end of its log, among ranks, launchers and chained exceptions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

# A progress bar without a newline may stand before the first line, a rank's label before each.
_START = re.compile(r"Traceback \(most recent call last\):\s*$")
_FRAME = re.compile(r'^\s+File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?')
_EXCEPTION = re.compile(r"^(?P<name>[A-Za-z_][\w.]*)(?:: (?P<message>.*)|:)?$")
_CHAINED = re.compile(r"^(?:During handling of the above exception|The above exception was the direct cause)")
_LABEL = re.compile(r"^\[(?:rank|default)\d{1,6}\]: ?")
_ALIVE = re.compile(
    r"Epoch(?:\(\w+\))? ?\[ *\d+\]\s*\[ *\d+/\d+\]|Iter(?:\(\w+\))? ?\[ *\d+/\d+\]"  # MMDetection 3, and 1 and 2
    r"|\|\|EpochIter:|Step \d+ (?:per-step time|time taken)|^\{\"phase\""  # M2Det, TensorFlow, our own programs
)
# What ranks and launchers print because another process failed first.
_SECONDARY = re.compile(
    r"ChildFailedError|CalledProcessError|ProcessRaisedException|ProcessExitedException|DistBackendError|DistNetworkError|DistStoreError"
    r"|Connection (?:closed|reset) by (?:remote )?peer|Timed out waiting \d+ms for \w+ operation|Broken pipe"
    r"|SignalException|KeyboardInterrupt|NCCL communicator was aborted|NCCL error in: "
)
_CAUGHT_IN_WORKER = re.compile(r"^Caught \w+ in (?:DataLoader worker|replica)")
_INNARDS = re.compile(r"/(?:tensorflow|google/protobuf)/")  # frames that are the same whatever went wrong
_SAID_BELOW = frozenset({"", "Graph execution error:"})


@dataclass(frozen=True, slots=True)
class Traceback:
    """One exception as Python printed it, with its last frame outside TensorFlow's own. ``end`` is the index of its line in the log."""

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

    @property
    def secondary(self) -> bool:
        """Whether it says no more than that another process failed first."""
        return _SECONDARY.search(f"{self.exception}: {self.message}") is not None


@dataclass(slots=True)
class _Stream:
    """What one process printed: ``open`` tracebacks that have no exception yet, as unlabelled ranks print into each other's lines."""

    open: int = 0
    chained: bool = False
    frame: re.Match[str] | None = None
    found: list[Traceback] = field(default_factory=list)


def signs_of_life(lines: Sequence[str]) -> list[int]:
    """The indexes of lines that a program prints only while it trains or works: what was said before them did not end it."""
    return [number for number, line in enumerate(lines) if _ALIVE.search(line)]


def unlabelled(line: str) -> str:
    """The line without the rank that launchers put before it."""
    return _LABEL.sub("", line)


def tracebacks(lines: Sequence[str]) -> list[Traceback]:
    """Every exception that went uncaught, in order; of chained ones the last, which the program raised in view of the others."""
    streams: dict[str, _Stream] = {}
    for number, line in enumerate(lines):
        label = _LABEL.match(line)
        stream = streams.setdefault(label[0].strip() if label else "", _Stream())
        _take(stream, line[label.end() :] if label else line, number, lines)
    return sorted((found for stream in streams.values() for found in stream.found), key=lambda found: found.end)


def _take(stream: _Stream, line: str, number: int, lines: Sequence[str]) -> None:
    here = _FRAME.match(line)
    if _START.search(line):
        stream.open, stream.frame = stream.open + 1, None if stream.open == 0 else stream.frame
    elif stream.open and here:
        stream.frame = stream.frame if stream.frame and _INNARDS.search(here["file"]) else here
    elif stream.open and not line.startswith((" ", "\t")) and (found := _EXCEPTION.match(line)):
        if _CAUGHT_IN_WORKER.match(found["message"] or ""):
            stream.open -= 1  # the worker's own traceback follows, and its exception is the one that counts
            return
        if stream.chained and stream.found:
            stream.found.pop()
        below = next((text for text in lines[number + 1 : number + 4] if text.strip()), "")
        stream.found.append(_traceback(found, stream.frame, end=number, below=unlabelled(below)))
        stream.open, stream.chained = stream.open - 1, False
    elif _CHAINED.match(line):
        stream.chained = True


def _traceback(exception: re.Match[str], frame: re.Match[str] | None, *, end: int, below: str) -> Traceback:
    message = (exception["message"] or "").strip()
    name = exception["name"].rsplit(".", 1)[-1]
    says_more = message in _SAID_BELOW and exception[0].endswith(":") and not below.startswith(("=", "Traceback"))
    return Traceback(
        exception=name,
        message=below.strip() if says_more else message,
        file=frame["file"] if frame else "",
        line=int(frame["line"][:9]) if frame else 0,
        function=(frame["function"] or "").strip() if frame else "",
        end=end,
    )
